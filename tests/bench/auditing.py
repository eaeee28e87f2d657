"""(f) The audit: from a topic to a signed checkpoint, with its process on one core of its own.

Real records of ours, again and again, in a topic that only the audit reads, written while it is
frozen: a message, and a receipt, as each message has one or two. Counted from the moment it goes on
until a signed checkpoint has all of them. Broker and database have the other cores; the other
services stand still, as they would be on machines of their own. Beside it what most people would do
instead: one INSERT and one commit per event, in the same database.
"""

import asyncio
import os
import time
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import psycopg

from bench import plain
from bench.figures import Aim, Figures
from bench.orders import Orders
from bench.stand import Stand, eventually, spent
from meldeweg.kernel import topics
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.records import Ack, Outgoing, Record
from meldeweg.kernel.ids import AgencyId

_BATCH = 1000


def measure(stand: Stand, orders: Orders, figures: Figures) -> None:
    message, receipt = plain.sample(stand), plain.receipt(stand)
    aim = Aim(15_000, most=False)
    with psycopg.connect(stand.described.postgres.uri, autocommit=True) as db:
        rate, cpu = _caught_up(stand, db, message, orders.audited)
        note = _note(message, orders.audited, cpu)
        figures.add("f", "audit: topic to signed checkpoint", rate, "/s", aim, note)
        rate, cpu = _caught_up(stand, db, receipt, orders.audited)
        note = _note(receipt, orders.audited, cpu)
        figures.add("f", "audit: the same with receipts", rate, "/s", aim, note)
        inserted = _inserts(db, message, orders.inserts)
    figures.add("f", "audit: one INSERT per event", inserted, "/s", note="the same PostgreSQL")


def _note(record: Record, count: int, cpu: float) -> str:
    size = len(record.value or b"") + sum(len(n) + len(v or b"") for n, v in record.headers)
    return f"{count:,} records of {size:,} bytes; its CPU {cpu * 1e6:.0f} µs each"


def _caught_up(
    stand: Stand, db: psycopg.Connection, record: Record, count: int
) -> tuple[float, float]:
    """Return entries/s, and its seconds of CPU per entry, of catching up with so many records."""
    pid = stand.pids["audit"]
    topic = asyncio.run(_prepared(stand, record))
    eventually(lambda: _read(db, topic) == 1, "the audit knows the topic")
    eventually(lambda: _unsigned(db) == 0, "everything is signed")
    want = _signed(db) + count
    with ExitStack() as undone:
        with stand.frozen("audit"):
            asyncio.run(_write(stand, topic, record, count))
            _share_out(stand, undone)
            cpu, started = spent(pid), time.monotonic()
        eventually(lambda: _signed(db) >= want, "all are signed", every=0.02)
        took = time.monotonic() - started
        return count / took, (spent(pid) - cpu) / count


def _share_out(stand: Stand, undone: ExitStack) -> None:
    """Give the audit a core, broker and database the others, and let the rest stand still."""
    everywhere = os.sched_getaffinity(stand.pids["audit"])
    ours = {min(everywhere)}
    for name, pid in stand.pids.items():
        if name == "audit":
            cores = ours
        elif name.startswith(("broker", "postgres")):
            cores = everywhere - ours or everywhere
        else:
            undone.enter_context(stand.frozen(name))
            continue
        for each in [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]:
            _pin(each, cores)
            undone.callback(_pin, each, everywhere)


async def _prepared(stand: Stand, record: Record) -> str:
    """Create a topic that the audit reads and nobody else, with one record in it."""
    name = uuid.uuid4().hex[:8]
    topic = topics.inbox(AgencyId(f"messstand-{name}"), stand.sender)
    admin = Admin(stand.connection())
    try:
        await admin.create_topics([topics.described(topic)], replication=1)
    finally:
        await admin.close()
    await _write(stand, topic, record, 1)
    return topic


async def _write(stand: Stand, topic: str, record: Record, count: int) -> None:
    producer = Producer(stand.connection())
    one = Outgoing(topic, record.key, record.value, record.headers)
    try:
        for start in range(0, count, _BATCH):
            sent = await producer.send([one] * min(_BATCH, count - start))
            assert all(isinstance(each, Ack) for each in sent), "the broker did not take them"
    finally:
        await producer.stop()


def _pin(pid: int, cores: set[int]) -> None:
    """Let every thread of a process run on these cores alone."""
    with suppress(ProcessLookupError, FileNotFoundError):  # it, or a thread of it, has ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


def _one(db: psycopg.Connection, query: str, *args: object) -> int:
    row = db.execute(query, args).fetchone()
    return int(row[0]) if row else 0


def _read(db: psycopg.Connection, topic: str) -> int:
    return _one(db, "SELECT coalesce(max(next), 0) FROM audit.stream WHERE topic = %s", topic)


def _signed(db: psycopg.Connection) -> int:
    return _one(db, "SELECT coalesce(max(size), 0) FROM audit.checkpoint")


def _unsigned(db: psycopg.Connection) -> int:
    return _one(db, "SELECT coalesce(max(size), 0) FROM audit.log") - _signed(db)


def _inserts(db: psycopg.Connection, record: Record, count: int) -> float:
    """Return events/s with a commit each, of what an entry of ours keeps beside its bytes."""
    headers = b"".join(name.encode() + (value or b"") for name, value in record.headers)
    db.execute("CREATE SCHEMA bench")
    db.execute(
        "CREATE TABLE bench.event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        ' at timestamptz NOT NULL, topic text NOT NULL, "offset" bigint NOT NULL,'
        ' record bytea NOT NULL, UNIQUE (topic, "offset"))'
    )
    try:
        started = time.monotonic()
        for n in range(count):
            db.execute(
                'INSERT INTO bench.event (at, topic, "offset", record) VALUES (now(), %s, %s, %s)',
                (record.topic, n, headers),
            )
        return count / (time.monotonic() - started)
    finally:
        db.execute("DROP SCHEMA bench CASCADE")
