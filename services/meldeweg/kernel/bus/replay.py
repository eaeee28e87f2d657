"""Reads topics whole, once: the register at start, a test's evidence.

Guarantees: every record up to the end as it was when reading began, or Unavailable.
"""

import asyncio

from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.positions import Position, Reset
from meldeweg.kernel.bus.read import Reader
from meldeweg.kernel.bus.records import Place, Record
from meldeweg.kernel.errors import Unavailable


async def read_all(
    connection: Connection,
    topics: tuple[str, ...] = (),
    *,
    prefixes: tuple[str, ...] = (),
    timeout: float = 30.0,  # noqa: ASYNC109 - part of the promise: Unavailable, not TimeoutError
) -> list[Record]:
    """Return every record that is there now, topic by topic.

    Raises Unavailable, also when that took longer than `timeout` seconds or records were deleted
    meanwhile. A topic that is not there has no records.
    """
    reader = Reader(connection, positions=_from_the_start, topics=topics, prefixes=prefixes)
    try:
        async with asyncio.timeout(timeout):
            found = await _drained(reader)
    except TimeoutError as exc:
        raise Unavailable("broker-timeout") from exc
    finally:
        await reader.stop()
    return [record for place in sorted(found) for record in found[place]]


async def _drained(reader: Reader) -> dict[Place, list[Record]]:
    found: dict[Place, list[Record]] = {}
    targets: dict[Place, int] = {}
    known = False
    while True:
        for place, records in (await reader.poll()).items():
            if isinstance(records, Reset):
                raise Unavailable("topic-reset")
            found.setdefault(place, []).extend(records)
        at = reader.places()
        # Right after connecting, a partition's leader may not be known yet: it has an end too.
        if not known and reader.is_whole():
            targets = await reader.ends()
            known = targets.keys() == at.keys()
        if known and all(
            place in at and at[place].offset >= target for place, target in targets.items()
        ):
            return found


async def _from_the_start(places: list[Place]) -> dict[Place, Position | int | None]:
    return dict.fromkeys(places)
