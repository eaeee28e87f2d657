"""Receiving: records of `inbox.<me>.*` become messages, receipts, or rows that say why not.

Guarantees: each record of a batch has its effect, and the topic's offset moves, in one transaction
(I1); effects happen once (I5); what can't be processed is quarantined with its code and audited,
and what may only be early is parked, while everything around it goes on (I6); an `immediate`
message that does not get through alarms at once (I8). Plaintext exists between steps 7 and 10, in
memory. Trusts: the view for keys and agreements, the store for what was seen; the broker for order
within a topic, and for nothing else.

Steps: 1 parse strictly; 2 signature by a key certified for the sender; 3 place and headers agree;
4 value; 5 not past `delete_after` (verification); 6 unique (placing); 7 open; 8 the record that was
committed to (opening); 9 agreement; 10 schema (covering); 11 one transaction (settling).
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from meldeweg.gateway.desk import Desk
from meldeweg.gateway.judging import Judge, Message
from meldeweg.gateway.parking import as_record
from meldeweg.gateway.placing import Outcome, Placing
from meldeweg.gateway.settings import ParkingSettings
from meldeweg.gateway.settling import Arrival, Settlement
from meldeweg.gateway.store import Store
from meldeweg.gateway.store.parked import Parked
from meldeweg.gateway.verification import Proof, Proven, Rejected
from meldeweg.kernel import failpoints, logs
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.metrics import counter

_TURN = 0.005  # seconds of judging before others get theirs on the loop

failpoints.declare("inbound.before_commit", "inbound.after_commit")
log = logs.get()
_outcomes = counter("records_in", "Records received", "outcome")


class Inbound:
    """`handle` for the bus, `retry` for parking; one batch at a time."""

    def __init__(
        self,
        store: Store,
        desk: Desk,
        lock: asyncio.Lock,
        parking: ParkingSettings,
        clock_differs: float,
    ) -> None:
        """`lock`: held by whoever changes what was received, `Inbox` and `Overdue` too.

        `clock_differs`: seconds from which a partner's clock is worth a warning.
        """
        self._store, self._desk, self._lock, self._parking = store, desk, lock, parking
        self._tolerance = timedelta(seconds=clock_differs)
        self._warned: dict[AgencyId, datetime] = {}

    async def handle(self, records: Sequence[Record]) -> None:
        """Settle a batch; on return all of it is durable. Unavailable: nothing was kept."""
        async with self._lock:
            await self._settle([Arrival(record) for record in records])

    async def retry(self, rows: Sequence[Parked]) -> None:
        """Judge parked records again, the normal way; one that fails stops no other (I6)."""
        arrivals = [Arrival(as_record(row), row) for row in rows]
        try:
            async with self._lock:
                await self._settle(arrivals)
        except (Unavailable, Fatal, MemoryError):
            raise
        except (OSError, TimeoutError) as exc:
            raise Unavailable("handler-unavailable") from exc
        except Exception as exc:  # as the bus does with fresh ones (`kernel.bus.settle`)
            log.exception("retry_failed", count=len(rows))
            if len(rows) > 1:
                for row in rows:
                    await self.retry([row])
            else:
                code = exc.code if isinstance(exc, Refused) else "handler-error"
                await self.set_aside(arrivals[0], code)

    async def set_aside(self, arrival: Arrival, code: str) -> None:
        """Quarantine a record that could not even be judged."""
        desk, why = self._desk, Rejected(arrival.record, code, "", False, Proof.NOTHING, None)
        async with self._lock:
            settlement = Settlement(desk.me, desk.signer(), desk.numbering, desk.clock.now())
            settlement.reject(arrival, why, answer=False)
            if arrival.parked is None:
                settlement.read_up_to(arrival.record)
            await self._store.write(settlement.commit)
        desk.queued()

    async def _settle(self, arrivals: Sequence[Arrival]) -> None:
        desk, now = self._desk, self._desk.clock.now()
        placing = Placing(self._store, desk, self._parking, self._tolerance, self._warned, now)
        judge = Judge(desk.me, desk.view, desk.opening(), placing.original, now)
        outcomes = await _judged(judge, placing, arrivals)
        await failpoints.reach("inbound.before_commit")
        settlement = Settlement(desk.me, desk.signer(), desk.numbering, now)
        try:
            # From here to `write` nothing awaits: rows are queued in the order of their numbers.
            for arrival, outcome in zip(arrivals, outcomes, strict=True):
                placing.place(settlement, arrival, outcome)
                if arrival.parked is None:
                    settlement.read_up_to(arrival.record)
            # 11 one transaction
            await self._store.write(settlement.commit)
        except BaseException:
            desk.numbering.restart()  # numbers were taken that perhaps nothing was kept under
            raise
        # From here a crash loses nothing, and repeats nothing.
        await failpoints.reach("inbound.after_commit")
        for name, count in placing.counts.items():
            _outcomes.labels(name).inc(count)
        desk.queued()


async def _judged(judge: Judge, placing: Placing, arrivals: Sequence[Arrival]) -> list[Outcome]:
    """Take steps 1 to 10; what stays `Proven` came before, in this batch or an earlier one."""
    outcomes: list[Outcome] = []
    until = time.monotonic() + _TURN
    for arrival in arrivals:
        if time.monotonic() > until:
            await asyncio.sleep(0)
            until = time.monotonic() + _TURN
        found: Outcome = judge.prove(arrival.record)  # 1 to 5
        if isinstance(found, Proven) and placing.is_new(found):  # 6
            found = judge.open(found)  # 7 to 10
            if isinstance(found, Message):
                placing.expect(found)
        outcomes.append(found)
    return outcomes
