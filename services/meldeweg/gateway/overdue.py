"""Deadlines belong to people, and nothing urgent ends silently (I8): both ends, one function.

Guarantees: a message that no named person took by its `ack_by` is overdue, at the sender and at the
recipient by the same rule and each by its own clock; an `immediate` one without `delivered` alarms
the sender; each is told once, as an event in the transaction of its mark, and again never, also
after a restart. Trusts: the store for what was acknowledged. Needs no central service.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from meldeweg.gateway.desk import Desk
from meldeweg.gateway.settings import WatchSettings
from meldeweg.gateway.states import (
    RECEIVED_OPEN,
    SENT_OPEN,
    ReceivedState,
    SentState,
)
from meldeweg.gateway.store import Store, outbox, received, sent
from meldeweg.gateway.store.outbox import NewRow
from meldeweg.gateway.store.received import Received
from meldeweg.gateway.store.sent import Sent
from meldeweg.kernel import deadlines, logs
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.metrics import counter
from meldeweg.kernel.statement import Urgency

_UNDELIVERED = (SentState.QUEUED, SentState.SENT, SentState.OVERDUE)
SILENT = "not-delivered"  # the code of the alarm
log = logs.get()
_overdue = counter("deadlines_missed", "Messages that nobody took in time", "direction")
_silent = counter("messages_silent", "Immediate messages without `delivered` in time")


def of_sent(state: SentState, ack_by: datetime, now: datetime) -> bool:
    """Say whether a message we sent waits too long for a person there."""
    return state in SENT_OPEN and deadlines.overdue(ack_by, None, now)


def of_received(state: ReceivedState, ack_by: datetime, now: datetime) -> bool:
    """Say whether a message that came here waits too long for a person of ours."""
    return state in RECEIVED_OPEN and deadlines.overdue(ack_by, None, now)


def is_silent(message: Sent, now: datetime, patience: timedelta) -> bool:
    """Say whether an `immediate` message should have been delivered by now."""
    waits = message.state in _UNDELIVERED and message.alarmed_at is None
    return waits and message.urgency is Urgency.IMMEDIATE and now - message.created >= patience


class Overdue:
    """Looks every `look_every` seconds; `lock` as in `Inbound`."""

    def __init__(
        self, store: Store, desk: Desk, lock: asyncio.Lock, settings: WatchSettings
    ) -> None:
        self._store, self._desk, self._lock, self._settings = store, desk, lock, settings

    async def run(self) -> None:
        """Run for ever; without disk or key the next look finds the same again."""
        while True:
            try:
                await self.once()
            except Unavailable as exc:
                log.warning("deadlines_wait", code=exc.code)
            await asyncio.sleep(self._settings.look_every)

    async def once(self) -> None:
        """Mark and tell everything that became overdue or silent."""
        async with self._lock:
            now = self._desk.clock.now()
            since = now - timedelta(seconds=self._settings.silent_immediate)
            late, silent, waiting = await self._store.read(
                lambda db: (
                    sent.past_deadline(db, now),
                    sent.silent_immediate(db, since),
                    received.past_deadline(db, now),
                )
            )
            if late or silent or waiting:
                await self._mark(late, silent, waiting, now)

    async def _mark(
        self,
        late: Sequence[Sent],
        silent: Sequence[Sent],
        waiting: Sequence[Received],
        now: datetime,
    ) -> None:
        # Signed before the transaction; kept in it only with its mark.
        of_late = {each.digest: self._told(EventKind.OVERDUE, each) for each in late}
        of_silent = {each.digest: self._told(EventKind.ALARM, each, SILENT) for each in silent}
        of_waiting = [(each, self._told(EventKind.OVERDUE, each)) for each in waiting]
        patience = timedelta(seconds=self._settings.silent_immediate)

        def job(db: sqlite3.Connection) -> None:
            for digest, told in of_silent.items():
                message = _again(db, digest)
                if is_silent(message, now, patience):
                    sent.mark_alarmed(db, message, now)
                    outbox.insert(db, told)
            for digest, told in of_late.items():
                message = _again(db, digest)
                if message.overdue_at is None and of_sent(message.state, message.ack_by, now):
                    sent.mark_overdue(db, message, now)
                    outbox.insert(db, told)
            for each, told in of_waiting:
                received.mark_overdue(db, each, now)
                outbox.insert(db, told)

        await self._store.write(job)
        _overdue.labels("sent").inc(len(late))
        _overdue.labels("received").inc(len(waiting))
        _silent.inc(len(silent))
        overdue: list[Sent | Received] = [*late, *waiting]
        for late_one in overdue:
            log.warning("message_overdue", message_id=late_one.id, kennzeichen=late_one.kennzeichen)
        for each in silent:
            log.error("message_silent", message_id=each.id, kennzeichen=each.kennzeichen)
        self._desk.queued()

    def _told(self, kind: EventKind, message: Sent | Received, code: str | None = None) -> NewRow:
        partner = message.recipient if isinstance(message, Sent) else message.sender
        return self._desk.event(
            kind,
            message=message.digest,
            urgency=message.urgency,
            exercise=message.exercise,
            partner=partner,
            code=code,
        )


def _again(db: sqlite3.Connection, digest: Digest) -> Sent:
    message = sent.by_digest(db, digest)
    assert message is not None  # sent rows are never removed
    return message
