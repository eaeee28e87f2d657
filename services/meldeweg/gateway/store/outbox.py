"""Records on their way to the broker, in order, until they are delivered and in the audit log."""

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from meldeweg.gateway.store.headers import Headers
from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.statement import ReceiptKind, Urgency

Kind = Literal["message", "receipt", "event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRow:
    """A record to be produced. `ref`: its own message digest; `answers`: what a receipt names."""

    topic: str
    recipient: AgencyId | None
    key: bytes | None
    headers: Headers
    value: bytes | None
    kind: str  # Kind
    accepted_at: datetime
    size: int
    ref: Digest | None = None
    answers: Digest | None = None
    receipt: ReceiptKind | None = None
    urgency: Urgency | None = None
    open_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A record as the relay takes it. `attempts`: how often it was produced before."""

    seq: int
    topic: str
    key: bytes | None
    headers: Headers
    value: bytes | None
    kind: str
    ref: Digest | None
    urgency: Urgency | None
    attempts: int
    open_until: datetime | None


@dataclass(frozen=True, slots=True)
class Produced:
    """The broker has row `seq` at `offset`; `next_at`: when it goes again without `delivered`."""

    seq: int
    ref: Digest | None
    offset: int
    at: datetime
    next_at: datetime | None


_NEW, _ROWS = Rows(NewRow), Rows(Row)


def insert(db: sqlite3.Connection, row: NewRow) -> int:
    """Queue a record; return its `seq`, the order of production."""
    return _NEW.insert(db, "outbox", row)


def unproduced(
    db: sqlite3.Connection, limit: int, size: int, without: Collection[str] = ()
) -> list[Row]:
    """Return what waits for the broker, in order, apart from topics that back off.

    At most `limit` rows and about `size` bytes, but one row at least.
    """
    marks = ", ".join("?" * len(without))
    rest = f"WHERE produced_at IS NULL AND topic NOT IN ({marks}) ORDER BY seq LIMIT ?"
    found = []
    for row in _ROWS.each(db, "outbox", rest, (*without, limit)):
        found.append(row)
        size -= len(row.value or b"")
        if size <= 0:
            break
    return found


def mark_produced(db: sqlite3.Connection, done: Iterable[Produced]) -> None:
    """Note what the broker acknowledged."""
    db.executemany(
        "UPDATE outbox SET produced_at = ?, topic_offset = ?, attempts = attempts + 1,"
        " next_at = CASE WHEN settled_at IS NULL AND kind = 'message' THEN ? END WHERE seq = ?",
        [
            (
                to_rfc3339(each.at),
                each.offset,
                None if each.next_at is None else to_rfc3339(each.next_at),
                each.seq,
            )
            for each in done
        ],
    )


def settle(db: sqlite3.Connection, ref: Digest, at: datetime) -> None:
    """End the wait of a message: delivered, refused or undeliverable. It stays for the audit."""
    db.execute(
        "UPDATE outbox SET settled_at = ?, next_at = NULL WHERE ref = ? AND settled_at IS NULL",
        (to_rfc3339(at), ref),
    )


def late(db: sqlite3.Connection, now: datetime, limit: int = 500) -> list[Row]:
    """Return messages whose `delivered` is late and which are due to be produced again."""
    rest = "WHERE next_at <= ? ORDER BY next_at LIMIT ?"
    return _ROWS.select(db, "outbox", rest, (to_rfc3339(now), limit))


def unsettled(db: sqlite3.Connection, topics: Collection[str], limit: int = 500) -> list[Row]:
    """Return messages on these topics that are not delivered, refused or given up."""
    marks = ", ".join("?" * len(topics))
    rest = f"WHERE settled_at IS NULL AND kind = 'message' AND topic IN ({marks}) LIMIT ?"
    return _ROWS.select(db, "outbox", rest, (*topics, limit))


def drop(db: sqlite3.Connection, seq: int, at: datetime) -> None:
    """Take a row off the queue for good without the broker having it."""
    db.execute(
        "UPDATE outbox SET produced_at = ?1, settled_at = ?1, next_at = NULL WHERE seq = ?2",
        (to_rfc3339(at), seq),
    )


def again(db: sqlite3.Connection, seqs: Iterable[int]) -> None:
    """Put produced rows back, to be produced again as the same bytes."""
    db.executemany(
        "UPDATE outbox SET produced_at = NULL, next_at = NULL WHERE seq = ?",
        [(seq,) for seq in seqs],
    )


def repeat_receipt(db: sqlite3.Connection, answers: Digest, kind: ReceiptKind) -> bool:
    """Produce the receipt of `kind` for that message again; False if there is none any more."""
    found = db.execute(
        "SELECT max(seq) FROM outbox WHERE answers = ? AND receipt = ?", (answers, kind)
    ).fetchone()[0]
    if found is not None:
        again(db, (found,))
    return found is not None


def has_receipts(db: sqlite3.Connection, answers: Digest) -> bool:
    """Say whether a receipt that we gave for that message is still here."""
    query = "SELECT 1 FROM outbox WHERE answers = ? LIMIT 1"
    return db.execute(query, (answers,)).fetchone() is not None


def forget(db: sqlite3.Connection, ref: Digest) -> None:
    """Erase the sealed bytes of a message at its `delete_after`, and end every wait for it."""
    db.execute(
        "UPDATE outbox SET value = NULL, size = 0, next_at = NULL,"
        " produced_at = coalesce(produced_at, accepted_at),"
        " settled_at = coalesce(settled_at, accepted_at) WHERE ref = ?",
        (ref,),
    )


def waiting_bytes(db: sqlite3.Connection) -> int:
    """Return the size of all messages that are not settled yet."""
    query = "SELECT total(size) FROM outbox WHERE settled_at IS NULL AND kind = 'message'"
    return int(db.execute(query).fetchone()[0])


def place(db: sqlite3.Connection, ref: Digest) -> tuple[str, int | None] | None:
    """Return (topic, offset or None) of the record with that digest."""
    row = db.execute("SELECT topic, topic_offset FROM outbox WHERE ref = ?", (ref,)).fetchone()
    return None if row is None else (row[0], row[1])
