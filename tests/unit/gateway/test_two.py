"""Two gateways, records carried by hand: both ends agree, and what is erased is gone at both."""

import asyncio
import shutil
from datetime import timedelta

import pytest

from meldeweg.gateway.api.arrived import ReceiptOrder
from meldeweg.gateway.arrivals import Arrivals
from meldeweg.gateway.inbound import Inbound
from meldeweg.gateway.inbox import Inbox
from meldeweg.gateway.retention import Retention
from meldeweg.gateway.settings import ParkingSettings
from meldeweg.gateway.states import ReceivedState, SentMove, SentState
from meldeweg.gateway.store import Store, idempotency, offsets, outbox, quarantine, sent
from meldeweg.gateway.undeliverable import Undeliverable
from meldeweg.kernel import event, schemas, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.bus.positions import Position, Reset, ResetKind
from meldeweg.kernel.bus.records import NO_TOPIC_ID, Record
from meldeweg.kernel.errors import MeldewegError, Refused, Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.statement import ReceiptKind
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import Reads
from unit.gateway.sending import Sender, order
from unit.gateway.world import KREIS, NETTETAL, POLICE, World


class Office(Sender):
    """A gateway that also receives; `carry` brings it what another one has queued."""

    def __init__(self, store, world, me):
        super().__init__(store, world, me)
        lock = asyncio.Lock()
        self.inbound = Inbound(store, self.desk, lock, ParkingSettings(), 300)
        self.arrivals = Arrivals(store, self.desk, self.inbound)
        self.inbox = Inbox(store, self.desk, lock)
        self.carried = {}

    async def carry(self, other):
        """Produce everything that `other` has for this agency, in order."""
        topic = topics.inbox(self.me, other.me)
        rows = [row for row in other.rows() if row.topic == topic]
        start = self.carried.get(topic, 0)
        self.carried[topic] = start + len(rows)
        now = other.clock.now()
        done = [
            outbox.Produced(row.seq, row.ref, start + n, now, now + timedelta(minutes=10))
            for n, row in enumerate(rows)
        ]

        def job(db):
            outbox.mark_produced(db, done)
            sent.mark_sent(db, [(each.ref, each.at) for each in done if each.ref])

        await other.store.write(job)
        await self.inbound.handle(
            [
                Record(topic, 0, start + n, 1, row.key, row.value, row.headers)
                for n, row in enumerate(rows)
            ]
        )


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture
async def both(store, migrated, tmp_path, world):
    directory = tmp_path / "other"
    directory.mkdir(mode=0o700)
    shutil.copy(migrated, directory / migrated.name)
    other = Store(directory)
    await other.start()
    yield Office(store, world, POLICE), Office(other, world, KREIS)
    await other.stop()


async def _delivered(police, kreis, **changes):
    accepted = await police.intake.accept(order(**changes), "key-0001")
    await kreis.carry(police)
    await police.carry(kreis)
    return accepted.id


async def test_what_we_send_our_own_receiving_side_accepts(both):
    police, kreis = both
    message = await _delivered(police, kreis)
    assert kreis.store.peek(quarantine.count) == 0
    assert (await police.box.get(message)).state is SentState.DELIVERED
    opened = await kreis.inbox.open(message, "Erika Beispiel", None)
    assert opened.content == examples.NOTIFICATION
    assert opened.sender == POLICE


async def test_the_sender_sees_who_took_it_and_when(both):
    police, kreis = both
    message = await _delivered(police, kreis, thread="V-12")
    await kreis.inbox.open(message, "Erika Beispiel", None)
    receipt = ReceiptOrder(kind=ReceiptKind.ACKNOWLEDGED, by="Erika Beispiel")
    await kreis.inbox.receipt(message, receipt, None)
    await police.carry(kreis)
    shown = await police.box.get(message)
    assert shown.state is SentState.ACKNOWLEDGED
    assert [(step.kind, step.by) for step in shown.timeline] == [
        ("sent", None),
        ("delivered", None),
        ("acknowledged", "Erika Beispiel"),
    ]
    assert (shown.thread, shown.call) == ("V-12", None)


async def test_a_refusal_shows_its_reason_and_whom_to_phone(both):
    police, kreis = both
    message = await _delivered(police, kreis)
    await kreis.inbox.open(message, "Erika Beispiel", None)
    receipt = ReceiptOrder(
        kind=ReceiptKind.REFUSED,
        by="Erika Beispiel",
        code="not-responsible",
        responsible=AgencyId("jugendamt-nettetal"),
        reason="Umzug",
    )
    await kreis.inbox.receipt(message, receipt, None)
    await police.carry(kreis)
    shown = await police.box.get(message)
    assert (shown.state, shown.call.agency) == (SentState.REFUSED, KREIS)
    last = shown.timeline[-1]
    assert (last.code, last.reason, last.responsible) == (
        "not-responsible",
        "Umzug",
        "jugendamt-nettetal",
    )


async def test_a_persons_words_do_not_stand_beside_what_their_gateway_refused_before(both):
    police, kreis = both
    message = (await police.intake.accept(order(), "key-0001")).id

    def too_early(db):
        sent.move(
            db, sent.by_id(db, message), SentMove.REFUSED, police.clock.now(), "schema-unknown"
        )

    await police.store.write(too_early)
    await police.carry(kreis)
    await kreis.carry(police)
    refusal = ReceiptOrder(
        kind=ReceiptKind.REFUSED,
        by="Erika Beispiel",
        code="not-responsible",
        responsible=AgencyId("jugendamt-nettetal"),
    )
    await kreis.inbox.receipt(message, refusal, None)
    await police.carry(kreis)
    shown = await police.box.get(message)
    refusals = [step for step in shown.timeline if step.kind == "refused"]
    assert [(step.code, step.by) for step in refusals] == [
        ("schema-unknown", None),
        ("not-responsible", "Erika Beispiel"),
    ]


async def test_a_reply_refers_to_what_was_received(both):
    police, kreis = both
    inquiry = await _delivered(police, kreis, type="inquiry", content=examples.INQUIRY)
    body = order(
        type="reply",
        to={"agency": POLICE},
        labels=None,
        content=examples.REPLY | {"entrusted": "none"},
        in_reply_to=inquiry,
    )
    accepted = await kreis.intake.accept(body, "key-0002")
    await police.carry(kreis)
    (item,) = (await police.inbox.list(None, 10)).items
    assert item.id == accepted.id


async def test_a_reply_to_another_partners_message_is_refused(both):
    police, kreis = both
    inquiry = await _delivered(police, kreis, type="inquiry", content=examples.INQUIRY)
    body = order(
        type="reply",
        to={"agency": "jugendamt-nettetal"},
        labels=None,
        content=examples.REPLY | {"entrusted": "none"},
        in_reply_to=inquiry,
    )
    with pytest.raises(Refused) as refused:
        await kreis.intake.accept(body, "key-0002")
    assert refused.value.code == "in-reply-to-unknown"


async def test_a_retraction_that_was_delivered_retracts(both):
    police, kreis = both
    message = await _delivered(police, kreis)
    body = order(
        type="retraction", to={"agency": KREIS}, content=examples.RETRACTION, in_reply_to=message
    )
    await police.intake.accept(body, "key-0002")
    await kreis.carry(police)
    for _ in range(2):  # the receipt may come twice
        await police.carry(kreis)
    shown = await police.box.get(message)
    assert shown.state is SentState.RETRACTED
    told = [body for body in _events(police) if body.kind is EventKind.RETRACTED]
    assert [(body.message, body.partner) for body in told] == [(shown.digest, KREIS)]


async def test_a_retraction_reaches_who_has_the_copy(both, migrated, tmp_path, world):
    police, kreis = both
    directory = tmp_path / "third"
    directory.mkdir(mode=0o700)
    shutil.copy(migrated, directory / migrated.name)
    third = Store(directory)
    await third.start()
    nettetal = Office(third, world, NETTETAL)
    try:
        places = {"place": "Grefrath", "residence": "Nettetal"}
        message = (await police.intake.accept(order(to=places), "key-0001")).id
        to = {"agency": KREIS}
        body = order(type="retraction", to=to, content=examples.RETRACTION, in_reply_to=message)
        await police.intake.accept(body, "key-0002")
        for office in (kreis, nettetal):
            await office.carry(police)
            items = (await office.inbox.list(None, 9)).items
            assert [item.state for item in items].count(ReceivedState.RETRACTED) == 1
            assert office.store.peek(quarantine.count) == 0
    finally:
        await third.stop()


async def test_what_was_taken_back_is_readable_and_says_so_until_it_is_erased(both):
    police, kreis = both
    message = await _delivered(police, kreis)
    body = order(
        type="retraction", to={"agency": KREIS}, content=examples.RETRACTION, in_reply_to=message
    )
    retraction = (await police.intake.accept(body, "key-0002")).id
    await kreis.carry(police)
    item = (await kreis.inbox.list(None, 9)).items[0]
    assert (item.state, item.retracted_by) == (ReceivedState.RETRACTED, retraction)
    opened = await kreis.inbox.open(message, "Erika Beispiel", None)
    assert opened.content == examples.NOTIFICATION
    assert (opened.state, opened.retracted_at) == (ReceivedState.RETRACTED, item.retracted_at)
    assert [step.kind for step in opened.timeline] == ["retracted", "opened"]
    for kind in (ReceiptKind.ACKNOWLEDGED, ReceiptKind.REFUSED):
        code = "not-permitted" if kind is ReceiptKind.REFUSED else None
        receipt = ReceiptOrder(kind=kind, by="Erika Beispiel", code=code)
        with pytest.raises(Refused) as refused:
            await kreis.inbox.receipt(message, receipt, None)
        assert refused.value.code == "receipt-out-of-order"
    receipt = ReceiptOrder(kind=ReceiptKind.ERASED, by="Erika Beispiel")
    answer, _ = await kreis.inbox.receipt(message, receipt, None)
    assert answer.state is ReceivedState.ERASED


async def test_the_list_of_sent_messages_goes_on_where_it_ended(both):
    police, _ = both
    ids = [(await police.intake.accept(order(), f"key-{n:04}")).id for n in range(5)]
    first = await police.box.list(None, 3, None)
    second = await police.box.list(first.next, 3, None)
    assert [each.id for each in (*first.items, *second.items)] == ids[::-1]
    assert second.next is None
    assert len((await police.box.list(None, 9, SentState.QUEUED)).items) == 5
    assert (await police.box.list(None, 9, SentState.OVERDUE)).items == ()
    with pytest.raises(Refused) as refused:
        await police.box.list("x", 3, None)
    assert refused.value.code == "cursor-malformed"


async def test_at_delete_after_both_ends_forget_what_it_was_about(both):
    police, kreis = both
    message = await _delivered(police, kreis, thread="V-12")
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
    (told,) = _events(police)
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
    assert [told.kind for told in _events(police)] == [EventKind.UNDELIVERABLE]
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
    assert _events(police) == []


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


@pytest.mark.parametrize("category", ["contact", "incident"])
async def test_a_partner_of_the_version_before_gets_no_correction_that_it_would_refuse(
    both, world, category
):
    police, kreis = both
    reply = await _replied(police, kreis)
    _reads_the_first_version(both, world, POLICE)
    change = examples.COMPLETION["changes"][0] | {"category": category}
    content = {**examples.COMPLETION, "changes": [change]}
    body = order(
        type="correction", to={"agency": POLICE}, labels=None, content=content, in_reply_to=reply
    )
    with pytest.raises(MeldewegError) as refused:
        await kreis.intake.accept(body, "key-0009")
    assert refused.value.code == ("type-unread" if category == "contact" else "not-covered")


async def test_a_partner_of_the_version_before_is_told_what_it_can_read(both, world):
    police, kreis = both
    message = await _delivered(police, kreis)
    _reads_the_first_version(both, world, KREIS)
    change = examples.CORRECTION["changes"][0] | {"category": "identity"}
    content = {**examples.CORRECTION, "changes": [change]}
    body = order(type="correction", to={"agency": KREIS}, content=content, in_reply_to=message)
    correction = (await police.intake.accept(body, "key-0009")).id
    await kreis.carry(police)
    opened = await kreis.inbox.open(correction, "Erika Beispiel", None)
    assert opened.content == examples.CORRECTION
    assert kreis.store.peek(quarantine.count) == 0


def _reads_the_first_version(both, world, agency):
    types = {**schemas.known(), "correction": (1,)}
    at = both[0].clock.now() + timedelta(seconds=1)
    reads = issue.signed(
        Reads(v=1, agency=agency, types=types, at=at), world.offices[agency].signing
    )
    for office in both:
        office.register.apply(topics.keys(agency), reads)


async def _replied(police, kreis):
    """The police ask, the office answers and the police have the answer; return its id."""
    inquiry = await _delivered(police, kreis, type="inquiry", content=examples.INQUIRY)
    body = order(
        type="reply",
        to={"agency": POLICE},
        labels=None,
        content=examples.REPLY | {"entrusted": "none"},
        in_reply_to=inquiry,
    )
    reply = (await kreis.intake.accept(body, "key-0005")).id
    await police.carry(kreis)
    return reply


async def test_what_the_broker_had_is_erased_whole_at_its_end(both):
    police, kreis = both
    await police.intake.accept(order(), "key-0001")
    await kreis.carry(police)  # and its receipt never comes
    police.clock.advance(timedelta(days=300))
    while await _retention(police).once():
        pass
    rows = police.store.peek(lambda db: db.execute("SELECT count(*) FROM outbox").fetchone()[0])
    assert rows == 0


async def test_a_number_whose_record_failed_alone_leaves_no_gap_behind_it(both):
    police, _ = both
    await police.intake.accept(order(), "key-0001")

    def refuse(_):
        raise Refused("step-impossible", "")

    police.desk.numbering.next(KREIS)  # a job of the same moment, which fails alone
    failed = police.store.write(refuse)
    with pytest.raises(Unavailable, match="store-busy"):
        await police.intake.accept(order(), "key-0002")
    with pytest.raises(Refused):
        await failed
    await police.intake.accept(order(), "key-0002")
    numbers = [
        statements.parse(record.header("statement")).context.seq for record in police.records()
    ]
    assert [seq.n for seq in numbers] == [1, 1]
    assert numbers[0].outbox != numbers[1].outbox


def _events(office):
    topic = topics.events(office.me)
    rows = [row for row in office.rows() if row.topic == topic]
    return [event.parse(dict(row.headers)["statement"]).body for row in rows]


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


async def test_a_topic_that_began_anew_is_told_and_read_from_its_start(both):
    _, kreis = both
    topic = topics.inbox(KREIS, POLICE)
    reset = Reset(topic, 0, ResetKind.RECREATED, 7, 0, 3, NO_TOPIC_ID)
    await kreis.arrivals.on_reset(reset)
    assert await kreis.arrivals.positions([(topic, 0)]) == {(topic, 0): Position(0, NO_TOPIC_ID)}
    (row,) = kreis.rows()
    told = event.parse(dict(row.headers)["statement"]).body
    assert (told.kind, told.topic, told.offset) == (EventKind.TOPIC_RESET, topic, 7)


async def test_a_record_that_could_not_be_judged_is_kept_and_the_offset_moves(both):
    _, kreis = both
    topic = topics.inbox(KREIS, POLICE)
    record = Record(topic, 0, 4, 1, b"k", b"v", (("x", None),))
    await kreis.arrivals.quarantine(record, "handler-error")
    (kept,) = kreis.store.peek(lambda db: quarantine.page(db, None, 9))
    assert (kept.code, kept.sender, kept.verified) == ("handler-error", POLICE, False)
    assert kreis.store.peek(offsets.load)[topic].offset == 5
    assert [event.parse(dict(row.headers)["statement"]).body.kind for row in kreis.rows()] == [
        EventKind.QUARANTINED
    ]


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
        message = await _replied(police, kreis)
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
    inquiry = await _delivered(police, kreis, type="inquiry", content=examples.INQUIRY)
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
