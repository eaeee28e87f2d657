"""The cursor of a list in order of arrival: how far a caller has read, as decimal text.

Guarantees: a store that was restored from an older copy shows again, and never hides, what a case
system may or may not have read behind its cursor: each start of the gateway numbers on from the
milliseconds since 1970, which is beyond every number given before. Trusts: the clock not to be put
back by more than a store's copy is old; fewer than a thousand arrivals a second in the long run.
"""

import sqlite3
from datetime import UTC, datetime

from meldeweg.gateway.store import Store
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Refused

_MAX = 2**53
_LISTS = ("received", "quarantine")  # tables whose `seq` callers keep
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def position(after: str | None) -> int:
    """Return the last number that the caller has; 0 from the start. `cursor-malformed`."""
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 16 and int(after) < _MAX):
        raise Refused("cursor-malformed", "")
    return int(after)


class Cursors:
    """Started after the store and before anything arrives."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def start(self) -> None:
        """Let the lists go on from numbers that nobody was given yet."""
        least = int((self._clock.now() - _EPOCH).total_seconds() * 1000)
        await self._store.write(lambda db: _number_on(db, least))

    async def stop(self) -> None:
        """Nothing is open."""


def _number_on(db: sqlite3.Connection, least: int) -> None:
    for table in _LISTS:
        db.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0"
            " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
            (table,),
        )
        db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (least, table))
