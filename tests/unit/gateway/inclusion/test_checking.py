"""The loop on a real store: what is let go once it is in the log, and what stays."""

from dataclasses import replace

import pytest

from meldeweg.gateway.inclusion import checking
from meldeweg.gateway.store import arrived, log, offsets, outbox
from meldeweg.gateway.store.arrived import Run
from meldeweg.kernel import failpoints, topics
from meldeweg.kernel.bus.positions import Position
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.statement import ReceiptKind
from unit.gateway.gateway_rows import POLICE
from unit.gateway.inclusion.checkstage import HOUR, MINUTE, NOW, RECEIVED, SENT
from unit.gateway.inclusion.logstage import NOTES, TOPIC_ID, Audit, record


async def test_a_row_leaves_once_it_is_both_delivered_and_in_the_log(stage):
    await stage.accept()
    stage.audited(await stage.produce())
    await stage.seal()
    await stage.look()
    assert stage.outbox() == [(1, 1, 0)]  # not delivered
    await stage.settle()
    assert stage.outbox() == []

    await stage.accept()
    rows = await stage.produce()
    await stage.settle()
    stage.audit.noise(3)
    await stage.seal()
    await stage.look()
    assert stage.outbox() == [(2, 0, 0)]  # not in the log
    stage.audited(rows)
    await stage.seal()
    await stage.look()
    assert stage.outbox() == []


async def test_events_leave_with_the_log_and_receipts_stay_to_be_repeated(stage):
    await stage.accept(kind="event", topic=topics.events(POLICE), ref=None)
    of = Digest.of(b"theirs")
    await stage.accept(
        kind="receipt", topic=RECEIVED, ref=None, answers=of, receipt=ReceiptKind.DELIVERED
    )
    stage.audited(await stage.produce())
    await stage.seal()
    await stage.look()
    assert stage.outbox(("event", "receipt")) == [(2, 1, 0)]
    await stage.store.write(lambda db: outbox.repeat_receipt(db, of, ReceiptKind.DELIVERED))
    assert len(await stage.produce()) == 1
    stage.clock.advance(48 * HOUR)
    await stage.look()
    assert stage.told() == []  # once in the log is enough


async def test_without_a_new_checkpoint_nothing_is_let_go_or_produced_again(stage):
    await stage.accept()
    stage.audited(await stage.produce())
    await stage.settle()
    stage.audit.noise(1)
    for _ in range(30):
        stage.clock.advance(40 * MINUTE)
        await stage.look()
        assert stage.outbox() == [(1, 0, 0)]
    assert stage.store.peek(outbox.count_unlogged) == 1


async def test_while_tiles_can_not_be_had_nothing_moves_and_then_all_does(stage):
    await stage.accept()
    stage.audited(await stage.produce())
    await stage.settle()
    await stage.seal()
    stage.audit.away = True
    await stage.look()
    assert stage.head() is not None  # the first head needs no proof
    assert stage.outbox() == [(1, 0, 0)]
    stage.audit.away = False
    await stage.look()
    assert stage.outbox() == []


async def test_another_value_at_our_place_is_not_taken_for_ours(stage):
    await stage.accept()
    ((row, offset),) = await stage.produce()
    await stage.settle()
    stage.audited([(replace(row, value=b"other"), offset)])
    await stage.seal()
    await stage.look()
    assert stage.outbox() == [(1, 0, 0)]
    stage.clock.advance(25 * HOUR)
    await stage.look()
    assert stage.told() == [(EventKind.ALARM, "log-differs", SENT, 0)]


def run(audit, start, stop, first):
    return Run(RECEIVED, TOPIC_ID.bytes, first, b"".join(audit.hashes[start:stop]), NOW)


async def test_what_arrived_is_let_go_as_far_as_it_is_in_the_log(stage):
    audit = stage.audit
    start = len(audit.hashes)
    for offset in range(10):
        audit.append(RECEIVED, offset, b"k", (), b"%d" % offset)
    await stage.seal()
    audit.append(RECEIVED, 10, b"k", (), b"10")
    await stage.store.write(lambda db: arrived.add(db, [run(audit, start, start + 11, 0)]))
    await stage.look()
    (left,) = stage.store.peek(lambda db: arrived.page(db, 0, 10))
    assert (left.first, left.hashes) == (10, audit.hashes[-1])
    await stage.seal()
    await stage.look()
    assert stage.store.peek(arrived.count) == 0


async def test_what_arrived_and_the_log_has_otherwise_alarms(stage):
    audit = stage.audit
    mine = Audit()
    mine.append(RECEIVED, 0, b"k", (), b"shown to us")
    audit.append(RECEIVED, 0, b"k", (), b"shown to the audit")
    await stage.store.write(lambda db: arrived.add(db, [run(mine, 1, 2, 0)]))
    await stage.seal()
    await stage.look()
    assert stage.store.peek(arrived.count) == 1
    stage.clock.advance(25 * HOUR)
    await stage.look()
    assert stage.told() == [(EventKind.ALARM, "log-differs", RECEIVED, 0)]


POINTS = [
    "inclusion.before_follow", "inclusion.after_follow", "inclusion.before_head",
    "inclusion.after_head", "inclusion.before_release", "inclusion.after_release",
]  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
async def test_after_a_fault_anywhere_the_same_again_ends_well(stage, point):
    await stage.accept()
    stage.audited(await stage.produce())
    await stage.settle()
    stage.audit.seal()
    notes = [record(data, n, stage.ms()) for n, data in enumerate(stage.audit.published)]
    failpoints.arm(f"{point}=error@1")
    for _ in range(2):
        try:
            await stage.follower.handle(notes)
        except Unavailable:
            continue
        await stage.look()
    await stage.follower.handle(notes)
    await stage.look()
    assert stage.outbox() == []
    assert stage.told() == []
    assert stage.store.peek(offsets.load)[topics.AUDIT_CHECKPOINTS] == Position(2, NOTES)


async def test_many_rows_of_many_sizes_are_found_page_by_page(stage, monkeypatch):
    monkeypatch.setattr(checking, "_ROWS", 7)
    monkeypatch.setattr(checking, "_BYTES", 50)
    for n in range(60):
        await stage.accept(ref=Digest.of(b"%d" % n), value=bytes(n))
    rows = await stage.produce()
    for n in range(60):
        await stage.settle(Digest.of(b"%d" % n))
    bad = rows.pop(30)
    stage.audited(rows[:30])
    await stage.seal()
    stage.audited([(replace(bad[0], value=b"other"), bad[1]), *rows[30:]])
    await stage.seal()
    await stage.look()
    assert [seq for seq, *_ in stage.outbox()] == [bad[0].seq]


async def test_ranges_that_nobody_needs_any_more_are_dropped(stage):
    await stage.accept()
    stage.audited(await stage.produce())
    stage.audit.append(RECEIVED, 0, b"k", (), b"0")
    await stage.seal()
    await stage.look()
    heads = stage.store.peek(log.heads)

    def spans():
        return stage.store.peek(
            lambda db: sorted(db.execute("SELECT topic FROM log_range").fetchall())
        )

    await stage.inclusion._tidy(heads)
    assert spans() == [(SENT,), (RECEIVED,)]  # too young
    stage.clock.advance(HOUR)
    await stage.inclusion._tidy(heads)
    assert spans() == [(RECEIVED,)]  # not read yet
    await stage.store.write(lambda db: offsets.save(db, {RECEIVED: Position(1, TOPIC_ID)}))
    await stage.inclusion._tidy(heads)
    assert spans() == []
