"""Deletes on schedule what this agency holds (I9): contents, reasons, names, keys of requests.

Guarantees: from `delete_after` on nothing of a message is here but what the bus knows as well: who,
to whom, when, digest; its receipts go at their own. A message that is erased unread was overdue
long before; one that was never delivered is `undeliverable` then. What is quarantined goes at the
`delete_after` that its sender signed, or after days of our own where nobody's signature was
verified. Idempotency keys go after their days. Each step is small, so that the writer is never held
up.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from meldeweg.gateway import undeliverable
from meldeweg.gateway.states import ReceivedMove
from meldeweg.gateway.store import (
    Store,
    idempotency,
    opened,
    outbox,
    quarantine,
    receipt_in,
    receipt_out,
    received,
    seen,
    sent,
)
from meldeweg.kernel import logs
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Unavailable

_EVERY = 600.0  # seconds
log = logs.get()


class Retention:
    """`keep_keys`: how long an idempotency key is remembered.

    `keep_quarantined`: how long what is quarantined is kept where no verified statement says it.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        keep_keys: timedelta,
        keep_quarantined: timedelta,
        give_up: Callable[[], Awaitable[None]],
    ) -> None:
        """`give_up`: tells of what is over and was never delivered, before it is erased."""
        self._store, self._clock, self._give_up = store, clock, give_up
        self._keep_keys, self._keep_quarantined = keep_keys, keep_quarantined

    async def run(self) -> None:
        """Run for ever."""
        while True:
            try:
                while count := await self.once():
                    log.info("contents_erased", count=count)
            except Unavailable as exc:
                log.warning("retention_waits", code=exc.code)
            await asyncio.sleep(_EVERY)

    async def once(self) -> int:
        """Delete a bounded number of what is due; return how many, 0 once there is no more."""
        now = self._clock.now()
        try:
            await self._give_up()
        except Unavailable as exc:  # told another time; what is due is erased all the same
            log.warning("retention_waits", code=exc.code)
        count = await self._store.write(lambda db: _received(db, now))
        count += await self._store.write(lambda db: _sent(db, now))
        count += await self._store.write(lambda db: outbox.forget_receipts(db, now))
        count += await self._store.write(
            lambda db: quarantine.erase(db, now, now - self._keep_quarantined)
        )
        return count + await self._store.write(
            lambda db: idempotency.forget(db, now - self._keep_keys)
        )


def _received(db: sqlite3.Connection, now: datetime) -> int:
    today = now.date().isoformat()
    due = received.expired(db, today)
    for message in due:
        received.move(db, message, ReceivedMove.EXPIRED, now)
        opened.forget_persons(db, message.seq)
        receipt_out.forget_persons(db, message.seq)
    return len(due) + seen.forget(db, today)


def _sent(db: sqlite3.Connection, now: datetime) -> int:
    due = sent.expired(db, now.date().isoformat())
    for message in due:
        sent.forget(db, message.n)
        receipt_in.forget(db, message.n)
        if outbox.is_waiting(db, message.digest):
            undeliverable.move(db, message, now, "term-ended")
        outbox.forget(db, message.digest, now)
    return len(due)
