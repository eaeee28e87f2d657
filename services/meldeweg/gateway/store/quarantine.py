"""Records that could not be processed, exactly as they came, with the reason code.

Guarantees: what a record held (key, headers, value) goes in time; that it came, where, when, why
and which one (`digest`) stays, so that it is known again. The same record for the same reason is
one entry, however often and where in its topic it comes: the entry counts.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from meldeweg.gateway.store.headers import Headers, pack
from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.statement import Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuarantined:
    """A record to keep. `sender` is the topic's; `digest` is over key, headers and value.

    `delete_after`: of its statement, if that was verified; else the agency's own term counts.
    """

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
    delete_after: str | None = None


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
    delete_after: str | None
    erased_at: datetime | None
    times: int  # how often it came
    last_at: datetime | None  # when it came last, if it came again
    last_offset: int | None  # and where


_NEW, _ROWS = Rows(NewQuarantined), Rows(Quarantined)
_FULL = Rows(NewQuarantined)


def insert(db: sqlite3.Connection, row: NewQuarantined) -> bool:
    """Keep a record, or count it where its bytes are kept for this reason.

    False if it is known from this very place.
    """
    known = (
        "SELECT 1 FROM quarantine"
        " WHERE digest = ?1 AND topic = ?2 AND ?3 IN (topic_offset, last_offset)"
    )
    if db.execute(known, _place(row)).fetchone():
        return False
    counted = db.execute(
        "UPDATE quarantine SET times = times + 1, last_at = ?5, last_offset = ?3 WHERE seq ="
        " (SELECT max(seq) FROM quarantine WHERE digest = ?1 AND topic = ?2 AND code = ?4)",
        (*_place(row), row.code, to_rfc3339(row.at)),
    )
    if counted.rowcount == 0:
        _NEW.insert(db, "quarantine", row)
    return True


def _place(row: NewQuarantined) -> tuple[str, str, int]:
    return row.digest, row.topic, row.topic_offset


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


def erase(db: sqlite3.Connection, now: datetime, kept_since: datetime, limit: int = 500) -> int:
    """Erase what records held whose time has come; return of how many.

    Due is what its own statement says may not be held any more, and without a verified one what
    came before `kept_since`.
    """
    due = (
        "SELECT seq FROM quarantine WHERE erased_at IS NULL AND delete_after <= ?1"
        " UNION ALL SELECT seq FROM quarantine"
        " WHERE erased_at IS NULL AND delete_after IS NULL AND at < ?2 LIMIT ?3"
    )
    return db.execute(
        "UPDATE quarantine SET key = NULL, headers = ?4, value = NULL, erased_at = ?5"  # noqa: S608 - a constant
        f" WHERE seq IN ({due})",
        (now.date().isoformat(), to_rfc3339(kept_since), limit, pack(()), to_rfc3339(now)),
    ).rowcount


def count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM quarantine").fetchone()[0])
