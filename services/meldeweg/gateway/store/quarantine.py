"""Records that could not be processed, exactly as they came, with the reason code."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from meldeweg.gateway.store.headers import Headers
from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.statement import Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuarantined:
    """A record to keep. `sender` is the topic's; `digest` is over key, headers and value."""

    at: datetime
    topic: str
    topic_offset: int
    timestamp: int  # the broker's, milliseconds
    code: str
    sender: AgencyId
    verified: bool
    urgency: Urgency | None
    key: bytes | None
    headers: Headers
    value: bytes | None
    digest: Digest


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What lists show of a record; its bytes are `record`."""

    seq: int
    at: datetime
    topic: str
    topic_offset: int
    code: str
    sender: AgencyId
    verified: bool
    urgency: Urgency | None
    digest: Digest


_NEW, _ROWS = Rows(NewQuarantined), Rows(Quarantined)
_FULL = Rows(NewQuarantined)


def insert(db: sqlite3.Connection, row: NewQuarantined) -> bool:
    """Keep a record; False if this very record (place and bytes) is kept already."""
    query = "SELECT 1 FROM quarantine WHERE topic = ? AND topic_offset = ? AND digest = ?"
    if db.execute(query, (row.topic, row.topic_offset, row.digest)).fetchone():
        return False
    _NEW.insert(db, "quarantine", row)
    return True


def page(
    db: sqlite3.Connection,
    before: int | None,
    limit: int,
    *,
    code: str | None = None,
    sender: AgencyId | None = None,
) -> list[Quarantined]:
    """Return the newest first; the next page is `before` the last `seq`."""
    wanted, args = ["seq < ?"], [2**63 - 1 if before is None else before]
    for name, value in (("code", code), ("sender", sender)):
        if value is not None:
            wanted.append(f"{name} = ?")
            args.append(value)  # type: ignore[arg-type]  # text beside the number
    rest = f"WHERE {' AND '.join(wanted)} ORDER BY seq DESC LIMIT ?"
    return _ROWS.select(db, "quarantine", rest, (*args, limit))


def after(db: sqlite3.Connection, seq: int, limit: int) -> list[Quarantined]:
    """Return what came after the cursor, in order of arrival."""
    return _ROWS.select(db, "quarantine", "WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))


def by_seq(db: sqlite3.Connection, seq: int) -> Quarantined | None:
    return _ROWS.first(db, "quarantine", "WHERE seq = ?", (seq,))


def record(db: sqlite3.Connection, seq: int) -> NewQuarantined | None:
    """Return the record with its exact bytes, for export."""
    return _FULL.first(db, "quarantine", "WHERE seq = ?", (seq,))


def count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM quarantine").fetchone()[0])
