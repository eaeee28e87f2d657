"""Which person looked at which message (§ 76(2) BDSG); names are in the vault's form."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from meldeweg.gateway.store.rows import Rows


@dataclass(frozen=True, slots=True)
class Look:
    """A person opened message `received` (its `seq`); `actor_ref` is random per look."""

    received: int
    actor_ref: str
    person: bytes | None  # vault; None once erased
    at: datetime


_ROWS = Rows(Look)


def add(db: sqlite3.Connection, look: Look) -> None:
    _ROWS.insert(db, "opened", look)


def of(db: sqlite3.Connection, received: int) -> list[Look]:
    """Return every look at the message, oldest first."""
    return _ROWS.select(db, "opened", "WHERE received = ? ORDER BY at", (received,))


def forget_persons(db: sqlite3.Connection, received: int) -> None:
    db.execute("UPDATE opened SET person = NULL WHERE received = ?", (received,))
