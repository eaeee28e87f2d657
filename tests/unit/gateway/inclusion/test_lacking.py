"""What a log that went on does not have is produced again, ever later, and told after a day."""

from datetime import timedelta
from uuid import UUID

import pytest

from meldeweg.gateway.store import outbox
from meldeweg.kernel import topics
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.statement import ReceiptKind, Urgency
from unit.gateway.gateway_rows import POLICE, queued
from unit.gateway.inclusion.checkstage import HOUR, MINUTE, NOW, SENT


async def awake(stage, minutes):
    """Let time pass in which the log goes on, with others' records."""
    for _ in range(minutes // 4):
        stage.clock.advance(4 * MINUTE)
        stage.audit.noise(1)
        await stage.seal()
        await stage.look()


async def test_what_a_log_that_went_on_lacks_is_produced_again_later_and_later(stage):
    await stage.accept()
    stage.audit.noise(1)
    await stage.seal()
    times = []
    for _ in range(4):
        ((row, _),) = await stage.produce()
        assert row.value == queued().value
        await stage.settle()
        since = stage.clock.now()
        while stage.outbox() == [(1, 0, 0)]:
            await awake(stage, 4)
        times.append((stage.clock.now() - since) // MINUTE)
    assert times == [12, 20, 40, 80]
    assert stage.woken == 4


async def test_a_log_that_slept_gets_time_to_catch_up_before_anything_goes_again(stage):
    stage.audit.noise(1)
    await stage.seal()
    await stage.accept()
    rows = await stage.produce()
    await stage.settle()
    stage.clock.advance(5 * HOUR)  # the audit is down
    await awake(stage, 8)  # and reads what it missed, others' first
    assert stage.outbox() == [(1, 0, 0)]
    stage.audited(rows)
    await stage.seal()
    await stage.look()
    assert stage.outbox() == []


async def test_a_broker_that_lost_its_disk_before_the_audit_read_it_heals(stage):
    stage.audit.noise(1)
    await stage.seal()
    await stage.accept()
    await stage.produce()
    await stage.settle()
    await awake(stage, 12)
    assert stage.outbox() == [(1, 0, 1)]
    stage.next = 0  # the topic is a new one
    stage.audited(await stage.produce(), UUID(int=99))
    await stage.seal()
    await stage.look()
    assert stage.outbox() == []


async def answered(stage, of=b"theirs"):
    """Give a receipt that the log and the broker have; whether it was read nobody knows here."""
    more = {"answers": Digest.of(of), "receipt": ReceiptKind.ACKNOWLEDGED, "open_until": None}
    await stage.accept(kind="receipt", ref=Digest.of(b"r" + of), **more)
    stage.audited(await stage.produce())
    await stage.seal()
    await stage.look()


async def test_a_topic_that_was_lost_with_its_broker_gets_its_receipts_again(stage):
    await answered(stage, b"one")
    await answered(stage, b"two")
    assert stage.outbox() == [(1, 1, 0), (2, 1, 0)]
    stage.next = 0  # the broker lost its disk: read by the audit, and not by whom it was meant for
    await stage.accept()
    stage.audited(await stage.produce(), UUID(int=99))
    await stage.seal()
    assert stage.outbox() == [(1, 1, 1), (2, 1, 1), (3, 0, 0)]
    stage.audited(await stage.produce(), UUID(int=99))
    await stage.seal()
    await stage.look()
    assert stage.outbox() == [(1, 1, 0), (2, 1, 0), (3, 1, 0)]  # once, and no more


async def test_a_receipt_that_was_not_even_found_in_the_log_yet_goes_again_with_its_topic(stage):
    await stage.accept(kind="receipt", ref=None, answers=Digest.of(b"theirs"), open_until=None)
    stage.audited(await stage.produce())
    stage.next = 0
    await stage.accept()
    stage.audited(await stage.produce(), UUID(int=99))
    await stage.seal()  # one note tells of both lives
    assert stage.outbox() == [(1, 0, 1), (2, 0, 0)]


async def test_a_topics_first_life_and_what_it_had_forgotten_by_itself_make_nothing_twice(stage):
    await answered(stage, b"one")
    await answered(stage, b"two")
    assert stage.outbox() == [(1, 1, 0), (2, 1, 0)]
    stage.clock.advance(timedelta(days=31))
    stage.next = 0
    await stage.accept()
    stage.audited(await stage.produce(), UUID(int=99))
    await stage.seal()
    assert stage.outbox() == [(1, 1, 0), (2, 1, 0), (3, 0, 0)]


@pytest.mark.parametrize("given_up", [True, False])
async def test_what_was_given_up_or_nobody_could_open_is_not_produced_again(stage, given_up):
    ends = None if given_up else NOW + MINUTE
    seq = await stage.accept(open_until=ends)
    stage.audit.noise(1)
    await stage.seal()
    await stage.produce()
    if given_up:
        await stage.store.write(lambda db: outbox.drop(db, seq, stage.clock.now()))
    await stage.settle()
    await awake(stage, 60)
    assert stage.outbox() == [(1, 0, 0)]


async def test_a_message_without_delivered_keeps_its_own_schedule(stage):
    await stage.accept()
    stage.audit.noise(1)
    await stage.seal()
    await stage.produce()
    await awake(stage, 60)
    assert stage.outbox() == [(1, 0, 0)]


async def test_what_is_missing_after_a_day_alarms_by_topic_and_once_a_day(stage):
    for n in range(3):
        await stage.accept(ref=Digest.of(b"%d" % n), urgency=Urgency.IMMEDIATE)
    await stage.accept(kind="event", topic=topics.events(POLICE), ref=None)
    await stage.produce()
    stage.clock.advance(24 * HOUR - MINUTE)
    await stage.look()
    assert stage.told() == []
    stage.clock.advance(2 * MINUTE)
    expected = [
        (EventKind.ALARM, "not-in-log", topics.events(POLICE), 3),
        (EventKind.ALARM, "not-in-log", SENT, 0),
    ]
    for _ in range(5):
        await stage.look()
        assert stage.told() == expected
        stage.clock.advance(HOUR)
    stage.clock.advance(20 * HOUR)
    await stage.look()
    assert len(stage.told()) == 4


async def test_an_alarm_comes_again_after_what_was_missing_was_found(stage):
    await stage.accept()
    rows = await stage.produce()
    stage.clock.advance(25 * HOUR)
    await stage.look()
    stage.audited(rows)
    await stage.seal()
    await stage.look()
    await stage.look()
    assert stage.store.peek(lambda db: db.execute("SELECT count(*) FROM log_alarm").fetchone()) == (
        0,
    )
