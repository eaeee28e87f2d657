"""Reads topics without a group: no group right, no membership to lose, no wait for a dead member.

Guarantees: a topic that appears is read within about a second; reading starts where the caller's
store says, compared with the topic's id; what can't be read on is an explicit outcome (a Reset in
place of records), after which reading goes on at the log's start; one topic's trouble stops no
other; nothing that aiokafka drained and lost in an error is passed over. Trusts: the caller calls
`rewind` when it could not keep what it was given.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition  # noqa: TID251 - bus is the place
from aiokafka import errors as kafka  # noqa: TID251 - bus is the place

from meldeweg.kernel import logs
from meldeweg.kernel.bus import tolerant
from meldeweg.kernel.bus.connection import (
    FETCH_WAIT,
    Connection,
    RenewingContext,
    client_options,
    fetch_min_bytes,
)
from meldeweg.kernel.bus.endings import demand_alive, demand_wanted, end, tasks_of
from meldeweg.kernel.bus.failures import TROUBLE, outcome
from meldeweg.kernel.bus.inquiry import bounds, listed
from meldeweg.kernel.bus.positions import Log, Position, Reset, decide
from meldeweg.kernel.bus.records import Place, Record
from meldeweg.kernel.bus.subscription import Positions, pattern
from meldeweg.kernel.errors import Unavailable

Found = list[Record] | Reset

_CONNECT = 15.0  # seconds
_REFRESH = 1.0  # seconds between looks for new topics
_ASK = 15.0  # seconds for the broker to say what there is
_BARRED = 5.0  # seconds until a topic that refused us is tried again
_FETCH = 4 * 1024 * 1024  # bytes per partition; above the largest record
_FETCH_ALL = 32 * 1024 * 1024  # bytes per request

log = logs.get()


class Reader:
    """Reads every topic of some names and prefixes. One task at a time may call `poll`."""

    def __init__(
        self,
        connection: Connection,
        *,
        positions: Positions,
        topics: tuple[str, ...] = (),
        prefixes: tuple[str, ...] = (),
        patient: bool = False,
    ) -> None:
        """`patient`: what comes may be handed out a fifth of a second later (`fetch_min_bytes`)."""
        tolerant.install()
        self._patient = patient
        self._connection = connection
        self._positions = positions
        self._regex = pattern(topics, prefixes)
        self._client: AIOKafkaConsumer | None = None
        self._tls: RenewingContext | None = None
        self._next: dict[Place, Position] = {}  # what is assigned, and where it stands
        self._ids: dict[Place, UUID] = {}  # the last that were read, also of places now gone
        self._resets: dict[Place, Reset] = {}  # not yet told
        self._unplaced: set[Place] = set()  # there, and without a leader that we know
        self._barred: dict[Place, float] = {}  # not allowed; monotonic time of the next attempt
        self._refreshed = 0.0
        self._compared = 0
        self._polled = time.monotonic()
        self.trouble: str | None = "not-connected"

    def age(self) -> float:
        """Return seconds since the last poll."""
        return time.monotonic() - self._polled

    def missing(self) -> str | None:
        """Return the code of what hinders reading now, or None."""
        return self.trouble or ("topic-not-authorized" if self._barred else None)

    def places(self) -> Mapping[Place, Position]:
        """Return what is being read, and the next offset of each."""
        return self._next

    async def start(self) -> None:
        """Nothing: the first poll connects."""

    async def stop(self) -> None:
        client, self._client = self._client, None
        self._next.clear()
        if client is not None:
            await end(client._client, tasks_of(client), client.stop())  # noqa: SLF001 - see endings

    async def rewind(self) -> None:
        """Take all positions from the store again: what was given was not kept."""
        self._next.clear()
        self._refreshed = 0.0

    async def restart(self) -> None:
        """Throw the client away; the next poll builds another."""
        await self.stop()

    async def poll(self, *, timeout: float = 0.1, max_records: int = 4000) -> dict[Place, Found]:  # noqa: ASYNC109 - returns
        """Return what came within `timeout` seconds, in the order of each partition.

        A place's outcome is its records, or the Reset that says why reading starts again.
        Raises Unavailable; calling again is safe, and ends a task that was cancelled.
        """
        demand_wanted()
        self._polled = time.monotonic()
        try:
            client = await self._connected()
            demand_alive(client)
            if self._polled - self._refreshed > _REFRESH:
                await self._refresh(client)
            self.trouble = None
            if self._resets:
                told, self._resets = self._resets, {}
                return dict(told)
            if not self._next:
                await asyncio.sleep(min(timeout, _REFRESH))
                return {}
            got = await client.getmany(timeout_ms=int(timeout * 1000), max_records=max_records)
            if got and not await self._same_topics(client):
                return {}
        except TROUBLE as exc:
            await self._troubled(exc)
            return {}
        return {place: found for place, found in map(self._taken, got.items()) if found}

    def is_whole(self) -> bool:
        """Say whether everything that the broker lists is being read, as of the last look."""
        return not self._unplaced

    async def ends(self) -> dict[Place, int]:
        """Return the offset to come of each place that is being read. Raises Unavailable."""
        try:
            found = await self._bounds(list(self._next))
        except TROUBLE as exc:
            raise Unavailable(outcome(exc).code) from exc
        return {place: there[1] for place, there in found.items()}

    def _taken(self, item: tuple[TopicPartition, list[Any]]) -> tuple[Place, list[Record]]:
        place = (item[0].topic, item[0].partition)
        topic_id = self._next[place].topic_id
        records = [
            Record(
                *place,
                each.offset,
                each.timestamp,
                each.key,
                each.value,
                each.headers,
                topic_id,
            )
            for each in item[1]
        ]
        if records:
            self._next[place] = Position(records[-1].offset + 1, topic_id)
        return place, records

    async def _connected(self) -> AIOKafkaConsumer:
        if self._client is not None:
            return self._client
        tls = self._connection.tls()
        client = AIOKafkaConsumer(
            **client_options(self._connection, tls),
            enable_auto_commit=False,
            auto_offset_reset="none",
            metadata_max_age_ms=1_000,
            fetch_max_wait_ms=FETCH_WAIT,
            fetch_min_bytes=fetch_min_bytes(patient=self._patient),
            max_partition_fetch_bytes=_FETCH,
            fetch_max_bytes=_FETCH_ALL,
        )
        try:
            async with asyncio.timeout(_CONNECT):
                await client.start()
        except BaseException:
            await end(client._client, tasks_of(client), client.stop())  # noqa: SLF001 - see endings
            raise
        self._client, self._tls, self._refreshed = client, tls, 0.0
        return client

    async def _refresh(self, client: AIOKafkaConsumer) -> None:
        """See which topics there are, and place what is new or another than before."""
        assert self._tls is not None, "connected"
        handshakes = self._tls.handshakes
        async with asyncio.timeout(_ASK):
            found = await listed(client._client)  # noqa: SLF001 - asks over its own connection
            ids: dict[Place, UUID] = {
                (topic, partition): there.topic_id
                for topic, there in found.items()
                if self._regex.match(topic)
                for partition in range(there.partitions)
            }
            known = {place: position.topic_id for place, position in self._next.items()}
            new = [place for place, topic_id in ids.items() if known.get(place) != topic_id]
            gone = known.keys() - ids.keys()
            if new or gone:
                await self._place(client, ids, new, gone)
            self._unplaced = ids.keys() - self._next.keys()
        self._readmit(client)
        self._refreshed, self._compared = time.monotonic(), handshakes

    async def _place(
        self, client: AIOKafkaConsumer, ids: dict[Place, UUID], new: list[Place], gone: set[Place]
    ) -> None:
        await client._client.set_topics({topic for topic, _ in ids})  # noqa: SLF001 - for leaders
        wanted = await self._positions(new) if new else {}
        edges = await self._bounds(new)
        for place in edges:  # one that has no leader now is new again at the next look
            stored = wanted.get(place)
            if isinstance(stored, int):  # a store without ids: what this reader saw must do
                stored = Position(stored, self._ids.get(place, ids[place]))
            offset, reset = decide(place, stored, Log(ids[place], *edges[place]))
            self._next[place] = Position(offset, ids[place])
            self._ids[place] = ids[place]
            if reset is not None:
                self._resets[place] = reset
        for place in gone:
            del self._next[place]
        self._seek_all(client)

    def _seek_all(self, client: AIOKafkaConsumer) -> None:
        client.assign([TopicPartition(*place) for place in self._next])  # forgets every position
        for place, position in self._next.items():
            client.seek(TopicPartition(*place), position.offset)
        barred = [TopicPartition(*place) for place in self._barred if place in self._next]
        if barred:
            client.pause(*barred)

    def _readmit(self, client: AIOKafkaConsumer) -> None:
        due = [place for place, until in self._barred.items() if until < time.monotonic()]
        for place in due:
            del self._barred[place]
            if place in self._next:
                client.resume(TopicPartition(*place))

    async def _same_topics(self, client: AIOKafkaConsumer) -> bool:
        """Compare ids if a connection was made anew: its broker may have lost its disk."""
        assert self._tls is not None, "connected"
        if self._tls.handshakes == self._compared:
            return True
        before = {place: position.topic_id for place, position in self._next.items()}
        await self._refresh(client)
        after = {place: position.topic_id for place, position in self._next.items()}
        if before != after or self._resets:
            self._seek_all(client)  # what was drained is not handed out: stand where we were
            return False
        return True

    async def _troubled(self, exc: Exception) -> None:
        """Deal with one partition's trouble; else raise Unavailable."""
        client = self._client
        match exc:
            case kafka.OffsetOutOfRangeError() if client is not None and exc.args:
                self._forget({(each.topic, each.partition) for each in exc.args[0]})
            case kafka.TopicAuthorizationFailedError() if client is not None and exc.args:
                self._bar(str(exc.args[0]))
            case _:
                self.trouble = outcome(exc).code
                if not (isinstance(exc, kafka.KafkaError) and exc.retriable):
                    await self.stop()
                elif client is not None:
                    self._seek_all(client)
                raise Unavailable(self.trouble) from exc
        # aiokafka may have drained other partitions before it raised: they come again.
        assert client is not None, "narrowed above"
        self._seek_all(client)

    def _forget(self, places: set[Place]) -> None:
        for place in places:
            self._next.pop(place, None)  # new at the next look, and compared with the log
        self._refreshed = 0.0

    def _bar(self, topic: str) -> None:
        log.warning("topic_barred", topic=topic, code="topic-not-authorized")
        until = time.monotonic() + _BARRED
        self._barred |= {place: until for place in self._next if place[0] == topic}

    async def _bounds(self, places: list[Place]) -> dict[Place, tuple[int, int]]:
        if not places or self._client is None:
            return {}
        return await bounds(self._client._client, places)  # noqa: SLF001 - asks over its own connection
