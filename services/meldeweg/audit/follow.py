"""Reads given stretches of topics from the bus: what recovery needs, and nothing else.

Guarantees: exactly the entries asked for, or `Fatal` when the broker has them no more.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from uuid import UUID

from meldeweg.audit.project import Entry, project
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.positions import Position, Reset
from meldeweg.kernel.bus.read import Reader
from meldeweg.kernel.bus.records import Place, Record
from meldeweg.kernel.errors import Fatal

_POLL = 500  # records; few stay in memory for each topic
_PATIENCE = 60.0  # seconds without a record that must be there


class Follower:
    """Keeps one reader per topic, so that consecutive stretches are read without a gap."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._readers: dict[tuple[str, bytes], tuple[Reader, deque[Record]]] = {}

    async def fetch(self, topic: str, topic_id: bytes, start: int, end: int) -> Sequence[Entry]:
        """Return the entries of `start` to `end`, exclusive, of the topic with this id."""
        reader, waiting = self._reader(topic, topic_id, start)
        found: list[Entry] = []
        async with asyncio.timeout(_PATIENCE):
            while len(found) < end - start:
                while not waiting:
                    waiting.extend(await _polled(reader, topic))
                record = waiting.popleft()
                if record.offset != start + len(found) or record.topic_id.bytes != topic_id:
                    raise Fatal("replay-impossible", f"{topic} at {start + len(found)}")
                found.append(project(topic_id, record))
        return found

    async def close(self) -> None:
        for reader, _ in self._readers.values():
            await reader.stop()
        self._readers.clear()

    def _reader(self, topic: str, topic_id: bytes, start: int) -> tuple[Reader, deque[Record]]:
        known = self._readers.get((topic, topic_id))
        if known is not None:
            return known

        async def positions(places: list[Place]) -> Mapping[Place, Position | int | None]:
            return dict.fromkeys(places, Position(start, UUID(bytes=topic_id)))

        made = (Reader(self._connection, positions=positions, topics=(topic,)), deque[Record]())
        self._readers[topic, topic_id] = made
        return made


async def _polled(reader: Reader, topic: str) -> list[Record]:
    found: list[Record] = []
    for records in (await reader.poll(max_records=_POLL)).values():
        if isinstance(records, Reset):
            raise Fatal("replay-impossible", f"{topic}: {records.kind}")
        found += records
    return found
