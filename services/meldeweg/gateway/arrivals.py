"""What the bus reads for `Inbound`: all topics in which partners write to this agency.

Guarantees: reading goes on where the store says, whose offsets move with the effects (I1); a record
on which even the judging failed is kept and audited, alone, and the rest goes on (I6); a topic that
begins anew is told as an event before anything is read from it.
"""

import sqlite3
from collections.abc import Mapping

from meldeweg.gateway.desk import Desk
from meldeweg.gateway.inbound import Inbound
from meldeweg.gateway.settling import Arrival
from meldeweg.gateway.store import Store, offsets, outbox
from meldeweg.kernel import logs, topics
from meldeweg.kernel.bus.positions import Position, Reset
from meldeweg.kernel.bus.records import Place, Record
from meldeweg.kernel.bus.subscription import Subscription
from meldeweg.kernel.event import EventKind

log = logs.get()


class Arrivals:
    """The subscription of the inboxes and what it calls."""

    def __init__(self, store: Store, desk: Desk, inbound: Inbound) -> None:
        self._store, self._desk, self._inbound = store, desk, inbound

    def subscription(self) -> Subscription:
        """Say what the bus has to read."""
        return Subscription(
            name="inbox",
            group=f"gw-{self._desk.me}.inbox",
            member="gateway",  # one active instance: a restart need not wait for its predecessor
            prefixes=(topics.inbox_prefix(self._desk.me),),
            handle=self._inbound.handle,
            quarantine=self.quarantine,
            positions=self.positions,
            on_reset=self.on_reset,
        )

    async def positions(self, places: list[Place]) -> Mapping[Place, Position | int | None]:
        """Return where the store is."""
        return await self._store.read(lambda db: dict(offsets.places(db, places)))

    async def quarantine(self, record: Record, code: str) -> None:
        """Keep a record that could not even be judged."""
        await self._inbound.set_aside(Arrival(record), code)

    async def on_reset(self, reset: Reset) -> None:
        """Begin again at the topic's start; what was seen before is recognised by its id."""
        told = self._desk.event(
            EventKind.TOPIC_RESET, topic=reset.topic, offset=reset.wanted, code=reset.kind.value
        )

        def job(db: sqlite3.Connection) -> None:
            offsets.save(db, {reset.topic: Position(reset.start, reset.topic_id)})
            outbox.insert(db, told)

        await self._store.write(job)
        log.error("inbox_topic_reset", topic=reset.topic, code=reset.kind.value)
        self._desk.queued()
