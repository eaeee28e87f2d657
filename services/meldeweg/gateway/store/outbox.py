"""Records on their way to the broker, in order, until they are delivered and in the audit log."""

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from meldeweg.gateway.store.headers import Headers
from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.statement import ReceiptKind, Urgency

Kind = Literal["message", "receipt", "event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRow:
    """A record to be produced. `ref`: its own message digest; `answers`: what a receipt names."""

    topic: str
    recipient: AgencyId | None
    key: bytes | None
    headers: Headers
    value: bytes | None
    kind: str  # Kind
    accepted_at: datetime
    size: int
    ref: Digest | None = None
    answers: Digest | None = None
    receipt: ReceiptKind | None = None
    urgency: Urgency | None = None
    open_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A record as the relay takes it. `attempts`: how often it was produced before."""

    seq: int
    topic: str
    key: bytes | None
    headers: Headers
    value: bytes | None
    kind: str
    ref: Digest | None
    urgency: Urgency | None
    attempts: int
    open_until: datetime | None


@dataclass(frozen=True, slots=True)
class Produced:
    """The broker has row `seq` at `offset`; `next_at`: when it goes again.

    A message without `delivered`; of receipts those that answer no repeated message by themselves.

    `appended`: when, by the broker's clock (ms since 1970).
    """

    seq: int
    ref: Digest | None
    offset: int
    at: datetime
    next_at: datetime | None
    appended: int = 0


@dataclass(frozen=True, slots=True)
class Missing:
    """What of a topic the log lacks for too long: how many rows, and the oldest of them."""

    topic: str
    count: int
    offset: int | None
    ref: Digest | None
    urgency: Urgency | None


_NEW, _ROWS = Rows(NewRow), Rows(Row)
_SETTLED = "(kind = 'event' OR (kind = 'message' AND settled_at IS NOT NULL))"


def insert(db: sqlite3.Connection, row: NewRow) -> int:
    """Queue a record; return its `seq`, the order of production."""
    return _NEW.insert(db, "outbox", row)


def unproduced(
    db: sqlite3.Connection, limit: int, size: int, without: Collection[str] = ()
) -> list[Row]:
    """Return what waits for the broker, in order, apart from topics that back off.

    At most `limit` rows and about `size` bytes, but one row at least.
    """
    marks = ", ".join("?" * len(without))
    rest = f"WHERE produced_at IS NULL AND topic NOT IN ({marks}) ORDER BY seq LIMIT ?"
    found = []
    for row in _ROWS.each(db, "outbox", rest, (*without, limit)):
        found.append(row)
        size -= len(row.value or b"")
        if size <= 0:
            break
    return found


def mark_produced(db: sqlite3.Connection, done: Iterable[Produced]) -> None:
    """Note what the broker acknowledged."""
    db.executemany(
        "UPDATE outbox SET produced_at = ?1, topic_offset = ?2, attempts = attempts + 1,"
        " appended = ?3, waits_since = coalesce(waits_since, ?1),"
        " next_at = CASE WHEN settled_at IS NULL AND (kind = 'message' OR receipt != 'delivered')"
        " THEN ?4 END WHERE seq = ?5",
        [
            (
                to_rfc3339(each.at),
                each.offset,
                each.appended,
                None if each.next_at is None else to_rfc3339(each.next_at),
                each.seq,
            )
            for each in done
        ],
    )


def settle(db: sqlite3.Connection, ref: Digest, at: datetime) -> None:
    """End the wait of a message: delivered, refused or undeliverable.

    Its row leaves as soon as it was seen in the audit log too, and stays until then.
    """
    db.execute(
        "UPDATE outbox SET settled_at = ?, next_at = NULL WHERE ref = ? AND settled_at IS NULL",
        (to_rfc3339(at), ref),
    )
    db.execute(
        f"DELETE FROM outbox WHERE ref = ? AND included_at IS NOT NULL AND {_SETTLED}",  # noqa: S608 - a constant
        (ref,),
    )


def include(db: sqlite3.Connection, seqs: Iterable[int], at: datetime) -> None:
    """Note that rows are in the audit log with their bytes; let go of those that are done.

    Receipts stay: they are produced again when their message comes again.
    """
    found = [(seq,) for seq in seqs]
    when = to_rfc3339(at)
    # First what goes: to mark a row is to write it again, with the sealed message in it.
    db.executemany(f"DELETE FROM outbox WHERE seq = ? AND {_SETTLED}", found)  # noqa: S608 - a constant
    db.executemany(
        "UPDATE outbox SET included_at = ? WHERE seq = ?", [(when, *seq) for seq in found]
    )


def unlogged(
    db: sqlite3.Connection,
    head: int,
    alive: int,
    first: int,
    longest: int,
    now: datetime,
    limit: int = 500,
) -> list[int]:
    """Return rows that the log should have by now and has not, to be produced again.

    All in milliseconds. `head`: when its newest proven checkpoint was published; `alive`: since
    when they came without a pause; `first`, `longest`: how long a row may be missing, doubling with
    each production. Messages without `delivered` have their own schedule, and what was given up, or
    nobody could open any more, is not produced again.
    """
    query = (
        "SELECT seq FROM outbox WHERE included_at IS NULL AND waits_since IS NOT NULL"
        " AND produced_at IS NOT NULL AND (kind != 'message' OR settled_at IS NOT NULL)"
        " AND (open_until IS NULL OR open_until > ?5)"
        " AND max(appended, ?2) + min(?3 << min(max(attempts - 1, 0), 20), ?4) <= ?1"
        " ORDER BY seq LIMIT ?6"
    )
    args = (head, alive, first, longest, to_rfc3339(now), limit)
    return [row[0] for row in db.execute(query, args)]


def missing(db: sqlite3.Connection, before: datetime) -> list[Missing]:
    """Return the topics of which something was produced before that time and is not in the log."""
    query = (
        "SELECT topic, count(*), topic_offset, ref, urgency, min(seq) FROM outbox"
        " WHERE included_at IS NULL AND waits_since <= ? GROUP BY topic ORDER BY topic"
    )  # SQLite takes the other columns from the row of the minimum
    rows = db.execute(query, (to_rfc3339(before),)).fetchall()
    return [
        Missing(topic, count, offset, ref and Digest(ref), urgency and Urgency(urgency))
        for topic, count, offset, ref, urgency, _ in rows
    ]


def count_unlogged(db: sqlite3.Connection) -> int:
    """Return how many produced rows wait for the audit log."""
    query = "SELECT count(*) FROM outbox WHERE included_at IS NULL AND waits_since IS NOT NULL"
    return int(db.execute(query).fetchone()[0])


def over(db: sqlite3.Connection, now: datetime, limit: int = 500) -> list[Row]:
    """Return what never got there and can't, or may not, any more: messages, unsent receipts.

    Also what waits for a topic that is not tried. Reads all that waits: not for every moment.
    """
    rest = (
        "WHERE open_until <= ? AND ((kind = 'message' AND settled_at IS NULL)"
        " OR (kind = 'receipt' AND topic_offset IS NULL)) ORDER BY seq LIMIT ?"
    )
    return _ROWS.select(db, "outbox", rest, (to_rfc3339(now), limit))


def late(db: sqlite3.Connection, now: datetime, limit: int = 500) -> list[Row]:
    """Return what is due to be produced again; a receipt only until nobody may hold it."""
    rest = "WHERE next_at <= ?1 AND (kind = 'message' OR open_until > ?1) ORDER BY next_at LIMIT ?2"
    return _ROWS.select(db, "outbox", rest, (to_rfc3339(now), limit))


def unsettled(db: sqlite3.Connection, topics: Collection[str], limit: int = 500) -> list[Row]:
    """Return messages on these topics that are not delivered, refused or given up."""
    marks = ", ".join("?" * len(topics))
    rest = f"WHERE settled_at IS NULL AND kind = 'message' AND topic IN ({marks}) LIMIT ?"
    return _ROWS.select(db, "outbox", rest, (*topics, limit))


def drop(db: sqlite3.Connection, seq: int, at: datetime) -> bool:
    """Take a row off the queue for good. What the broker had before still waits for the log.

    Returns False when it was delivered, refused or dropped meanwhile.
    """
    here = db.execute("SELECT 1 FROM outbox WHERE seq = ? AND settled_at IS NULL", (seq,))
    if here.fetchone() is None:
        return False
    db.execute("DELETE FROM outbox WHERE seq = ? AND topic_offset IS NULL", (seq,))
    db.execute(
        "UPDATE outbox SET produced_at = coalesce(produced_at, ?1), settled_at = ?1,"
        " next_at = NULL, open_until = ?1 WHERE seq = ?2",
        (to_rfc3339(at), seq),
    )
    db.execute(
        f"DELETE FROM outbox WHERE seq = ? AND included_at IS NOT NULL AND {_SETTLED}",  # noqa: S608 - a constant
        (seq,),
    )
    return True


def again(db: sqlite3.Connection, seqs: Iterable[int]) -> None:
    """Put produced rows back, to be produced again as the same bytes."""
    db.executemany(
        "UPDATE outbox SET produced_at = NULL, next_at = NULL WHERE seq = ?",
        [(seq,) for seq in seqs],
    )


def repeat_receipt(db: sqlite3.Connection, answers: Digest, kind: ReceiptKind) -> bool:
    """Produce the receipt of `kind` for that message again; False if there is none any more."""
    found = db.execute(
        "SELECT max(seq) FROM outbox WHERE answers = ? AND receipt = ?", (answers, kind)
    ).fetchone()[0]
    if found is not None:
        again(db, (found,))
    return found is not None


def repeat_receipts_on(db: sqlite3.Connection, topic: str, topic_id: bytes, since: int) -> int:
    """Produce again what the topic's earlier lives held of receipts; return how many.

    For a topic of which a life begins: whether its reader had read the one before is not known
    here, and it forgets what it has already. `since`: the broker's time (ms) from which on the
    topic still held them. In its first life nothing is to be done.
    """
    return db.execute(
        "UPDATE outbox SET produced_at = NULL WHERE topic = ?1 AND kind = 'receipt'"
        " AND produced_at IS NOT NULL AND settled_at IS NULL AND appended >= ?3"
        " AND (EXISTS (SELECT 1 FROM outbox e WHERE e.topic = ?1 AND e.included_at IS NOT NULL)"
        "  OR EXISTS (SELECT 1 FROM log_range r WHERE r.topic = ?1 AND r.topic_id != ?2))",
        (topic, topic_id, since),
    ).rowcount


def has_receipts(db: sqlite3.Connection, answers: Digest) -> bool:
    """Say whether a receipt that we gave for that message is still here."""
    query = "SELECT 1 FROM outbox WHERE answers = ? LIMIT 1"
    return db.execute(query, (answers,)).fetchone() is not None


def is_waiting(db: sqlite3.Connection, ref: Digest) -> bool:
    """Say whether a message is still to be delivered."""
    query = "SELECT 1 FROM outbox WHERE ref = ? AND settled_at IS NULL LIMIT 1"
    return db.execute(query, (ref,)).fetchone() is not None


def forget(db: sqlite3.Connection, ref: Digest, now: datetime) -> None:
    """Erase a message at its `delete_after`, and end every wait for it.

    Of one that the broker never had, what it is called stays until `over` was told.
    """
    db.execute(
        "DELETE FROM outbox WHERE ref = ? AND (settled_at IS NOT NULL OR topic_offset IS NOT NULL)",
        (ref,),
    )
    db.execute(
        "UPDATE outbox SET value = x'', size = 0, open_until = ? WHERE ref = ?",
        (to_rfc3339(now), ref),
    )


def forget_receipts(db: sqlite3.Connection, now: datetime, limit: int = 200) -> int:
    """Erase receipts that nobody may hold any more; return how many.

    Of one that was never sent what it is called stays until `over` was told.
    """
    args = (to_rfc3339(now), limit)
    gone = db.execute(
        "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE kind = 'receipt'"
        " AND open_until <= ? AND topic_offset IS NOT NULL LIMIT ?)",
        args,
    )
    emptied = db.execute(
        "UPDATE outbox SET value = x'', size = 0 WHERE seq IN (SELECT seq FROM outbox WHERE"
        " kind = 'receipt' AND open_until <= ? AND topic_offset IS NULL AND value != x'' LIMIT ?)",
        args,
    )
    return gone.rowcount + emptied.rowcount


def waiting_bytes(db: sqlite3.Connection) -> int:
    """Return the size of all messages that are not settled yet.

    What is delivered and only waits for the log is not counted: the audit blocks nothing (I2).
    """
    query = "SELECT total(size) FROM outbox WHERE settled_at IS NULL AND kind = 'message'"
    return int(db.execute(query).fetchone()[0])


def place(db: sqlite3.Connection, ref: Digest) -> tuple[str, int | None] | None:
    """Return (topic, offset or None) of the record with that digest."""
    row = db.execute("SELECT topic, topic_offset FROM outbox WHERE ref = ?", (ref,)).fetchone()
    return None if row is None else (row[0], row[1])
