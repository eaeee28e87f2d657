"""How far each topic was read, and which topic that was: in the transaction of the effect (I1)."""

import sqlite3
from collections.abc import Iterable, Mapping
from uuid import UUID

from meldeweg.kernel.bus.positions import Position
from meldeweg.kernel.bus.records import Place, Record


def load(db: sqlite3.Connection) -> dict[str, Position]:
    """Return topic -> next offset to read."""
    rows = db.execute("SELECT topic, next, topic_id FROM offsets")
    return {topic: Position(offset, UUID(topic_id)) for topic, offset, topic_id in rows}


def places(db: sqlite3.Connection, wanted: Iterable[Place]) -> dict[Place, Position | None]:
    """Return what a subscription asks for; our topics have one partition each."""
    known = load(db)
    return {place: known.get(place[0]) for place in wanted}


def save(db: sqlite3.Connection, ends: Mapping[str, Position]) -> None:
    """Set topic -> next offset to read; also backwards, when a topic was recreated empty."""
    db.executemany(
        "INSERT OR REPLACE INTO offsets (topic, topic_id, next) VALUES (?, ?, ?)",
        [(topic, str(end.topic_id), end.offset) for topic, end in ends.items()],
    )


def behind(record: Record) -> Position:
    """Return the position behind a record."""
    return Position(record.offset + 1, record.topic_id)
