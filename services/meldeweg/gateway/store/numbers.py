"""How far the numbering went, per partner, in both directions: what heartbeats say."""

import sqlite3
from typing import Literal

from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.statement import Seq

_TABLES = {"sent": ("sent_seq", "recipient"), "received": ("received_seq", "sender")}
Direction = Literal["sent", "received"]


def note_sent(db: sqlite3.Connection, recipient: AgencyId, first: int, last: Seq) -> None:
    """Note that numbers `first` to `last` are kept, with what they number, in this transaction.

    Raises `Unavailable("store-busy")` when the number before them was not kept: what was numbered
    ahead of these failed alone, and a gap would look as if a record had been withheld.
    """
    if first > 1:
        went_on = db.execute(
            "UPDATE sent_seq SET n = ? WHERE recipient = ? AND outbox = ? AND n = ?",
            (last.n, recipient, last.outbox, first - 1),
        )
        if went_on.rowcount == 0:
            raise Unavailable("store-busy", "the number before was not kept")
    else:
        _set(db, "sent", recipient, last)


def note_received(db: sqlite3.Connection, sender: AgencyId, seq: Seq) -> None:
    """Note the newest number received from a partner."""
    _set(db, "received", sender, seq)


def _set(db: sqlite3.Connection, direction: Direction, partner: AgencyId, seq: Seq) -> None:
    table, _ = _TABLES[direction]
    db.execute(
        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)",  # noqa: S608 - one of two constants
        (partner, seq.outbox, seq.n),
    )


def load(db: sqlite3.Connection, direction: Direction) -> dict[AgencyId, Seq]:
    table, partner = _TABLES[direction]
    rows = db.execute(f"SELECT {partner}, outbox, n FROM {table}")  # noqa: S608 - constants
    return {AgencyId(row[0]): Seq(outbox=row[1], n=row[2]) for row in rows}
