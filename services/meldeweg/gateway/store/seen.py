"""Deduplication after verification: which (sender, id) had which digest (I5)."""

import sqlite3

from meldeweg.kernel.ids import AgencyId, Digest, MessageId


def digest(db: sqlite3.Connection, sender: AgencyId, message: MessageId) -> Digest | None:
    """Return the digest under which this id of this sender was accepted before.

    Also of a message that is erased by now: its id is not to be had again.
    """
    query = (
        "SELECT digest FROM seen WHERE sender = ?1 AND id = ?2"
        " UNION ALL SELECT digest FROM received WHERE sender = ?1 AND id = ?2 LIMIT 1"
    )
    row = db.execute(query, (sender, message)).fetchone()
    return None if row is None else Digest(row[0])


def add(
    db: sqlite3.Connection, sender: AgencyId, message: MessageId, of: Digest, delete_after: str
) -> None:
    """Remember an accepted record; kept until `delete_after`, from when on step 5 refuses it."""
    db.execute("INSERT INTO seen VALUES (?, ?, ?, ?)", (sender, message, of, delete_after))


def forget(db: sqlite3.Connection, today: str, limit: int = 5000) -> int:
    """Drop what a record's own `delete_after` refuses by now; return how many."""
    return db.execute(
        "DELETE FROM seen WHERE (sender, id) IN"
        " (SELECT sender, id FROM seen WHERE delete_after <= ? LIMIT ?)",
        (today, limit),
    ).rowcount
