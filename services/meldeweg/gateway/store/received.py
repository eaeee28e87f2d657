"""What arrived here: sealed as received, in order of arrival, with state and timeline."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from meldeweg.gateway.states import (
    RECEIVED_OPEN,
    ReceivedMove,
    ReceivedState,
    after_received,
)
from meldeweg.gateway.store.rows import Rows
from meldeweg.gateway.store.sent import Step
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.ids import AgencyId, Digest, Kennzeichen, MessageId
from meldeweg.kernel.statement import Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReceived:
    """A verified message as it is stored (step 11)."""

    id: MessageId
    sender: AgencyId
    digest: Digest
    kennzeichen: Kennzeichen
    urgency: Urgency
    created: datetime
    received_at: datetime
    ack_by: datetime
    exercise: bool
    agreement: Digest
    topic: str
    topic_offset: int
    statement: bytes  # the header, as received
    value: bytes | None  # sealed, as received; None once erased
    state: ReceivedState = ReceivedState.RECEIVED
    state_at: datetime
    delete_after: str


@dataclass(frozen=True, slots=True)
class Received:
    """What lists and deadlines need; the bytes are `sealed`. `seq`: the inbox's cursor."""

    seq: int
    id: MessageId
    sender: AgencyId
    digest: Digest
    kennzeichen: Kennzeichen
    urgency: Urgency
    created: datetime
    received_at: datetime
    ack_by: datetime
    exercise: bool
    agreement: Digest
    topic: str
    topic_offset: int
    state: ReceivedState
    state_at: datetime
    delete_after: str
    overdue_at: datetime | None
    retracted_at: datetime | None
    retracted_by: MessageId | None  # the retraction, of the same sender


_NEW, _ROWS, _STEPS = Rows(NewReceived), Rows(Received), Rows(Step)
_OPEN = ", ".join(f"'{state}'" for state in RECEIVED_OPEN)


def insert(db: sqlite3.Connection, new: NewReceived) -> int:
    """Store a message; return its `seq`. Again the same (sender, id) is an IntegrityError."""
    return _NEW.insert(db, "received", new)


def by_id(db: sqlite3.Connection, message: str) -> list[Received]:
    """Return the messages of that id, one per sender: ids are unique per sender only."""
    return _ROWS.select(db, "received", "WHERE id = ? ORDER BY seq LIMIT 10", (message,))


def by_digest(db: sqlite3.Connection, digest: Digest) -> Received | None:
    return _ROWS.first(db, "received", "WHERE digest = ?", (digest,))


def page(db: sqlite3.Connection, after: int, limit: int) -> list[Received]:
    """Return what arrived after the cursor, oldest first."""
    return _ROWS.select(db, "received", "WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))


def sealed(db: sqlite3.Connection, seq: int) -> tuple[bytes, bytes | None]:
    """Return (statement header, sealed value or None once erased)."""
    row = db.execute("SELECT statement, value FROM received WHERE seq = ?", (seq,)).fetchone()
    return row[0], row[1]


def move(
    db: sqlite3.Connection,
    message: Received,
    step: ReceivedMove,
    when: datetime,
    code: str | None = None,
) -> ReceivedState:
    """Take one step of `states.RECEIVED` and note it; `Refused("step-impossible")` otherwise.

    `message` is as read in this transaction. Each kind is noted once, at its first time. A step
    to `erased` removes the sealed bytes.
    """
    state = after_received(message.state, step)
    at = to_rfc3339(when)
    if state is not message.state:
        db.execute(
            "UPDATE received SET state = ?, state_at = ? WHERE seq = ?", (state, at, message.seq)
        )
    if state is ReceivedState.ERASED:
        db.execute("UPDATE received SET value = NULL WHERE seq = ?", (message.seq,))
    db.execute(
        "INSERT INTO received_timeline (received, n, kind, at, code)"
        " SELECT ?1, (SELECT count(*) FROM received_timeline WHERE received = ?1), ?2, ?3, ?4"
        " WHERE NOT EXISTS (SELECT 1 FROM received_timeline WHERE received = ?1 AND kind = ?2)",
        (message.seq, step, at, code),
    )
    return state


def retract(db: sqlite3.Connection, message: Received, by: MessageId, when: datetime) -> None:
    """Note that its sender took it back; the first retraction counts. `message`: as in `move`."""
    move(db, message, ReceivedMove.RETRACTED, when)
    db.execute(
        "UPDATE received SET retracted_at = ?, retracted_by = ?"
        " WHERE seq = ? AND retracted_at IS NULL",
        (to_rfc3339(when), by, message.seq),
    )


def timeline(db: sqlite3.Connection, seq: int) -> list[Step]:
    return _STEPS.select(db, "received_timeline", "WHERE received = ? ORDER BY n", (seq,))


def past_deadline(db: sqlite3.Connection, now: datetime, limit: int = 500) -> list[Received]:
    """Return what no person took by its `ack_by` and is not marked yet."""
    rest = f"WHERE overdue_at IS NULL AND state IN ({_OPEN}) AND ack_by < ? ORDER BY ack_by LIMIT ?"
    return _ROWS.select(db, "received", rest, (to_rfc3339(now), limit))


def mark_overdue(db: sqlite3.Connection, message: Received, now: datetime) -> None:
    db.execute("UPDATE received SET overdue_at = ? WHERE seq = ?", (to_rfc3339(now), message.seq))


def expired(db: sqlite3.Connection, today: str, limit: int = 200) -> list[Received]:
    """Return messages whose content must go: `delete_after` has come."""
    rest = "WHERE delete_after <= ? AND value IS NOT NULL LIMIT ?"
    return _ROWS.select(db, "received", rest, (today, limit))


def count(db: sqlite3.Connection) -> int:
    """Return how many messages ever arrived (erased ones included); constant time."""
    return int(db.execute("SELECT coalesce(max(seq), 0) FROM received").fetchone()[0])
