"""What the audit log lacks of this gateway's records: produced again, and told to people.

Guarantees: a row that a log which went on should have is produced again, as the same bytes, later
and later (a broker that lost its disk before the audit had read it heals so); what is still missing
after a day alarms people, by topic and once a day. While no new checkpoint comes nothing is
produced again: time in which the log slept, and what it needs to catch up, does not count.
Trusts: the broker's clock for how old a record and a checkpoint are: a wrong one makes duplicates
or delays, never a loss.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from meldeweg.gateway import events
from meldeweg.gateway.settings import LogSettings, OutboxSettings
from meldeweg.gateway.store import Store, arrived, log, outbox
from meldeweg.kernel import failpoints, logs, topics
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.metrics import counter, gauge

Missing = outbox.Missing | arrived.Missing
NOT_IN_LOG, DIFFERS = "not-in-log", "log-differs"
_ALARM_EVERY = timedelta(days=1)

failpoints.declare("inclusion.before_again", "inclusion.before_alarm")
_log = logs.get()
_waiting = gauge("log_waiting_records", "Records that wait for the audit log", "direction")
_missing = gauge("log_missing_records", "Records that the log lacks for too long", "direction")
_age = gauge("log_checkpoint_age_seconds", "Time since the newest proven checkpoint was published")
_again = counter("log_records_produced_again", "Rows produced again that the log should have had")


class Lacking:
    """`queued`: called when rows were put (back) into the outbox."""

    def __init__(
        self,
        me: AgencyId,
        store: Store,
        signer: Callable[[], SigningKey],
        clock: Clock,
        settings: LogSettings,
        schedule: OutboxSettings,
        queued: Callable[[], None],
    ) -> None:
        self._me, self._store, self._signer, self._clock = me, store, signer, clock
        self._settings, self._schedule, self._queued = settings, schedule, queued
        self._alarming = True  # until we know better: an alarm of an earlier process may be over

    async def produce_again(self) -> None:
        """3 Put back rows that a log which went on should have by now."""
        heads = await self._store.read(log.heads)
        if not heads:
            return
        head = max(heads.values(), key=lambda each: each.at)
        now, schedule = self._clock.now(), self._schedule
        _age.set(max(0.0, now.timestamp() - head.at / 1000))
        first, longest = int(schedule.again_first * 1000), int(schedule.again_longest * 1000)
        late = await self._store.read(
            lambda db: outbox.unlogged(db, head.at, head.alive_since, first, longest, now)
        )
        if late:
            await failpoints.reach("inclusion.before_again")
            await self._store.write(lambda db: outbox.again(db, late))
            _log.warning("log_lacks_records", count=len(late))
            _again.inc(len(late))
            self._queued()

    async def alarm(self) -> None:
        """4 Tell people, by topic and once a day, what the log lacks for too long."""
        now = self._clock.now()
        before = now - timedelta(seconds=self._settings.missing_after)
        counts, sent, received = await self._store.read(
            lambda db: (
                (outbox.count_unlogged(db), arrived.count(db)),
                outbox.missing(db, before),
                arrived.missing(db, before),
            )
        )
        _waiting.labels("sent").set(counts[0])
        _waiting.labels("received").set(counts[1])
        _missing.labels("sent").set(sum(each.count for each in sent))
        _missing.labels("received").set(sum(each.count for each in received))
        lacking: list[Missing] = [*sent, *received]
        if lacking or self._alarming:
            await self._tell(lacking, now)
        self._alarming = bool(lacking)

    async def _tell(self, lacking: Sequence[Missing], now: datetime) -> None:
        placed = await self._store.read(
            lambda db: [log.is_placed(db, each.topic, each.offset or 0) for each in lacking]
        )
        told = [
            (each, DIFFERS if other else NOT_IN_LOG)
            for each, other in zip(lacking, placed, strict=True)
        ]
        rows = [(each.topic, self._told(each, code)) for each, code in told]

        def job(db: sqlite3.Connection) -> list[str]:
            due = [
                topic
                for topic, row in rows
                if log.alarm_due(db, topic, now - _ALARM_EVERY, now) and outbox.insert(db, row)
            ]
            log.alarm_over(db, [*(topic for topic, _ in rows), topics.AUDIT_CHECKPOINTS])
            return due

        await failpoints.reach("inclusion.before_alarm")
        due = await self._store.write(job)
        for each, code in told:
            if each.topic in due:
                _log.error("record_not_in_log", topic=each.topic, code=code, count=each.count)
        if due:
            self._queued()

    def _told(self, each: Missing, code: str) -> outbox.NewRow:
        facts: dict[str, Any] = {"topic": each.topic, "code": code}
        if each.offset is not None:
            facts["offset"] = each.offset
        if isinstance(each, outbox.Missing):
            facts |= {"message": each.ref, "urgency": each.urgency}
        try:
            recipient, sender = topics.parse_inbox(each.topic)
            facts["partner"] = sender if recipient == self._me else recipient
        except Refused:  # our own events
            pass
        now = self._clock.now()
        return events.row(self._me, self._signer(), EventKind.ALARM, now, **facts)
