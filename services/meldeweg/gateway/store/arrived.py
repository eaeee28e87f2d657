"""Records that arrived and were not yet found in the audit log: runs of leaf hashes, per topic."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.clock import to_rfc3339

WIDTH = 32  # bytes of a leaf hash


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive offsets of one topic, from `first` on; `hashes`: their leaf hashes, joined."""

    topic: str
    topic_id: bytes
    first: int
    hashes: bytes = field(repr=False)
    at: datetime

    @property
    def stop(self) -> int:
        """The offset behind the last."""
        return self.first + len(self.hashes) // WIDTH


@dataclass(frozen=True, slots=True)
class Waiting(Run):
    """A run as it is kept."""

    seq: int


@dataclass(frozen=True, slots=True)
class Missing:
    """What a topic lacks in the log for too long: how many runs, and the oldest record."""

    topic: str
    count: int
    offset: int


_NEW, _ROWS = Rows(Run), Rows(Waiting)


def add(db: sqlite3.Connection, runs: Iterable[Run]) -> None:
    for run in runs:
        _NEW.insert(db, "arrived", run)


def page(db: sqlite3.Connection, after: int, limit: int) -> list[Waiting]:
    """Return what waits, in order of arrival."""
    return _ROWS.select(db, "arrived", "WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))


def found(db: sqlite3.Connection, run: Waiting, upto: int) -> None:
    """Let go of a run's records before offset `upto`: they are in the log."""
    if upto >= run.stop:
        db.execute("DELETE FROM arrived WHERE seq = ?", (run.seq,))
    elif upto > run.first:
        left = run.hashes[(upto - run.first) * WIDTH :]
        db.execute("UPDATE arrived SET first = ?, hashes = ? WHERE seq = ?", (upto, left, run.seq))


def missing(db: sqlite3.Connection, before: datetime) -> list[Missing]:
    """Return the topics of which something arrived before that time and is not in the log."""
    query = (
        f"SELECT topic, sum(length(hashes)) / {WIDTH}, min(first) FROM arrived WHERE at <= ?"  # noqa: S608 - a number
        " GROUP BY topic ORDER BY topic"
    )
    return [Missing(*row) for row in db.execute(query, (to_rfc3339(before),))]


def count(db: sqlite3.Connection) -> int:
    """Return how many records wait for the log."""
    query = f"SELECT total(length(hashes)) / {WIDTH} FROM arrived"  # noqa: S608 - a number
    return int(db.execute(query).fetchone()[0])
