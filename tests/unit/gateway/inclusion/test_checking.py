"""Follower and loop on a real store: what is let go, what stays, what is produced again, told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from meldeweg.gateway.inclusion import checking
from meldeweg.gateway.inclusion.checking import Inclusion
from meldeweg.gateway.inclusion.following import Follower
from meldeweg.gateway.inclusion.lacking import Lacking
from meldeweg.gateway.settings import LogSettings, OutboxSettings
from meldeweg.gateway.store import arrived, log, offsets, outbox, quarantine
from meldeweg.gateway.store.arrived import Run
from meldeweg.gateway.store.outbox import Produced
from meldeweg.kernel import event, failpoints, topics
from meldeweg.kernel.bus.positions import Position, Reset, ResetKind
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.statement import ReceiptKind, Urgency
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import ServiceKey
from meldeweg.kernel.trust.register import Register
from unit.gateway.gateway_rows import OFFICE, POLICE, queued
from unit.gateway.inclusion.logstage import KEY, NOTES, TOPIC_ID, Audit, forked, record, stranger

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
SENT = topics.inbox(OFFICE, POLICE)
RECEIVED = topics.inbox(POLICE, OFFICE)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ANCHOR = SigningKey(b"t" * 32)
OURS = SigningKey(bytes(32))


def register(key=KEY, until=NOW + timedelta(days=365)):
    found = Register(ANCHOR.public)
    if key is not None:
        body = ServiceKey(
            v=1,
            service="audit",
            key=key.public_jwk(),
            not_before=NOW - timedelta(days=30),
            verify_until=until,
            at=NOW - timedelta(days=30),
        )
        found.apply(topics.REGISTRY_AGENCIES, issue.signed(body, ANCHOR))
    return found


class Stage:
    """A gateway's store, an audit, and what lies between; the broker's clock is ours."""

    def __init__(self, store, view=None):
        self.store, self.audit, self.clock = store, Audit(), FixedClock(NOW)
        self.woken = 0
        self.next = 0
        settings = LogSettings(url="http://127.0.0.1:9")
        schedule = OutboxSettings(again_first=600, again_longest=6 * 3600)
        common = (POLICE, store)
        self.lacking = Lacking(*common, lambda: OURS, self.clock, settings, schedule, self._queued)
        self.inclusion = Inclusion(
            *common, self, lambda: OURS, self.clock, 5.0, self.lacking, self._queued
        )
        self.follower = Follower(
            *common, view or register(), lambda: OURS, self.clock, 300, self.inclusion.wake
        )

    def reader(self, origin):
        return self.audit.reader(origin)

    def _queued(self):
        self.woken += 1

    def ms(self):
        return int(self.clock.now().timestamp() * 1000)

    async def accept(self, **changes):
        return await self.store.write(lambda db: outbox.insert(db, queued(**changes)))

    async def produce(self):
        """Give what waits to the broker; returns the rows with their offsets."""
        rows = self.store.peek(lambda db: outbox.unproduced(db, 100, 10**9))
        found = []
        for row in rows:
            found.append((row, self.next))
            done = Produced(row.seq, row.ref, self.next, self.clock.now(), None, self.ms())
            await self.store.write(lambda db, done=done: outbox.mark_produced(db, [done]))
            self.next += 1
        return found

    def audited(self, rows, topic_id=TOPIC_ID):
        for row, offset in rows:
            self.audit.append(row.topic, offset, row.key, row.headers, row.value, topic_id)

    async def seal(self):
        self.audit.seal()
        await self.follow()

    async def follow(self, *more):
        """Hand over what was published since."""
        notes, self.audit.published = [*self.audit.published, *more], []
        if notes:
            start = self.store.peek(offsets.load).get(topics.AUDIT_CHECKPOINTS)
            first = start.offset if start else 0
            await self.follower.handle(
                [record(data, first + n, self.ms()) for n, data in enumerate(notes)]
            )

    async def look(self):
        await self.inclusion.once()

    async def settle(self, ref=None):
        digest = ref or queued().ref
        await self.store.write(lambda db: outbox.settle(db, digest, self.clock.now()))

    def outbox(self, kinds=("message", "receipt")):
        """Return (seq, included, whether it waits to be produced) of what lies there."""
        marks = ", ".join("?" * len(kinds))
        query = (
            "SELECT seq, included_at IS NOT NULL, produced_at IS NULL FROM outbox"
            f" WHERE kind IN ({marks}) ORDER BY seq"
        )
        return self.store.peek(lambda db: db.execute(query, kinds).fetchall())

    def told(self):
        found = self.store.peek(lambda db: outbox.unproduced(db, 1000, 10**9))
        bodies = [
            event.parse(dict(row.headers)["statement"]).body for row in found if row.kind == "event"
        ]
        return [(each.kind, each.code, each.topic, each.offset) for each in bodies]

    def head(self):
        return self.store.peek(log.heads).get(self.audit.origin)


@pytest.fixture
async def stage(store):
    return Stage(store)


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


async def test_a_fork_is_kept_as_evidence_told_once_and_never_followed(stage):
    stage.audit.noise(3)
    await stage.seal()
    await stage.look()
    before = stage.head()
    other = forked(stage.audit)
    other.hashes[2] = bytes(32)
    other.noise(2)
    bad = other.sign(other.checkpoint())
    stage.audit, honest = other, stage.audit  # it serves the forked tiles as well
    for _ in range(2):
        await stage.follow(bad)
        await stage.look()
    assert stage.head() == before
    (kept,) = stage.store.peek(log.evidence)
    assert (kept.code, kept.known, kept.seen) == ("log-forked", before.note, bad)
    alarm = (EventKind.ALARM, "log-forked", topics.AUDIT_CHECKPOINTS, None)
    assert stage.told() == [alarm]
    stage.audit = honest
    honest.noise(7)
    await stage.seal()
    await stage.look()
    assert stage.head().size == len(honest.hashes)


async def test_the_same_size_with_another_root_is_a_fork(stage):
    stage.audit.noise(3)
    await stage.seal()
    other = forked(stage.audit)
    other.hashes[2] = bytes(32)
    await stage.follow(other.sign(other.checkpoint()))
    await stage.look()
    assert [kept.code for kept in stage.store.peek(log.evidence)] == ["log-forked"]


async def test_a_contradicting_manifest_is_kept_and_told_once(stage):
    stage.audit.noise(1)
    first = stage.audit.seal()
    other = Audit()
    other.noise(2)
    bad = other.seal()[0]
    await stage.follow()
    await stage.follow(bad)
    await stage.follow(bad)
    (kept,) = stage.store.peek(log.evidence)
    assert (kept.code, kept.known, kept.seen) == ("manifest-forked", first[0], bad)
    assert [told[1] for told in stage.told()] == ["manifest-forked"]


async def test_a_note_that_the_audit_did_not_sign_is_put_aside_and_the_others_count(stage):
    foreign = Audit(key=stranger()).seal()
    await stage.follow(*foreign, b"nonsense")
    stage.audit.noise(1)
    await stage.seal()
    await stage.look()
    assert stage.head().size == 2
    kept = stage.store.peek(lambda db: quarantine.page(db, None, 10))
    assert [each.code for each in kept] == ["note-malformed", "note-unsigned", "note-unsigned"]
    assert [told[0] for told in stage.told()] == [EventKind.QUARANTINED] * 3


async def test_a_key_whose_time_was_over_counts_no_more(store):
    stage = Stage(store, register(until=NOW - timedelta(days=3)))
    stage.audit.noise(1)
    await stage.seal()
    await stage.look()
    assert stage.head() is None


async def test_before_the_register_names_the_audits_key_the_notes_wait(store):
    stage = Stage(store, register(None))
    stage.audit.noise(1)
    with pytest.raises(Unavailable, match="audit-key-unknown"):
        await stage.seal()
    assert stage.store.peek(offsets.load) == {}


async def test_a_missing_manifest_alarms_once(stage):
    stage.audit.noise(1)
    await stage.seal()
    for _ in range(2):
        stage.audit.noise(1)
        stage.audit.seal()
        stage.audit.published.clear()
        stage.audit.noise(1)
        await stage.seal()
    assert [told[1] for told in stage.told()] == ["manifest-missing"]


async def test_a_topic_of_notes_made_anew_is_read_from_its_start_and_nothing_is_forgotten(stage):
    await stage.accept()
    rows = await stage.produce()
    await stage.settle()
    stage.audit.noise(300)
    first = stage.audit.seal()
    await stage.follow()
    await stage.look()
    before = stage.head()
    other = UUID(int=77)
    await stage.follower.on_reset(
        Reset(topics.AUDIT_CHECKPOINTS, 0, ResetKind.RECREATED, 2, 0, 2, other)
    )
    assert stage.store.peek(offsets.load)[topics.AUDIT_CHECKPOINTS] == Position(0, other)
    stage.audited(rows)
    again = [replace(record(data, n, stage.ms()), topic_id=other) for n, data in enumerate(first)]
    later = [
        replace(record(data, 2 + n, stage.ms()), topic_id=other)
        for n, data in enumerate(stage.audit.seal())
    ]
    await stage.follower.handle([*again, *later])
    await stage.look()
    assert stage.head().size > before.size
    assert stage.outbox() == []
    assert [told[1] for told in stage.told()] == ["recreated"]


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
