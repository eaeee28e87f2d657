"""Records that may only be early: kept exactly as they came, tried again for a bounded time."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from meldeweg.gateway.store.headers import Headers
from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.statement import Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class NewParked:
    """A record to park. `until` None: as long as its sender is suspended."""

    at: datetime
    until: datetime | None
    topic: str
    topic_offset: int
    timestamp: int  # the broker's, milliseconds
    code: str
    sender: AgencyId
    urgency: Urgency | None
    verified: bool  # whether the signature was verified
    key: bytes | None
    headers: Headers
    value: bytes | None
    digest: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked(NewParked):
    """A parked record; `seq` is the order in which they are tried again."""

    seq: int


_NEW, _ROWS = Rows(NewParked), Rows(Parked)


def insert(db: sqlite3.Connection, row: NewParked) -> int:
    return _NEW.insert(db, "parked", row)


def page(db: sqlite3.Connection, after: int, limit: int) -> list[Parked]:
    """Return parked records in order of arrival."""
    return _ROWS.select(db, "parked", "WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))


def past(db: sqlite3.Connection, now: datetime, limit: int = 500) -> list[Parked]:
    """Return what has waited long enough: refuse it."""
    return _ROWS.select(
        db, "parked", "WHERE until <= ? ORDER BY seq LIMIT ?", (to_rfc3339(now), limit)
    )


def hold(db: sqlite3.Connection, seq: int, until: datetime | None, code: str) -> None:
    """Change what a record waits for, and for how long."""
    at = None if until is None else to_rfc3339(until)
    db.execute("UPDATE parked SET until = ?, code = ? WHERE seq = ?", (at, code, seq))


def remove(db: sqlite3.Connection, seq: int) -> None:
    db.execute("DELETE FROM parked WHERE seq = ?", (seq,))


def count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM parked").fetchone()[0])


def size(db: sqlite3.Connection, sender: AgencyId) -> tuple[int, int]:
    """Return (records, bytes) parked for one sender: the bound is per sender (I7)."""
    query = "SELECT count(*), total(length(value)) FROM parked WHERE sender = ?"
    row = db.execute(query, (sender,)).fetchone()
    return int(row[0]), int(row[1])
