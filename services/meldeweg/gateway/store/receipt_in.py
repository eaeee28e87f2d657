"""Receipts that came for what this agency sent: sealed as received (by whom, and why)."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.ids import AgencyId, MessageId
from meldeweg.kernel.statement import ReceiptKind


@dataclass(frozen=True, slots=True)
class ReceiptIn:
    """A receipt for message `sent` (its `n`)."""

    sender: AgencyId
    id: MessageId
    sent: int
    kind: ReceiptKind
    at: datetime
    statement: bytes
    value: bytes | None


_ROWS = Rows(ReceiptIn)


def add(db: sqlite3.Connection, receipt: ReceiptIn) -> None:
    _ROWS.insert(db, "receipt_in", receipt)


def forget(db: sqlite3.Connection, sent: int) -> None:
    """Erase the sealed words of the receipts for a sent message."""
    db.execute("UPDATE receipt_in SET value = NULL WHERE sent = ?", (sent,))


def of(db: sqlite3.Connection, sent: int) -> list[ReceiptIn]:
    """Return the receipts for a sent message, oldest first."""
    return _ROWS.select(db, "receipt_in", "WHERE sent = ? ORDER BY at", (sent,))
