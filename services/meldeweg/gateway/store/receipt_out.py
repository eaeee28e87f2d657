"""Receipts that a person gave here for a received message; who and why are in the vault's form."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.ids import MessageId
from meldeweg.kernel.statement import ReceiptKind


@dataclass(frozen=True, slots=True)
class ReceiptOut:
    """A receipt for message `received` (its `seq`). `id`: the receipt's own."""

    received: int
    kind: ReceiptKind
    id: MessageId
    at: datetime
    code: str | None
    said: bytes | None  # vault; None once erased


_ROWS = Rows(ReceiptOut)


def add(db: sqlite3.Connection, receipt: ReceiptOut) -> None:
    """Keep a receipt; a second one of its kind is an IntegrityError."""
    _ROWS.insert(db, "receipt_out", receipt)


def of(db: sqlite3.Connection, received: int) -> list[ReceiptOut]:
    """Return the receipts given for a message, oldest first."""
    return _ROWS.select(db, "receipt_out", "WHERE received = ? ORDER BY at", (received,))


def forget_persons(db: sqlite3.Connection, received: int) -> None:
    db.execute("UPDATE receipt_out SET said = NULL WHERE received = ?", (received,))
