"""The relay against a producer that fails as told: order, backoff, late messages, giving up."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meldeweg.gateway.outbound import Outbound
from meldeweg.gateway.settings import OutboxSettings
from meldeweg.gateway.states import SentMove, SentState
from meldeweg.gateway.store import outbox
from meldeweg.gateway.store import sent as sent_rows
from meldeweg.gateway.undeliverable import is_over
from meldeweg.kernel import event, failpoints
from meldeweg.kernel.bus.records import Ack
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import Digest, new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.statement import ReceiptKind, Urgency
from unit.gateway.gateway_rows import NOW, OFFICE, POLICE, SEQ, queued, sent

KEY = SigningKey(bytes(32))
A, B = "inbox.a.polizei-viersen", "inbox.b.polizei-viersen"


class Broker:
    """Takes what it is given unless its topic fails; keeps order as the real producer promises."""

    def __init__(self):
        self.log = []
        self.failing = {}

    async def send(self, batch):
        results = []
        for record in batch:
            failure = self.failing.get(record.topic)
            if failure is None:
                self.log.append(record)
                results.append(Ack(record.topic, 0, len(self.log) - 1, 0))
            else:
                results.append(failure)
        return results


class Stage:
    """A store, a broker, a clock and the relay between them."""

    def __init__(self, store, held=()):
        self.store, self.broker, self.clock = store, Broker(), FixedClock(NOW)
        self.outbound = Outbound(
            store,
            self.broker,
            POLICE,
            lambda: KEY,
            self.clock,
            OutboxSettings(backoff_longest=0.3),
            lambda: held,
            lambda: self.lost,
        )
        self.lost = {}

    async def accept(self, topic=A, **changes):
        message = sent()
        row = queued(topic=topic, ref=message.digest, key=message.id.encode(), **changes)

        def job(db):
            sent_rows.insert(db, message)
            outbox.insert(db, row)

        await self.store.write(job)
        return message.id

    def sent(self, message):
        return self.store.peek(lambda db: sent_rows.by_id(db, message))

    def ids(self, topic):
        return [record.key.decode() for record in self.broker.log if record.topic == topic]

    def events(self):
        return [
            event.parse(dict(record.headers)["statement"]).body
            for record in self.broker.log
            if record.topic == f"events.{POLICE}"
        ]


@pytest.fixture
async def stage(store):
    return Stage(store)


async def test_rows_are_produced_in_order_as_their_exact_bytes_and_marked(stage):
    ids = [await stage.accept(A), await stage.accept(B), await stage.accept(A)]
    assert await stage.outbound.produce_once()
    assert stage.ids(A) == [ids[0], ids[2]]
    assert stage.broker.log[0].headers == queued().headers
    assert stage.broker.log[0].value == queued().value
    assert [stage.sent(message).state for message in ids] == [SentState.SENT] * 3
    assert not await stage.outbound.produce_once()
    place = stage.store.peek(lambda db: outbox.place(db, stage.sent(ids[2]).digest))
    assert place == (A, 2)


async def test_a_topic_that_fails_backs_off_alone_and_keeps_its_order(stage):
    stage.broker.failing[A] = Unavailable("topic-not-authorized")
    first = [await stage.accept(A), await stage.accept(B), await stage.accept(A)]
    await stage.outbound.produce_once()
    assert stage.ids(B) == [first[1]]
    assert stage.sent(first[0]).state is SentState.QUEUED
    del stage.broker.failing[A]
    later = await stage.accept(A)
    assert not await stage.outbound.produce_once()  # A still rests
    async with asyncio.timeout(2):
        while not await stage.outbound.produce_once():  # noqa: ASYNC110 - time is what passes
            await asyncio.sleep(0.02)
    assert stage.ids(A) == [first[0], first[2], later]


async def test_topics_of_suspended_agencies_are_not_tried(store):
    stage = Stage(store, held=[A])
    await stage.accept(A)
    other = await stage.accept(B)
    await stage.outbound.produce_once()
    assert [record.key.decode() for record in stage.broker.log] == [other]


async def test_a_message_without_delivered_goes_again_later_and_later(stage):
    message = await stage.accept()
    await stage.outbound.produce_once()
    waits = []
    for _ in range(8):
        wait = timedelta()
        while not await late_once(stage):
            stage.clock.advance(timedelta(minutes=5))
            wait += timedelta(minutes=5)
        waits.append(wait)
        await stage.outbound.produce_once()
    assert waits == [timedelta(minutes=m) for m in (10, 20, 40, 80, 160, 320, 360, 360)]
    assert stage.ids(A) == [message] * 9
    assert len({record.value for record in stage.broker.log}) == 1


async def late_once(stage):
    before = len(stage.store.peek(lambda db: outbox.unproduced(db, 10, 10**6)))
    await stage.outbound.look_once()
    return len(stage.store.peek(lambda db: outbox.unproduced(db, 10, 10**6))) > before


async def test_what_was_delivered_is_not_produced_again(stage):
    message = await stage.accept()
    await stage.outbound.produce_once()
    digest = stage.sent(message).digest
    await stage.store.write(lambda db: outbox.settle(db, digest, NOW))
    stage.clock.advance(timedelta(days=30))
    await stage.outbound.look_once()
    assert not await stage.outbound.produce_once()
    assert len(stage.broker.log) == 1


async def answer(stage, kind):
    """Queue a receipt that nobody may hold after a hundred days."""
    key = str(new_message_id()).encode()
    until = stage.clock.now() + timedelta(days=100)
    row = queued(topic=A, kind="receipt", receipt=kind, key=key, open_until=until)
    await stage.store.write(lambda db: outbox.insert(db, row))
    await stage.outbound.produce_once()
    return key.decode()


async def test_what_a_person_said_goes_again_before_its_topic_forgets_it_until_its_end(stage):
    said = await answer(stage, ReceiptKind.ACKNOWLEDGED)
    await answer(stage, ReceiptKind.DELIVERED)  # goes with its message, if that comes again
    produced = []
    for day in range(1, 130):
        stage.clock.advance(timedelta(days=1))
        if await late_once(stage):
            produced.append(day)
            await stage.outbound.produce_once()
    assert produced == [20, 40, 60, 80]
    assert stage.ids(A).count(said) == 5
    assert len(stage.ids(A)) == 6
    erased = await stage.store.write(lambda db: outbox.forget_receipts(db, stage.clock.now()))
    assert erased == 2
    assert await stage.store.write(lambda db: outbox.forget_receipts(db, stage.clock.now())) == 0


async def test_a_receipt_that_may_still_be_held_is_not_erased(stage):
    await answer(stage, ReceiptKind.ACKNOWLEDGED)
    stage.clock.advance(timedelta(days=99))
    assert await stage.store.write(lambda db: outbox.forget_receipts(db, stage.clock.now())) == 0


@pytest.mark.parametrize("produced", [True, False])
async def test_a_message_that_nobody_could_open_any_more_is_undeliverable_and_an_event(
    stage, produced
):
    message = await stage.accept(open_until=NOW + timedelta(days=1), urgency=Urgency.IMMEDIATE)
    if produced:
        await stage.outbound.produce_once()
    stage.clock.advance(timedelta(days=1))
    if produced:
        await stage.outbound.look_once()
    while await stage.outbound.produce_once():
        pass
    assert len(stage.ids(A)) == int(produced)
    found = stage.sent(message)
    assert found.state is SentState.UNDELIVERABLE
    steps = stage.store.peek(lambda db: sent_rows.timeline(db, found.n))
    assert (steps[-1].kind, steps[-1].code) == ("undeliverable", "key-expired")
    (told,) = stage.events()
    assert (told.kind, told.message, told.urgency, told.code) == (
        EventKind.UNDELIVERABLE,
        found.digest,
        Urgency.IMMEDIATE,
        "key-expired",
    )
    assert (told.partner, told.seq) == (OFFICE, SEQ)  # so that nobody takes it for withheld
    assert stage.store.peek(outbox.waiting_bytes) == 0


async def test_what_waits_for_a_suspended_agency_beyond_its_end_is_given_back(store):
    stage = Stage(store, held=[A])
    message = await stage.accept(A, open_until=NOW + timedelta(days=9))
    await stage.outbound.undeliverable.what_is_over()
    assert stage.sent(message).state is SentState.QUEUED
    stage.clock.advance(timedelta(days=9))
    await stage.outbound.undeliverable.what_is_over()
    while await stage.outbound.produce_once():
        pass
    assert stage.sent(message).state is SentState.UNDELIVERABLE
    assert [told.code for told in stage.events()] == ["key-expired"]
    assert stage.ids(A) == []


async def test_at_the_end_of_its_term_a_message_is_undeliverable_and_not_only_gone(store):
    stage = Stage(store, held=[A])
    message = await stage.accept(A, open_until=datetime(2027, 3, 1, tzinfo=UTC))
    stage.clock.advance(timedelta(days=100))
    await stage.outbound.undeliverable.what_is_over()
    found = stage.sent(message)
    steps = stage.store.peek(lambda db: sent_rows.timeline(db, found.n))
    assert [(step.kind, step.code) for step in steps] == [("undeliverable", "term-ended")]


async def test_a_receipt_that_never_went_is_told_of_though_it_is_erased(store):
    stage = Stage(store, held=[A])
    await answer(stage, ReceiptKind.ACKNOWLEDGED)
    stage.clock.advance(timedelta(days=100))
    erased = [
        await store.write(lambda db: outbox.forget_receipts(db, stage.clock.now())) for _ in "12"
    ]
    assert erased == [1, 0]
    (left,) = store.peek(lambda db: outbox.over(db, stage.clock.now()))
    assert left.value == b""
    await stage.outbound.undeliverable.what_is_over()
    while await stage.outbound.produce_once():
        pass
    assert [(told.kind, told.seq) for told in stage.events()] == [(EventKind.UNDELIVERABLE, SEQ)]
    assert not store.peek(lambda db: outbox.over(db, stage.clock.now()))


async def test_a_record_that_the_broker_will_never_take_is_given_up_and_the_rest_goes_on(stage):
    stage.broker.failing[A] = Refused("record-too-large")
    bad, good = await stage.accept(A), await stage.accept(B)
    while await stage.outbound.produce_once():
        pass
    assert stage.sent(bad).state is SentState.UNDELIVERABLE
    assert stage.ids(B) == [good]
    assert [told.code for told in stage.events()] == ["record-too-large"]


@pytest.mark.parametrize("produced", [True, False])
async def test_what_waits_for_a_revoked_agency_is_given_back_at_once(stage, produced):
    gone, other = await stage.accept(A), await stage.accept(B)
    if produced:
        await stage.outbound.produce_once()
    stage.lost = {A: "recipient-revoked"}
    await stage.outbound.look_once()
    while await stage.outbound.produce_once():
        pass
    assert stage.sent(gone).state is SentState.UNDELIVERABLE
    assert stage.sent(other).state is SentState.SENT
    assert [told.code for told in stage.events()] == ["recipient-revoked"]
    await stage.outbound.look_once()
    assert len(stage.events()) == 1


async def test_of_a_revoked_agency_all_that_waits_is_given_back_and_no_event_waits_for_nobody(
    stage,
):
    gone = [await stage.accept(A), await stage.accept(B)]
    stage.lost = dict.fromkeys((A, B), "sender-revoked")
    await stage.outbound.look_once()
    for each in gone:
        assert stage.sent(each).state is SentState.UNDELIVERABLE
    assert stage.events() == []
    assert not await stage.outbound.produce_once()


async def test_delivered_that_came_before_giving_up_stands(stage):
    message = await stage.accept(open_until=NOW + timedelta(days=1))
    found = stage.sent(message)
    await stage.store.write(lambda db: sent_rows.move(db, found, SentMove.DELIVERED, NOW))
    stage.clock.advance(timedelta(days=1))
    await stage.outbound.produce_once()
    assert stage.sent(message).state is SentState.DELIVERED


async def test_after_a_crash_between_produce_and_mark_the_same_bytes_go_again(stage):
    message = await stage.accept()
    failpoints.arm("outbound.before_mark=error@1")
    with pytest.raises(Unavailable):
        await stage.outbound.produce_once()
    await stage.outbound.produce_once()
    assert stage.ids(A) == [message, message]
    assert stage.sent(message).state is SentState.SENT


async def test_the_relay_starts_when_woken_and_survives_a_failing_store(stage):
    failpoints.arm("store.before_commit=error@2")  # the second commit: marking the message
    task = asyncio.create_task(stage.outbound.relay())
    message = await stage.accept()
    stage.outbound.wake()
    async with asyncio.timeout(5):
        while stage.sent(message).state is not SentState.SENT:  # noqa: ASYNC110 - in the store
            await asyncio.sleep(0.02)
    task.cancel()
    assert stage.ids(A)[0] == message


async def test_large_rows_go_in_small_batches(stage):
    for _ in range(5):
        await stage.accept(value=bytes(3 * 1024 * 1024))
    assert await stage.outbound.produce_once()
    assert len(stage.broker.log) == 2


def test_only_a_message_whose_key_ended_is_over():
    row = outbox.Row(1, A, b"", (), b"", "message", Digest.of(b""), None, 0, NOW)
    assert is_over(row, NOW)
    assert not is_over(row, NOW - timedelta(seconds=1))
    assert not is_over(replace(row, open_until=None), NOW + timedelta(days=9999))
