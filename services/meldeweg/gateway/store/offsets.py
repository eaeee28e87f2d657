"""How far each topic was read: written in the transaction of the effect (I1)."""

import sqlite3
from collections.abc import Mapping


def load(db: sqlite3.Connection) -> dict[str, int]:
    """Return topic -> next offset to read."""
    return dict(db.execute("SELECT topic, next FROM offsets").fetchall())


def save(db: sqlite3.Connection, ends: Mapping[str, int]) -> None:
    """Set topic -> next offset to read; also backwards, when a topic was recreated empty."""
    db.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?)", list(ends.items()))
