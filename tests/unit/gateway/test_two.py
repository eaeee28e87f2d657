"""Two gateways, records carried by hand: both ends agree on what became of a message."""

import shutil
from datetime import timedelta

import pytest

from meldeweg.gateway.api.arrived import ReceiptOrder
from meldeweg.gateway.states import ReceivedState, SentMove, SentState
from meldeweg.gateway.store import Store, offsets, quarantine, sent
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
from unit.gateway.carrying import Office, brought, events_of, replied
from unit.gateway.sending import order
from unit.gateway.world import KREIS, NETTETAL, POLICE


async def test_what_we_send_our_own_receiving_side_accepts(both):
    police, kreis = both
    message = await brought(police, kreis)
    assert kreis.store.peek(quarantine.count) == 0
    assert (await police.box.get(message)).state is SentState.DELIVERED
    opened = await kreis.inbox.open(message, "Erika Beispiel", None)
    assert opened.content == examples.NOTIFICATION
    assert opened.sender == POLICE


async def test_the_sender_sees_who_took_it_and_when(both):
    police, kreis = both
    message = await brought(police, kreis, thread="V-12")
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
    message = await brought(police, kreis)
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
    inquiry = await brought(police, kreis, type="inquiry", content=examples.INQUIRY)
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
    inquiry = await brought(police, kreis, type="inquiry", content=examples.INQUIRY)
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
    message = await brought(police, kreis)
    body = order(
        type="retraction", to={"agency": KREIS}, content=examples.RETRACTION, in_reply_to=message
    )
    await police.intake.accept(body, "key-0002")
    await kreis.carry(police)
    for _ in range(2):  # the receipt may come twice
        await police.carry(kreis)
    shown = await police.box.get(message)
    assert shown.state is SentState.RETRACTED
    told = [body for body in events_of(police) if body.kind is EventKind.RETRACTED]
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
    message = await brought(police, kreis)
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


@pytest.mark.parametrize("category", ["contact", "incident"])
async def test_a_partner_of_the_version_before_gets_no_correction_that_it_would_refuse(
    both, world, category
):
    police, kreis = both
    reply = await replied(police, kreis)
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
    message = await brought(police, kreis)
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
