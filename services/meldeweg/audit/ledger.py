"""The one writer of the log's entries: streams, their next offsets, and the rows.

Guarantees: rows, offsets and the log's size change in one transaction, fenced by an epoch, so a
second writer stops the first and never interleaves with it. Offsets of a stream are dense; an
offset seen again with other bytes, or one that is missing, is an alarm and halts this stream
alone. PostgreSQL owns the offsets: what is in memory is only what was read from there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from meldeweg.audit import alarms, schema
from meldeweg.audit.alarms import Decision
from meldeweg.audit.database import Connection, Cursor, connect, translated
from meldeweg.audit.project import Entry
from meldeweg.kernel import failpoints, metrics
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Fatal, MeldewegError, Refused, Unavailable
from meldeweg.kernel.leaf import NO_STATEMENT, genesis

failpoints.declare("audit.append.uncommitted", "audit.append.committed")
_entries = metrics.counter("audit_entries", "Records put into the log")

_TYPES = ("int2", "int8", "int4", "int8", "int8", "bytea", "bytea", "bytea")


@dataclass(slots=True)
class Stream:
    """A topic's one partition. `next`: the offset that must come next; `halted`: why it stopped."""

    id: int
    topic: str
    topic_id: bytes
    next: int
    halted: str | None


@dataclass(frozen=True, slots=True)
class Log:
    """One calendar year's log. `size`: entries put in, signed or not yet."""

    year: int
    origin: str
    previous: bytes
    size: int


class Ledger:
    """Opened by one process at a time; opening it stops whoever had it open before."""

    def __init__(self, uri: str, clock: Clock) -> None:
        self._uri, self.clock = uri, clock
        self._connection: Connection | None = None
        self._epoch: int | None = None
        self.log: Log | None = None
        self.streams: dict[bytes, Stream] = {}

    def open(self) -> None:
        """Connect, migrate, take the epoch, read where the log stands. Again after `Unavailable`.

        The epoch is taken once: a process that was fenced stays fenced.
        """
        self.close()
        try:
            self._open()
        except MeldewegError:
            self.close()
            raise

    def _open(self) -> None:
        with translated():
            self._connection = connect(self._uri)
            schema.migrate(self._connection)
            if self._epoch is None:
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    cursor.execute("UPDATE state SET epoch = epoch + 1 RETURNING epoch")
                    self._epoch = _one(cursor)[0]
            with self.writing() as cursor:
                self._read(cursor)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def writing(self) -> Iterator[Cursor]:
        """A transaction that holds the fence; `Fatal("audit-fenced")` if it was taken over."""
        if self._connection is None or self._connection.closed:
            # Never reconnect silently: what is in memory may be older than a commit whose answer
            # was lost. `open` reads it anew.
            raise Unavailable("database-unavailable", "not open")
        with (
            translated(),
            self._connection.transaction(),
            self._connection.cursor(binary=True) as cursor,
        ):
            cursor.execute("SELECT epoch FROM state FOR UPDATE")
            if _one(cursor)[0] != self._epoch:
                raise Fatal("audit-fenced", "another process writes this log")
            yield cursor

    def stream(self, topic: str, topic_id: bytes) -> Stream:
        """Return the stream of a topic, new ones from offset 0.

        A name that comes back with another id is a recreated topic: an alarm, and a new stream.
        """
        known = self.streams.get(topic_id)
        if known is not None:
            return known
        with self.writing() as cursor:
            older = [s for s in self.streams.values() if s.topic == topic]
            if older:
                alarms.record(cursor, self.clock, "topic-recreated", topic, topic_id.hex())
                for stream in older:
                    _halt(cursor, stream.id, "topic-recreated")
            cursor.execute(
                "INSERT INTO stream (topic, topic_id) VALUES (%s, %s) RETURNING id",
                (topic, topic_id),
            )
            made = Stream(_one(cursor)[0], topic, topic_id, 0, None)
        for stream in older:
            stream.halted = "topic-recreated"
        self.streams[topic_id] = made
        return made

    def bus_position(self) -> tuple[int, bytes] | None:
        """Up to where `audit.checkpoints` is known here: offset and topic id; None: never read."""
        with self.writing() as cursor:
            cursor.execute("SELECT bus_next, bus_topic_id FROM state")
            offset, topic_id = _one(cursor)
            return (offset, topic_id) if topic_id is not None else None

    def set_bus_position(self, offset: int, topic_id: bytes) -> None:
        with self.writing() as cursor:
            cursor.execute("UPDATE state SET bus_next = %s, bus_topic_id = %s", (offset, topic_id))

    def manifests(self, year: int, number: int, limit: int) -> list[tuple[int, int, bytes]]:
        """Return (year, number, signed note) of the manifests behind this one, in order."""
        with self.writing() as cursor:
            cursor.execute(
                "SELECT year, number, note FROM manifest WHERE (year, number) > (%s, %s) "
                "ORDER BY year, number LIMIT %s",
                (year, number, limit),
            )
            return cursor.fetchall()

    def halt(self, stream: Stream, code: str, detail: str) -> None:
        """Stop one stream with an alarm; the others go on."""
        with self.writing() as cursor:
            alarms.record(cursor, self.clock, code, stream.topic, detail)
            _halt(cursor, stream.id, code)
        stream.halted = code

    def alarm(self, code: str, topic: str) -> None:
        """Record an alarm about a topic that stops nothing by itself."""
        with self.writing() as cursor:
            alarms.record(cursor, self.clock, code, topic, "")

    def resume(self, stream: Stream, at: int, by: str, reason: str) -> None:
        """Go on with a halted stream at offset `at`, as a named person decided.

        What lies between is not in the log, and every verification will say so. Refuses
        `stream-not-halted`, `offset-behind`.
        """
        code = stream.halted
        if code is None:
            raise Refused("stream-not-halted", stream.topic)
        if at < stream.next:
            raise Refused("offset-behind", f"{stream.next} is next")
        with self.writing() as cursor:
            cursor.execute(
                "UPDATE stream SET halted = NULL, next = %s WHERE id = %s", (at, stream.id)
            )
            alarms.resolve(cursor, self.clock, stream.topic, f"{by}: {reason}")
            decision = Decision("resume", stream.topic, code, by, reason, stream.next, at)
            alarms.decided(cursor, self.clock, decision)
        stream.halted, stream.next = None, at

    def went_on(self, stream: Stream, at: int, manifest: int) -> None:
        """Skip to where a manifest of this log says that the stream went on: somebody resumed it.

        Who and why were lost with the database that had it, so it is an alarm again.
        """
        detail = f"manifest {manifest} goes on at {at}, {stream.next} was next"
        with self.writing() as cursor:
            cursor.execute(
                "UPDATE stream SET halted = NULL, next = %s WHERE id = %s", (at, stream.id)
            )
            alarms.record(cursor, self.clock, "offset-gap", stream.topic, detail)
        stream.halted, stream.next = None, at

    def resolve(self, alarm: int, by: str, reason: str) -> tuple[str, str]:
        """Close one alarm, as a named person decided; return its code and subject.

        Refuses `alarm-unknown`, `alarm-resolved`, and `stream-halted`: what stands still needs
        `resume`, or it would stand still unnoticed.
        """
        with self.writing() as cursor:
            cursor.execute("SELECT code, subject, resolved_at FROM alarm WHERE id = %s", (alarm,))
            row = cursor.fetchone()
            if row is None:
                raise Refused("alarm-unknown", str(alarm))
            code, subject, resolved_at = row
            if resolved_at is not None:
                raise Refused("alarm-resolved", str(alarm))
            stream = self.newest(subject)
            if stream is not None and stream.halted is not None:
                raise Refused("stream-halted", subject)
            alarms.resolve_one(cursor, self.clock, alarm, f"{by}: {reason}")
            alarms.decided(cursor, self.clock, Decision("resolve", subject, code, by, reason))
        return code, subject

    def newest(self, topic: str) -> Stream | None:
        """Return the stream that a topic's name stands for now; None: never seen."""
        found = [stream for stream in list(self.streams.values()) if stream.topic == topic]
        return max(found, key=lambda stream: stream.id, default=None)

    def open_log(self, year: int, origin: str, previous: bytes = NO_STATEMENT) -> None:
        """Begin a year's log with its genesis leaf; the year before must be fully signed."""
        leaf = genesis(origin, year, previous).encode()
        at = int(self.clock.now().timestamp() * 1000)
        with self.writing() as cursor:
            schema.add_year(cursor, year)
            cursor.execute("INSERT INTO log VALUES (%s, %s, %s, 1)", (year, origin, previous))
            cursor.execute(
                "INSERT INTO entry (year, index, appended, leaf) VALUES (%s, 0, %s, %s)",
                (year, at, leaf),
            )
            cursor.execute("UPDATE state SET year = %s", (year,))
        self.log = Log(year, origin, previous, 1)

    def append(self, arrivals: Sequence[tuple[Stream, Sequence[Entry]]]) -> int:
        """Put entries into the log in the order given; return how many were new.

        From the commit on a crash loses nothing and repeats nothing.
        """
        assert self.log is not None
        log = self.log
        index, fresh, halted = log.size, [], []
        with self.writing() as cursor:
            for stream, entries in arrivals:
                if stream.halted:
                    continue
                accepted, code = admit(stream.next, entries)
                replayed = [e for e in entries if e.offset < stream.next]
                if replayed and self._differ(cursor, stream, replayed):
                    accepted, code = [], "offset-forked"
                if code:
                    alarms.record(cursor, self.clock, code, stream.topic, f"at {stream.next}")
                    _halt(cursor, stream.id, code)
                    halted.append((stream, code))
                if accepted:
                    fresh.append((stream, accepted))
            new = sum(len(entries) for _, entries in fresh)
            if new:
                _copy(cursor, log.year, index, fresh)
                _advance(cursor, log, new, fresh)
            failpoints.reach_sync("audit.append.uncommitted")
        failpoints.reach_sync("audit.append.committed")
        for stream, entries in fresh:
            stream.next += len(entries)
        for stream, code in halted:
            stream.halted = code
        self.log = Log(log.year, log.origin, log.previous, log.size + new)
        _entries.inc(new)
        return new

    def _differ(self, cursor: Cursor, stream: Stream, entries: Sequence[Entry]) -> bool:
        """Tell whether any offset was stored with another leaf."""
        cursor.execute(
            'SELECT "offset", leaf FROM entry WHERE stream = %s AND "offset" = ANY(%s)',
            (stream.id, [entry.offset for entry in entries]),
        )
        stored: dict[int, bytes] = dict(cursor.fetchall())
        # A year that retention dropped has no rows to compare with; its offsets stay taken.
        return any(stored.get(entry.offset, entry.leaf) != entry.leaf for entry in entries)

    def _read(self, cursor: Cursor) -> None:
        cursor.execute("SELECT id, topic, topic_id, next, halted FROM stream ORDER BY id")
        self.streams = {row[2]: Stream(*row) for row in cursor.fetchall()}
        cursor.execute(
            "SELECT l.year, origin, previous, size FROM log l JOIN state s ON s.year = l.year"
        )
        row = cursor.fetchone()
        self.log = Log(*row) if row else None


def admit(next_offset: int, entries: Sequence[Entry]) -> tuple[list[Entry], str | None]:
    """Return the dense run from `next_offset` on, and `offset-gap` if something is missing."""
    accepted: list[Entry] = []
    for entry in entries:
        if entry.offset < next_offset:
            continue
        if entry.offset > next_offset:
            return accepted, "offset-gap"
        accepted.append(entry)
        next_offset += 1
    return accepted, None


def _copy(
    cursor: Cursor, year: int, index: int, fresh: Sequence[tuple[Stream, Sequence[Entry]]]
) -> None:
    with cursor.copy(
        'COPY entry (year, index, stream, "offset", appended, canonical, sealed, leaf) '
        "FROM STDIN (FORMAT BINARY)"
    ) as copy:
        copy.set_types(_TYPES)
        for stream, entries in fresh:
            for offset, appended, canonical, sealed, leaf in entries:
                copy.write_row((year, index, stream.id, offset, appended, canonical, sealed, leaf))
                index += 1


def _advance(
    cursor: Cursor, log: Log, new: int, fresh: Sequence[tuple[Stream, Sequence[Entry]]]
) -> None:
    for stream, entries in fresh:
        cursor.execute(
            "UPDATE stream SET next = %s WHERE id = %s AND next = %s",
            (stream.next + len(entries), stream.id, stream.next),
        )
        if cursor.rowcount != 1:
            raise Fatal("offsets-moved", stream.topic)
    cursor.execute(
        "UPDATE log SET size = %s WHERE year = %s AND size = %s",
        (log.size + new, log.year, log.size),
    )
    if cursor.rowcount != 1:
        raise Fatal("offsets-moved", log.origin)


def _halt(cursor: Cursor, stream: int, code: str) -> None:
    cursor.execute("UPDATE stream SET halted = %s WHERE id = %s", (code, stream))


def _one(cursor: Cursor) -> tuple[Any, ...]:
    row = cursor.fetchone()
    if row is None:
        raise Fatal("database-refused", "a row is missing")
    return row
