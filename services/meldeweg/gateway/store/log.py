"""What this gateway knows of the audit log: chain, ranges, heads, and what contradicted them.

Guarantees: a head is replaced only by who names the one it replaces (check and persist are one
step). Ranges are hints where to look; they prove nothing.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from meldeweg.gateway.store.arrived import Run
from meldeweg.gateway.store.headers import Headers, unpack
from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.errors import Unavailable

_SEEN_MAX = 1000  # heads that wait for their proof; of more, the oldest are not kept


@dataclass(frozen=True, slots=True)
class Chain:
    """How far the manifests of a log were read, and since when its checkpoints come (ms)."""

    origin: str
    number: int
    digest: bytes
    note: bytes = field(repr=False)
    heard_at: int
    alive_since: int
    told: datetime | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets `start` to `stop` (exclusive) of a topic stand in the log from index `first` on."""

    origin: str
    first: int
    topic: str
    topic_id: bytes
    start: int
    stop: int
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """A signed checkpoint. `at`, `alive_since`: as of `Chain`, when it was published."""

    origin: str
    size: int
    root: bytes
    note: bytes = field(repr=False)
    at: int
    alive_since: int


@dataclass(frozen=True, slots=True)
class Seen(Head):
    """A head that was not compared with the others yet."""

    seq: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two signed notes that can't both be true; `known` None where `seen` alone is wrong."""

    at: datetime
    code: str
    origin: str
    known: bytes | None
    seen: bytes


@dataclass(frozen=True, slots=True)
class Sought:
    """A record of ours, and one place where the log says that it stands."""

    seq: int
    first: int  # index of the range that names it
    index: int
    topic_id: bytes
    offset: int
    key: bytes | None
    headers: Headers = field(repr=False)
    value: bytes | None = field(repr=False)


_CHAIN, _SPAN, _HEAD, _SEEN, _EVIDENCE = (
    Rows(Chain),
    Rows(Span),
    Rows(Head),
    Rows(Seen),
    Rows(Evidence),
)


def chains(db: sqlite3.Connection) -> dict[str, Chain]:
    """Return the logs known here by origin; the last is the newest."""
    rows = _CHAIN.select(db, "log_chain", "ORDER BY origin")
    return {chain.origin: chain for chain in rows}


def put_chain(db: sqlite3.Connection, chain: Chain) -> None:
    db.execute("DELETE FROM log_chain WHERE origin = ?", (chain.origin,))
    _CHAIN.insert(db, "log_chain", chain)


def add_spans(db: sqlite3.Connection, spans: Iterable[Span]) -> None:
    """Keep where to look; the same again changes nothing."""
    db.executemany(
        "INSERT OR IGNORE INTO log_range VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (s.origin, s.first, s.topic, s.topic_id, s.start, s.stop, to_rfc3339(s.seen_at))
            for s in spans
        ],
    )


def spans_of(db: sqlite3.Connection, run: Run) -> list[Span]:
    """Return the ranges that overlap a run of arrived records, in the order of offsets."""
    rest = "WHERE topic = ? AND topic_id = ? AND stop > ? ORDER BY stop"
    found = []
    for span in _SPAN.each(db, "log_range", rest, (run.topic, run.topic_id, run.first)):
        if span.start >= run.stop:
            break
        found.append(span)
    return found


def is_placed(db: sqlite3.Connection, topic: str, offset: int) -> bool:
    """Say whether a proven head covers this offset of a topic of that name, with whatever bytes."""
    query = (
        "SELECT 1 FROM log_range r JOIN log_head h ON h.origin = r.origin WHERE r.topic = ?1"
        " AND r.start <= ?2 AND r.stop > ?2 AND r.first + ?2 - r.start < h.size LIMIT 1"
    )
    return db.execute(query, (topic, offset)).fetchone() is not None


def add_seen(db: sqlite3.Connection, head: Head) -> None:
    """Keep a signed checkpoint until it is compared with the others."""
    known = "SELECT 1 FROM log_head WHERE origin = ? AND size = ? AND root = ?"
    if db.execute(known, (head.origin, head.size, head.root)).fetchone():
        return
    values = (head.origin, head.size, head.root, head.note, head.at, head.alive_since)
    db.execute(
        "INSERT OR IGNORE INTO log_seen (origin, size, root, note, at, alive_since)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        values,
    )
    db.execute(
        "DELETE FROM log_seen WHERE seq <= (SELECT max(seq) FROM log_seen) - ? AND origin = ?",
        (_SEEN_MAX, head.origin),
    )


def seen(db: sqlite3.Connection, limit: int) -> list[Seen]:
    """Return heads that wait for their proof, oldest first."""
    return _SEEN.select(db, "log_seen", "ORDER BY seq LIMIT ?", (limit,))


def forget_seen(db: sqlite3.Connection, heads: Iterable[Seen]) -> None:
    db.executemany("DELETE FROM log_seen WHERE seq = ?", [(head.seq,) for head in heads])


def heads(db: sqlite3.Connection) -> dict[str, Head]:
    """Return the proven head of each log."""
    return {head.origin: head for head in _HEAD.select(db, "log_head", "ORDER BY origin")}


def advance(db: sqlite3.Connection, before: Head | None, head: Head) -> None:
    """Replace the head that the proof began with; Unavailable("head-moved") if it is another."""
    now = _HEAD.first(db, "log_head", "WHERE origin = ?", (head.origin,))
    if now != before:
        raise Unavailable("head-moved", head.origin)
    db.execute("DELETE FROM log_head WHERE origin = ?", (head.origin,))
    _HEAD.insert(db, "log_head", head)


def newest(db: sqlite3.Connection, origin: str) -> bytes | None:
    """Return the largest signed checkpoint that was ever seen of a log, as a note."""
    query = (
        "SELECT note FROM (SELECT size, note FROM log_head WHERE origin = ?1"
        " UNION ALL SELECT size, note FROM log_seen WHERE origin = ?1) ORDER BY size DESC LIMIT 1"
    )
    row = db.execute(query, (origin,)).fetchone()
    return None if row is None else row[0]


def testify(db: sqlite3.Connection, evidence: Evidence) -> bool:
    """Keep a contradiction; False if one of this log is kept already: the first says it all."""
    told = db.execute(
        "UPDATE log_chain SET told = ? WHERE origin = ? AND told IS NULL",
        (to_rfc3339(evidence.at), evidence.origin),
    )
    if told.rowcount == 0:
        return False
    _EVIDENCE.insert(db, "log_evidence", evidence)
    return True


def evidence(db: sqlite3.Connection) -> list[Evidence]:
    return _EVIDENCE.select(db, "log_evidence", "ORDER BY seq")


def sought(
    db: sqlite3.Connection, head: Head, after: tuple[int, int], limit: int, size: int
) -> list[Sought]:
    """Return rows of the outbox for which the log named a place below a head, in its order.

    At most `limit` rows and about `size` bytes, but one row at least. `after`: (`first`, `offset`)
    of the last of the page before; begin with (-1, -1).
    """
    query = (
        "SELECT o.seq, r.first, r.first + o.topic_offset - r.start, r.topic_id, o.topic_offset,"
        " o.key, o.headers, o.value FROM log_range r CROSS JOIN"
        " outbox o INDEXED BY outbox_place ON o.topic = r.topic AND o.topic_offset >= r.start"
        " AND o.topic_offset < r.stop WHERE o.included_at IS NULL AND r.origin = ?1"
        " AND r.first >= ?3 AND NOT (r.first = ?3 AND o.topic_offset <= ?4)"
        " AND r.first + o.topic_offset - r.start < ?2"
        " ORDER BY r.first, o.topic_offset LIMIT ?5"
    )
    found = []
    args = (head.origin, head.size, *after, limit)
    for seq, first, index, topic_id, offset, key, headers, value in db.execute(query, args):
        found.append(Sought(seq, first, index, topic_id, offset, key, unpack(headers), value))
        size -= len(value or b"")
        if size <= 0:
            break
    return found


def forget_spans(
    db: sqlite3.Connection, head: Head, inboxes: str, done: datetime, stale: datetime
) -> int:
    """Drop ranges below a head in which nothing of ours waits; return how many.

    Only those seen before `done`: what they name may be marked as produced a moment later. Of the
    topics that begin with `inboxes` only what this gateway has read; older than `stale`, anyway.
    """
    return db.execute(
        "DELETE FROM log_range AS r WHERE origin = ?1 AND seen_at < ?2"
        " AND first + stop - start <= ?3"
        " AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.topic = r.topic"
        "  AND o.topic_offset >= r.start AND o.topic_offset < r.stop AND o.included_at IS NULL)"
        " AND NOT EXISTS (SELECT 1 FROM arrived a WHERE a.topic = r.topic AND a.first < r.stop"
        "  AND a.first + length(a.hashes) / 32 > r.start)"
        " AND (substr(topic, 1, length(?4)) != ?4 OR seen_at < ?5"
        "  OR EXISTS (SELECT 1 FROM offsets p WHERE p.topic = r.topic AND p.next >= r.stop"
        "   AND replace(p.topic_id, '-', '') = lower(hex(r.topic_id))))",
        (head.origin, to_rfc3339(done), head.size, inboxes, to_rfc3339(stale)),
    ).rowcount


def alarm_due(db: sqlite3.Connection, topic: str, since: datetime, now: datetime) -> bool:
    """Say whether people are to be told of a topic (again), and note that they are."""
    row = db.execute("SELECT at FROM log_alarm WHERE topic = ?", (topic,)).fetchone()
    if row is not None and row[0] > to_rfc3339(since):
        return False
    db.execute("INSERT OR REPLACE INTO log_alarm VALUES (?, ?)", (topic, to_rfc3339(now)))
    return True


def alarm_over(db: sqlite3.Connection, topics: Sequence[str]) -> None:
    """Forget the alarms of all topics but these: what was missing is there."""
    marks = ", ".join("?" * len(topics))
    db.execute(f"DELETE FROM log_alarm WHERE topic NOT IN ({marks})", tuple(topics))  # noqa: S608 - marks
