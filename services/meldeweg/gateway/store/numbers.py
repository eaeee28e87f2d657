"""How far the numbering went, per partner, in both directions: what heartbeats say."""

import sqlite3
from typing import Literal

from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.statement import Seq

_TABLES = {"sent": ("sent_seq", "recipient"), "received": ("received_seq", "sender")}
Direction = Literal["sent", "received"]


def note(db: sqlite3.Connection, direction: Direction, partner: AgencyId, seq: Seq) -> None:
    """Note the newest number sent to, or received from, a partner."""
    table, _ = _TABLES[direction]
    db.execute(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)",  # noqa: S608 - one of two constants
        (partner, seq.outbox, seq.n),
    )


def load(db: sqlite3.Connection, direction: Direction) -> dict[AgencyId, Seq]:
    table, partner = _TABLES[direction]
    rows = db.execute(f"SELECT {partner}, outbox, n FROM {table}")  # noqa: S608 - constants
    return {AgencyId(row[0]): Seq(outbox=row[1], n=row[2]) for row in rows}
