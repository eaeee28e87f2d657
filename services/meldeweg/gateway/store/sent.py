"""What this agency sent: state, deadline, timeline."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from meldeweg.gateway.states import SENT_OPEN, SentMove, SentState, after_sent
from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.ids import AgencyId, Digest, Kennzeichen, MessageId
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.statement import Urgency


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSent:
    """A message as it is accepted."""

    id: MessageId
    kennzeichen: Kennzeichen
    recipient: AgencyId
    type: MessageType
    urgency: Urgency
    created: datetime
    ack_by: datetime
    exercise: bool
    digest: Digest
    agreement: Digest
    state: SentState = SentState.QUEUED
    state_at: datetime
    delete_after: str
    thread: bytes | None  # vault: it may be a file number
    in_reply_to: MessageId | None
    linked_to: MessageId | None
    answer: bytes | None  # vault: the 201 answer
    actor_ref: str
    actor: bytes | None  # vault: the acting person


@dataclass(frozen=True, slots=True)
class Sent:
    """A sent message. `n`: order of acceptance and cursor of the list. None in `answer`: erased."""

    n: int
    id: MessageId
    kennzeichen: Kennzeichen
    recipient: AgencyId
    type: MessageType
    urgency: Urgency
    created: datetime
    ack_by: datetime
    exercise: bool
    digest: Digest
    agreement: Digest
    state: SentState
    state_at: datetime
    delete_after: str
    thread: bytes | None
    in_reply_to: MessageId | None
    linked_to: MessageId | None
    answer: bytes | None
    actor_ref: str
    actor: bytes | None
    overdue_at: datetime | None
    alarmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a timeline."""

    kind: str
    at: datetime
    code: str | None


_NEW, _ROWS, _STEPS = Rows(NewSent), Rows(Sent), Rows(Step)
_OPEN = ", ".join(f"'{state}'" for state in SENT_OPEN)


def insert(db: sqlite3.Connection, new: NewSent) -> int:
    """Add a message; return its `n`."""
    return _NEW.insert(db, "sent", new)


def by_id(db: sqlite3.Connection, message: str) -> Sent | None:
    return _ROWS.first(db, "sent", "WHERE id = ?", (message,))


def copy_of(db: sqlite3.Connection, message: str) -> Sent | None:
    """Return the linked copy of a message; it was inserted right behind it."""
    rest = "WHERE linked_to = ?1 AND n = (SELECT n + 1 FROM sent WHERE id = ?1)"
    return _ROWS.first(db, "sent", rest, (message,))


def by_digest(db: sqlite3.Connection, digest: Digest) -> Sent | None:
    """Return the message that a receipt names."""
    return _ROWS.first(db, "sent", "WHERE digest = ?", (digest,))


def again(db: sqlite3.Connection, message: Sent) -> Sent:
    """Return a message as it is in this transaction: its state may have moved since it was read."""
    row = db.execute("SELECT state FROM sent WHERE n = ?", (message.n,)).fetchone()
    return replace(message, state=SentState(row[0]))  # sent rows are never removed


def page(
    db: sqlite3.Connection, before: int | None, limit: int, state: SentState | None = None
) -> list[Sent]:
    """Return the newest first; the next page is `before` the last `n`."""
    bound = 2**63 - 1 if before is None else before
    if state is None:
        return _ROWS.select(db, "sent", "WHERE n < ? ORDER BY n DESC LIMIT ?", (bound, limit))
    rest = "WHERE state = ? AND n < ? ORDER BY n DESC LIMIT ?"
    return _ROWS.select(db, "sent", rest, (state, bound, limit))


def kennzeichen_taken(db: sqlite3.Connection, kennzeichen: Kennzeichen) -> bool:
    """Say whether one of this agency's open messages has it."""
    query = f"SELECT 1 FROM sent WHERE kennzeichen = ? AND state IN ({_OPEN}) LIMIT 1"  # noqa: S608 - a constant
    return db.execute(query, (kennzeichen,)).fetchone() is not None


def move(
    db: sqlite3.Connection, message: Sent, step: SentMove, when: datetime, code: str | None = None
) -> SentState:
    """Take one step of `states.SENT` and note it; `Refused("step-impossible")` otherwise.

    `message` is as read in this transaction. Each kind counts once, at its first time: a
    `delivered` that comes again does not undo a refusal. What a gateway refused before it had the
    message was not the last word: a person there may refuse it still, and it may be overdue still.
    """
    state = after_sent(message.state, step)
    at = to_rfc3339(when)
    noted = db.execute(
        "INSERT INTO sent_timeline (sent, n, kind, at, code)"
        " SELECT ?1, (SELECT count(*) FROM sent_timeline WHERE sent = ?1), ?2, ?3, ?4"
        " WHERE NOT EXISTS (SELECT 1 FROM sent_timeline WHERE sent = ?1 AND kind = ?2"
        " AND (kind NOT IN ('refused', 'overdue') OR n > (SELECT ifnull(max(n), -1)"
        " FROM sent_timeline WHERE sent = ?1 AND kind = 'delivered')))",
        (message.n, step, at, code),
    )
    if noted.rowcount == 0:
        return message.state
    if state is not message.state:
        db.execute("UPDATE sent SET state = ?, state_at = ? WHERE n = ?", (state, at, message.n))
    return state


def mark_sent(db: sqlite3.Connection, produced: Iterable[tuple[Digest, datetime]]) -> None:
    """Take the step `sent` of many messages: the table in two statements, for the relay."""
    done = [(to_rfc3339(at), digest) for digest, at in produced]
    db.executemany(
        "INSERT INTO sent_timeline (sent, n, kind, at)"
        " SELECT s.n, (SELECT count(*) FROM sent_timeline WHERE sent = s.n), 'sent', ?1"
        " FROM sent s WHERE s.digest = ?2 AND NOT EXISTS"
        " (SELECT 1 FROM sent_timeline WHERE sent = s.n AND kind = 'sent')",
        done,
    )
    db.executemany(
        "UPDATE sent SET state = 'sent', state_at = ?1 WHERE digest = ?2 AND state = 'queued'", done
    )


def timeline(db: sqlite3.Connection, n: int) -> list[Step]:
    return _STEPS.select(db, "sent_timeline", "WHERE sent = ? ORDER BY n", (n,))


def past_deadline(db: sqlite3.Connection, now: datetime, limit: int = 500) -> list[Sent]:
    """Return what nobody acknowledged by its `ack_by` and is not marked yet."""
    rest = (
        "WHERE overdue_at IS NULL AND state IN ('queued', 'sent', 'delivered') AND ack_by < ?"
        " ORDER BY ack_by LIMIT ?"
    )
    return _ROWS.select(db, "sent", rest, (to_rfc3339(now), limit))


def mark_overdue(db: sqlite3.Connection, message: Sent, now: datetime) -> SentState:
    db.execute("UPDATE sent SET overdue_at = ? WHERE n = ?", (to_rfc3339(now), message.n))
    return move(db, message, SentMove.OVERDUE, now)


def silent_immediate(db: sqlite3.Connection, since: datetime, limit: int = 500) -> list[Sent]:
    """Return `immediate` messages created before `since` without `delivered` and without alarm."""
    rest = (
        "WHERE urgency = 'immediate' AND alarmed_at IS NULL"
        " AND state IN ('queued', 'sent', 'overdue') AND created <= ? AND NOT EXISTS"
        " (SELECT 1 FROM sent_timeline t WHERE t.sent = sent.n AND t.kind = 'delivered')"
        " ORDER BY created LIMIT ?"
    )
    return _ROWS.select(db, "sent", rest, (to_rfc3339(since), limit))


def mark_alarmed(db: sqlite3.Connection, message: Sent, now: datetime) -> None:
    db.execute("UPDATE sent SET alarmed_at = ? WHERE n = ?", (to_rfc3339(now), message.n))


def expired(db: sqlite3.Connection, today: str, limit: int = 200) -> list[Sent]:
    """Return messages of which too much is still here: `delete_after` has come."""
    rest = "WHERE delete_after <= ? AND answer IS NOT NULL LIMIT ?"
    return _ROWS.select(db, "sent", rest, (today, limit))


def forget(db: sqlite3.Connection, n: int) -> None:
    """Erase what says more of a message than the bus knows."""
    db.execute("UPDATE sent SET answer = NULL, actor = NULL, thread = NULL WHERE n = ?", (n,))


def count_undelivered(db: sqlite3.Connection) -> int:
    """Return how many are accepted and not yet delivered."""
    query = "SELECT count(*) FROM sent WHERE state IN ('queued', 'sent')"
    return int(db.execute(query).fetchone()[0])
