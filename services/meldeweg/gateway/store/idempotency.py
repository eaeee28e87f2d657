"""Which `Idempotency-Key` led to which message: key and body as keyed hashes."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.ids import MessageId


@dataclass(frozen=True, slots=True)
class Used:
    """`key` and `body` are HMACs; the answer is with the message (`sent.answer`)."""

    key: bytes
    body: bytes
    message: MessageId
    created: datetime


_ROWS = Rows(Used)


def find(db: sqlite3.Connection, key: bytes) -> Used | None:
    return _ROWS.first(db, "idempotency", "WHERE key = ?", (key,))


def add(db: sqlite3.Connection, used: Used) -> None:
    """Remember a key; the same key again is an IntegrityError."""
    _ROWS.insert(db, "idempotency", used)


def forget(db: sqlite3.Connection, before: datetime, limit: int = 5000) -> int:
    """Drop keys older than `before`; return how many."""
    return db.execute(
        "DELETE FROM idempotency WHERE key IN"
        " (SELECT key FROM idempotency WHERE created < ? LIMIT ?)",
        (to_rfc3339(before), limit),
    ).rowcount
