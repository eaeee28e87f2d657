"""What a heartbeat says, and what a store says of the same: one form, so that they compare."""

import json
import sqlite3
from collections.abc import Iterable

from meldeweg.kernel.event import Heartbeat

Counts = tuple[tuple[str, str], ...]  # member → its value as text, sorted

# Asked of the file itself: what a gateway counts, it must not be believed by its own queries.
_QUERIES = {
    "parked": "SELECT count(*) FROM parked",
    "quarantined": "SELECT count(*) FROM quarantine",
    "waiting": "SELECT count(*) FROM sent WHERE state IN ('queued', 'sent')",
}
_NUMBERS = {
    "sent": "SELECT recipient, outbox, n FROM sent_seq",
    "received": "SELECT sender, outbox, n FROM received_seq",
}


def of_heartbeat(told: Heartbeat) -> Counts:
    """Return what it says."""
    said = {name: str(getattr(told, name)) for name in _QUERIES}
    for name in _NUMBERS:
        numbers = getattr(told, name)
        said[name] = _text((agency, seq.outbox, seq.n) for agency, seq in numbers.items())
    return tuple(sorted(said.items()))


def of_store(db: sqlite3.Connection) -> Counts:
    """Return what one that is made now must say."""
    said = {name: str(db.execute(query).fetchone()[0]) for name, query in _QUERIES.items()}
    for name, query in _NUMBERS.items():
        said[name] = _text(tuple(row) for row in db.execute(query))
    return tuple(sorted(said.items()))


def _text(numbers: Iterable[tuple[object, ...]]) -> str:
    return json.dumps(sorted([str(each) for each in row] for row in numbers))
