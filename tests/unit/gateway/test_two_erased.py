"""Two gateways at the end of a message's term: what is erased is gone at both, and is told."""

from datetime import timedelta

import pytest

from meldeweg.gateway.api.arrived import ReceiptOrder
from meldeweg.gateway.retention import Retention
from meldeweg.gateway.states import ReceivedState, SentMove, SentState
from meldeweg.gateway.store import idempotency, outbox, sent
from meldeweg.gateway.undeliverable import Undeliverable
from meldeweg.kernel import statement as statements
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.statement import ReceiptKind
from unit.gateway.carrying import brought, events_of, replied
from unit.gateway.sending import order
from unit.gateway.world import KREIS, POLICE


async def test_at_delete_after_both_ends_forget_what_it_was_about(both):
    police, kreis = both
    message = await brought(police, kreis, thread="V-12")
    await kreis.inbox.open(message, "Erika Beispiel", None)
    receipt = ReceiptOrder(kind=ReceiptKind.ACKNOWLEDGED, by="Erika Beispiel")
    await kreis.inbox.receipt(message, receipt, None)
    await police.carry(kreis)
    for office in both:
        assert await _retention(office).once() == 0
        office.clock.advance(timedelta(days=400))
        while await _retention(office).once():
            pass
    with pytest.raises(Refused) as refused:
        await kreis.inbox.open(message, "Erika Beispiel", None)
    assert refused.value.code == "message-erased"
    (item,) = (await kreis.inbox.list(None, 9)).items
    assert item.state is ReceivedState.ERASED
    kept = await police.box.get(message)
    assert (kept.state, kept.clause, kept.legal_basis) == (SentState.ACKNOWLEDGED, None, None)
    assert [step.by for step in kept.timeline] == [None] * 3
    for office in both:
        assert _blobs(office.store) == []
        assert office.store.peek(lambda db: db.execute("SELECT count(*) FROM seen").fetchone()) == (
            0,
        )


async def test_what_was_never_delivered_is_undeliverable_when_it_is_erased(both):
    """Also where it can't be told yet: its number is told another time, or the log has a hole."""
    police, _ = both
    message = (await police.intake.accept(order(), "key-0001")).id
    police.clock.advance(timedelta(days=300))
    while await _retention(police).once():
        pass
    shown = await police.box.get(message)
    assert shown.state is SentState.UNDELIVERABLE
    assert [(step.kind, step.code) for step in shown.timeline] == [("undeliverable", "term-ended")]
    assert shown.call.agency == KREIS
    assert not police.store.peek(outbox.waiting_bytes)
    (left,) = police.rows()
    assert left.value == b""
    seq = statements.parse(dict(left.headers)["statement"]).context.seq
    later = Undeliverable(
        police.store, POLICE, police.desk.signer, police.clock, police.desk.queued
    )
    await later.what_is_over()
    (told,) = events_of(police)
    assert (told.kind, told.seq, told.partner) == (EventKind.UNDELIVERABLE, seq, KREIS)
    assert len(police.rows()) == 1


async def test_what_is_due_is_told_before_it_is_erased(both):
    police, _ = both
    await police.intake.accept(order(), "key-0001")
    police.clock.advance(timedelta(days=300))
    over = Undeliverable(police.store, POLICE, police.desk.signer, police.clock, police.desk.queued)
    days = timedelta(days=7), timedelta(days=30)
    retention = Retention(police.store, police.clock, *days, over.what_is_over)
    await retention.once()
    assert [told.kind for told in events_of(police)] == [EventKind.UNDELIVERABLE]
    assert len(police.rows()) == 1, "the event alone"


async def test_nothing_is_told_of_what_was_delivered_meanwhile(both):
    police, kreis = both
    message = (await police.intake.accept(order(), "key-0001")).id
    late = police.clock.now() + timedelta(days=400)
    rows = police.store.peek(lambda db: outbox.over(db, late))
    await kreis.carry(police)
    await police.carry(kreis)
    over = Undeliverable(police.store, POLICE, police.desk.signer, police.clock, police.desk.queued)
    await over.give_up([(row, "") for row in rows])
    assert (await police.box.get(message)).state is SentState.DELIVERED
    assert events_of(police) == []


async def test_what_was_given_up_and_had_arrived_is_taken_back_all_the_same(both):
    police, kreis = both
    message = (await police.intake.accept(order(), "key-0001")).id
    late = police.clock.now() + timedelta(days=400)
    rows = police.store.peek(lambda db: outbox.over(db, late))
    await kreis.carry(police)  # its receipt is late
    over = Undeliverable(police.store, POLICE, police.desk.signer, police.clock, police.desk.queued)
    await over.give_up([(row, "key-expired") for row in rows])
    assert (await police.box.get(message)).state is SentState.UNDELIVERABLE
    told = statements.parse(rows[0].headers[0][1]).digest
    await police.store.write(
        lambda db: sent.move(db, sent.by_digest(db, told), SentMove.RETRACTED, police.clock.now())
    )
    await police.carry(kreis)  # the late receipt does not bring it back
    assert (await police.box.get(message)).state is SentState.RETRACTED


async def test_what_the_broker_had_is_erased_whole_at_its_end(both):
    police, kreis = both
    await police.intake.accept(order(), "key-0001")
    await kreis.carry(police)  # and its receipt never comes
    police.clock.advance(timedelta(days=300))
    while await _retention(police).once():
        pass
    rows = police.store.peek(lambda db: db.execute("SELECT count(*) FROM outbox").fetchone()[0])
    assert rows == 0


def _retention(office):
    async def nobody():
        raise Unavailable("no-signing-key", "")

    days = timedelta(days=7), timedelta(days=30)
    return Retention(office.store, office.clock, *days, nobody)


def _blobs(store):
    """Return every value in the store that may say what a message was about."""
    places = {
        "sent": ("answer", "actor", "thread"),
        "received": ("value",),
        "opened": ("person",),
        "receipt_in": ("value",),
        "receipt_out": ("said",),
        "idempotency": ("key",),
    }
    found = []
    for table, columns in places.items():
        for column in columns:
            query = f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"
            found += store.peek(lambda db, q=query: db.execute(q).fetchall())
    query = "SELECT value FROM outbox WHERE kind = 'message' AND value IS NOT NULL"
    return found + store.peek(lambda db: db.execute(query).fetchall())


async def test_an_idempotency_key_is_forgotten_after_its_days(both):
    police, _ = both
    await police.intake.accept(order(), "key-0001")
    retention = _retention(police)
    police.clock.advance(timedelta(days=7))
    assert await retention.once() == 0
    police.clock.advance(timedelta(seconds=1))
    assert await retention.once() == 1
    key = police.vault.hash(b"key-0001", "idempotency key")
    assert police.store.peek(lambda db: idempotency.find(db, key)) is None


@pytest.mark.parametrize("erased", [False, True])
@pytest.mark.parametrize("asked", [False, True])
async def test_what_was_erased_is_corrected_all_the_same(both, asked, erased):
    """Of which type it was, its recipient does not know any more; its sender does."""
    police, kreis = both
    if asked:
        content = examples.IMMEDIATE_ACTION | {"entrusted": "none"}
        body = order(
            type="request.immediate-action", to={"agency": POLICE}, labels=None, content=content
        )
        message = (await kreis.intake.accept(body, "key-0007")).id
        await police.carry(kreis)
    else:
        message = await replied(police, kreis)
    if erased:
        await police.inbox.open(message, "P-4711", None)
        for kind in (ReceiptKind.ACKNOWLEDGED, ReceiptKind.ERASED):
            await police.inbox.receipt(message, ReceiptOrder(kind=kind, by="P-4711"), None)
    body = order(type="correction", to={"agency": POLICE}, labels=None,
                 content=examples.COMPLETION, in_reply_to=message)  # fmt: skip
    correction = await kreis.intake.accept(body, "key-0008")
    await police.carry(kreis)
    await kreis.carry(police)
    assert (await kreis.box.get(correction.id)).state is SentState.DELIVERED


async def test_what_was_erased_is_answered_all_the_same(both):
    police, kreis = both
    inquiry = await brought(police, kreis, type="inquiry", content=examples.INQUIRY)
    await kreis.inbox.open(inquiry, "Erika Beispiel", None)
    for kind in (ReceiptKind.ACKNOWLEDGED, ReceiptKind.ERASED):
        await kreis.inbox.receipt(inquiry, ReceiptOrder(kind=kind, by="Erika Beispiel"), None)
    content = examples.REPLY | {"entrusted": "none"}
    body = order(
        type="reply", to={"agency": POLICE}, labels=None, content=content, in_reply_to=inquiry
    )
    reply = await kreis.intake.accept(body, "key-0008")
    await police.carry(kreis)
    await kreis.carry(police)
    assert (await kreis.box.get(reply.id)).state is SentState.DELIVERED
