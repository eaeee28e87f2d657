"""Cache of the verified trust records, so that a gateway starts without the broker.

Not trusted: every record is verified again on load.
"""

import sqlite3
from collections.abc import Iterable

from meldeweg.kernel.ids import Digest


def add(db: sqlite3.Connection, topic: str, value: bytes) -> None:
    """Keep one record; the same one again changes nothing."""
    db.execute(
        "INSERT OR IGNORE INTO trust_records (topic, digest, value) VALUES (?, ?, ?)",
        (topic, Digest.of(value), value),
    )


def load(db: sqlite3.Connection) -> Iterable[tuple[str, bytes]]:
    """Return (topic, value) in the order in which they were first seen."""
    return db.execute("SELECT topic, value FROM trust_records ORDER BY seq").fetchall()


def replace(db: sqlite3.Connection, topic: str, value: bytes) -> None:
    """Keep `value` as the only record of `topic` (snapshots: only the newest counts)."""
    db.execute("DELETE FROM trust_records WHERE topic = ?", (topic,))
    add(db, topic, value)
