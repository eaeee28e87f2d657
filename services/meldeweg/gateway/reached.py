"""How far a batch has read: offsets, and each leaf hash, which is looked for in the log later.

Guarantees: consecutive records of one topic are one run, whatever became of them; a gap or another
topic id begins a new one. Part of the batch's one transaction (`settling`).
"""

import sqlite3
from datetime import datetime
from uuid import UUID

from meldeweg.gateway.store import arrived, offsets
from meldeweg.gateway.store.arrived import Run
from meldeweg.kernel.bus.positions import Position
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.leaf import leaf_of_record
from meldeweg.kernel.merkle import leaf_hash


class Reached:
    """Collects what was read, in order; `save` keeps it."""

    def __init__(self) -> None:
        self._ends: dict[str, Position] = {}
        self._runs: list[tuple[Record, bytearray]] = []  # a first record, hashes from it on
        self._open: dict[str, tuple[Record, bytearray]] = {}  # of each topic the last run

    def add(self, record: Record) -> None:
        """Move the topic's offset past a record, and remember its leaf."""
        self._ends[record.topic] = offsets.behind(record)
        run = self._open.get(record.topic)
        if run is None or _follows(*run) != (record.offset, record.topic_id):
            run = self._open[record.topic] = (record, bytearray())
            self._runs.append(run)
        leaf = leaf_of_record(
            record.topic_id.bytes, record.offset, record.key, record.headers, record.value
        )
        run[1].extend(leaf_hash(leaf.encode()))

    def save(self, db: sqlite3.Connection, now: datetime) -> None:
        """Keep both; `now`: since when the leaves are looked for."""
        offsets.save(db, self._ends)
        arrived.add(
            db,
            [
                Run(first.topic, first.topic_id.bytes, first.offset, bytes(hashes), now)
                for first, hashes in self._runs
            ],
        )


def _follows(first: Record, hashes: bytearray) -> tuple[int, UUID]:
    """Return which record would continue a run."""
    return first.offset + len(hashes) // arrived.WIDTH, first.topic_id
