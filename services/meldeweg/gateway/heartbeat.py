"""Every minute: "sent up to n, received up to m", signed; so a withheld tail and silence show (I2).

Guarantees: a heartbeat names only numbers whose records were kept: it is queued behind them, and
fails with them. Trusts: the store's counts.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from meldeweg.gateway import events
from meldeweg.gateway.store import Store, numbers, outbox, parked, quarantine, sent
from meldeweg.kernel import logs
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.event import EventKind, Heartbeat
from meldeweg.kernel.ids import AgencyId, new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.metrics import gauge
from meldeweg.kernel.statement import Seq

_SOON = 2.0  # seconds until a beat that failed is tried again
log = logs.get()
_parked = gauge("parked_records", "Records that may only be early")
_quarantined = gauge("quarantined_records", "Records that could not be processed")
_waiting = gauge("messages_waiting", "Messages accepted and not yet delivered")


@dataclass(frozen=True, slots=True)
class Counts:
    """What a heartbeat says, read in one moment."""

    sent: dict[AgencyId, Seq]
    received: dict[AgencyId, Seq]
    parked: int
    quarantined: int
    waiting: int


class Beat:
    """Queues a heartbeat every `every` seconds, the first at once."""

    def __init__(
        self,
        me: AgencyId,
        store: Store,
        signer: Callable[[], SigningKey],
        clock: Clock,
        every: float,
    ) -> None:
        self._me, self._store, self._signer = me, store, signer
        self._clock, self._every = clock, every
        self._told = False  # that we started

    async def run(self) -> None:
        """Run for ever; without a key or a disk the next beat comes all the same."""
        while True:
            pause = self._every
            try:
                await self.once()
            except Unavailable as exc:
                log.warning("heartbeat_missed", code=exc.code)
                pause = min(pause, _SOON)
            await asyncio.sleep(pause)

    async def once(self) -> None:
        """Count, sign and queue in one transaction; the first time also say that we started."""
        key = self._signer()

        def job(db: sqlite3.Connection) -> Counts:
            counts = read(db)
            body = Heartbeat(
                v=1,
                id=new_message_id(),
                agency=self._me,
                at=self._clock.now(),
                sent=counts.sent,
                received=counts.received,
                parked=counts.parked,
                quarantined=counts.quarantined,
                waiting=counts.waiting,
            )
            if not self._told:
                started = events.row(self._me, key, EventKind.STARTED, self._clock.now())
                outbox.insert(db, started)
            outbox.insert(db, events.signed(body, key))
            return counts

        counts = await self._store.write(job)
        self._told = True
        _parked.set(counts.parked)
        _quarantined.set(counts.quarantined)
        _waiting.set(counts.waiting)


def read(db: sqlite3.Connection) -> Counts:
    """Count in one transaction, so that the numbers belong together."""
    return Counts(
        sent=numbers.load(db, "sent"),
        received=numbers.load(db, "received"),
        parked=parked.count(db),
        quarantined=quarantine.count(db),
        waiting=sent.count_undelivered(db),
    )
