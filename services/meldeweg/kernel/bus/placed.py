"""A consumer that reads where the service's store says, and nowhere else.

aiokafka would start at the group's committed offset, or at the log's start or end, and would jump
there silently when an offset is out of range. Here `getmany` hands out nothing until each assigned
partition stands where the store wants it; any error makes it ask the store again, so that records
which were drained and lost inside aiokafka come again.

Guarantees: no record is handed out from a topic whose id changed since its position was taken; what
can't be read on is reported (`on_reset`) before reading starts again; a partition that nobody
answers for now (no leader, a topic that is being made) waits alone, and the others go on.
Trusts: one consumer at a time per group (one active gateway), so that every partition is ours.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

from aiokafka import (  # noqa: TID251 - bus is the place
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    TopicPartition,
)
from aiokafka import errors as kafka  # noqa: TID251 - bus is the place

from meldeweg.kernel import logs
from meldeweg.kernel.bus.backlog import Backlog
from meldeweg.kernel.bus.connection import RenewingContext
from meldeweg.kernel.bus.endings import demand_alive
from meldeweg.kernel.bus.failures import TROUBLE, outcome
from meldeweg.kernel.bus.inquiry import bounds, listed
from meldeweg.kernel.bus.positions import Log, Position, Reset, decide
from meldeweg.kernel.bus.subscription import Subscription
from meldeweg.kernel.errors import Unavailable

_IDLE = 0.02  # seconds between looks while there is nothing to read from
_WAIT = 250  # milliseconds to wait for records; what comes meanwhile is handed out at once
_TROUBLED = 0.5  # seconds to wait after an error
_UNASSIGNED = 1.0  # seconds a partition may stay without its reader
_LEADERLESS = 1.0  # seconds between looks at partitions that nobody answers for

# Trouble that passes, or is dealt with by placing again. After anything else (a lost group right,
# a task that died) aiokafka would fail for ever: only a new consumer helps.
_PASSING = (
    Unavailable,
    OSError,
    TimeoutError,
    kafka.IllegalStateError,
    kafka.OffsetOutOfRangeError,
    kafka.TopicAuthorizationFailedError,
    kafka.RecordTooLargeError,
)

log = logs.get()


class PlacedConsumer(AIOKafkaConsumer):
    """`getmany` never raises what the broker causes; `broken` says why this consumer is no use."""

    def __init__(
        self,
        *,
        subscription: Subscription,
        tls: RenewingContext,
        ids: dict[str, UUID],
        backlog: Backlog,
        alive: Callable[[], None],
        **options: Any,
    ) -> None:
        super().__init__(ssl_context=tls, **options)
        self._of = subscription
        self._tls = tls
        self._ids = ids  # outlives this consumer: a broker is gone while its disk is lost
        self._backlog = backlog  # outlives it too
        self._alive = alive
        self._turn = 0  # counts assignments
        self._placed: int | None = None  # the assignment for which positions are set
        self._waiting: frozenset[TopicPartition] = frozenset()  # of it: paused, nobody answers
        self._looked = 0.0
        self._compared = 0  # handshakes up to which ids were compared
        self._whole_since = time.monotonic()
        self._whole = False  # nothing that this principal sees is without its reader
        self.trouble: str | None = None
        self.broken = asyncio.Event()

    def subscribe(self, topics: Any = (), pattern: str | None = None, listener: Any = None) -> None:
        """Subscribe with a listener of our own: partitions that come or go must be placed again."""
        super().subscribe(topics=topics, pattern=pattern, listener=_Listener(self._reassigned))

    def _reassigned(self) -> None:
        self._turn += 1
        self._placed = None

    def displaced(self) -> None:
        """Take all positions from the store again before anything more is handed out."""
        self._placed = None

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Any]]:
        """Return what aiokafka would, once everything stands where it must.

        Waits longer than FastStream asks: it would look again, and sleep, two hundred times a
        second, which was most of what an idle gateway cost.
        """
        self._alive()
        with self._subscription.fetch_context():
            pass  # a poll also while nothing is assigned: aiokafka would leave the group for good
        try:
            got = await self._read(max_records)
        except kafka.ConsumerStoppedError:
            raise
        except kafka.NoOffsetForPartitionError:
            self.displaced()  # it asked the group, which knows nothing, before the store answered
            return {}
        except (*TROUBLE, Unavailable) as exc:  # Unavailable is the store's
            return await self._troubled(exc)
        self.trouble = "partition-unavailable" if self._waiting else None
        return got

    async def _read(self, max_records: int | None) -> dict[TopicPartition, list[Any]]:
        # What hinders the coordinator waits to be consumed, and hinders it until then.
        self._coordinator.check_errors()
        demand_alive(self)
        if not await self._ready():
            await asyncio.sleep(_IDLE)
            return {}
        self._look_back()
        turn = self._turn
        got: dict[TopicPartition, list[Any]] = await super().getmany(
            timeout_ms=_WAIT, max_records=max_records
        )
        if turn != self._turn:
            return {}  # it waited through a rebalance: this is from where the group had committed
        if got and self._tls.handshakes != self._compared and await self._recreated(got):
            return {}
        return got

    def _look_back(self) -> None:
        """Say how far all is settled: what was handed out before is, or is placed again."""
        if self._backlog.read or not self._whole or self._waiting:
            return
        assigned = self._subscription.subscription.assignment
        states = {place: assigned.state_value(place) for place in self.assignment()}
        if all(state is not None and state.has_valid_position for state in states.values()):
            self._backlog.stands(
                {(place.topic, place.partition): each.position for place, each in states.items()}
            )

    async def _troubled(self, exc: Exception) -> dict[TopicPartition, list[Any]]:
        # aiokafka may have drained other partitions before it raised: take all positions again.
        self.displaced()
        code = exc.code if isinstance(exc, Unavailable) else outcome(exc).code
        if code != self.trouble:
            log.warning("consumer_troubled", subscription=self._of.name, code=code, exc_info=exc)
        self.trouble = code
        if not isinstance(exc, _PASSING) and not getattr(exc, "retriable", False):
            self.broken.set()
        await asyncio.sleep(_TROUBLED)
        return {}

    async def _ready(self) -> bool:
        self._demand_whole_assignment()
        if self._placed == self._turn:
            if self._waiting and time.monotonic() - self._looked > _LEADERLESS:
                return await self._place(self._waiting)
            return True
        turn, handshakes = self._turn, self._tls.handshakes
        assigned = self.assignment()
        if not assigned or not await self._place(assigned):
            return False
        self._placed, self._compared = turn, handshakes
        return True

    async def _place(self, wanted: frozenset[TopicPartition]) -> bool:
        """Set all that is assigned, or all that waits, where the store says.

        Returns False after a rebalance meanwhile.
        """
        turn, self._looked = self._turn, time.monotonic()
        offsets = await self._offsets(wanted)
        if turn != self._turn or not wanted <= self.assignment():
            return False
        for place, offset in offsets.items():
            self.seek(place, offset)
        lacking = wanted - offsets.keys()
        self._hold(lacking)
        self.resume(*(offsets.keys() & self.paused()))
        self._waiting = lacking
        return True

    def _hold(self, lacking: frozenset[TopicPartition]) -> None:
        """Fetch nothing of these; any position will do, so that the group is not asked for one."""
        for place in lacking:
            self.seek(place, 0)
            self.pause(place)  # again after each rebalance, which forgets it
        for place in lacking - self._waiting:
            log.warning(
                "consumer_troubled",
                subscription=self._of.name,
                code="partition-unavailable",
                topic=place.topic,
                partition=place.partition,
            )

    async def _offsets(self, wanted: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Ask the store and the log where to go on; report what was lost.

        Of a partition that nobody answers for now there is no offset.
        """
        found = await listed(self._client, {place.topic for place in wanted})
        places = [(each.topic, each.partition) for each in wanted if each.topic in found]
        stored = await self._of.positions(places)
        edges = await bounds(self._client, places)
        offsets: dict[TopicPartition, int] = {}
        for place, edge in edges.items():
            there = Log(found[place[0]].topic_id, *edge)
            self._backlog.placed(place, there.end)
            known = self._known(place[0], stored.get(place), there)
            offsets[TopicPartition(*place)], reset = decide(place, known, there)
            if reset is not None:
                await self._report(reset)
            self._ids[place[0]] = there.topic_id  # only now: what was to be reported is durable
        return offsets

    def _known(self, topic: str, stored: Position | int | None, there: Log) -> Position | None:
        if isinstance(stored, int):  # a store without ids: what this process saw must do
            return Position(stored, self._ids.get(topic, there.topic_id))
        return stored

    async def _report(self, reset: Reset) -> None:
        log.error(
            "topic_reset",
            topic=reset.topic,
            partition=reset.partition,
            code=reset.kind.value,
            offset=reset.wanted,
        )
        await self._of.on_reset(reset)

    async def _recreated(self, got: dict[TopicPartition, list[Any]]) -> bool:
        """A connection was made anew: is what it gave us from the topics we knew?"""
        handshakes = self._tls.handshakes
        topics = {place.topic for place in got}
        found = await listed(self._client, topics)
        same = all(topic in found and found[topic].topic_id == self._ids[topic] for topic in topics)
        if same:
            self._compared = handshakes
        else:
            self.displaced()
        return not same

    def _demand_whole_assignment(self) -> None:
        """Join again if a partition has no reader although every one is ours.

        After a restart under the same static name the broker hands back the assignment it knew,
        without the topics that came meanwhile, and nobody would notice until the next change.
        """
        subscribed = {
            TopicPartition(topic, partition)
            for topic in self.subscription()
            for partition in self.partitions_for_topic(topic) or ()
        }
        now = time.monotonic()
        self._whole = subscribed <= self.assignment()
        if self._whole:
            self._whole_since = now
        elif now - self._whole_since > _UNASSIGNED and self._is_assigned():
            self._whole_since = now
            log.info("group_rejoined", subscription=self._of.name, count=len(subscribed))
            self._coordinator.request_rejoin()  # `subscribe` with the same topics does nothing

    def _is_assigned(self) -> bool:
        """Say whether the group has answered: nothing at all is an answer too."""
        current = self._subscription.subscription
        return current is not None and current.assignment is not None


class _Listener(ConsumerRebalanceListener):
    def __init__(self, reassigned: Callable[[], None]) -> None:
        self._reassigned = reassigned

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._reassigned()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._reassigned()
