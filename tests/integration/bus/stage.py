"""What the tests of the bus have in common: an agency of their own, its rights, its store."""

import asyncio
import os
import secrets
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiokafka import AIOKafkaProducer  # noqa: TID251 - writes what our own producer refuses to
from aiokafka.record.default_records import (  # noqa: TID251 - as above
    _DefaultRecordBatchBuilderPy,
)

from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import Connection, client_options
from meldeweg.kernel.bus.consume import Consumer
from meldeweg.kernel.bus.positions import Position, Reset
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.read import Reader
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.bus.rights import Acl, Operation, Pattern, Resource
from meldeweg.kernel.bus.subscription import Subscription
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.topics import Topic, described, inbox


class RawName(str):
    """A header name of any bytes, for a builder that asks it to encode itself."""

    __slots__ = ("raw",)

    def __new__(cls, raw):
        name = super().__new__(cls, raw.decode("utf-8", "replace"))
        name.raw = raw
        return name

    def encode(self, *_):
        return self.raw


class Stage:
    """A recipient `me` and senders, on a broker that others use too."""

    def __init__(self, broker):
        self.broker = broker
        self.me = AgencyId(f"jugendamt-{secrets.token_hex(4)}")
        self.admin = Admin(self.connection(broker.super_user))
        self._ends = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        for end in reversed(self._ends):
            await end()
        await self.admin.close()

    def connection(self, credential=None):
        credential = credential or self.broker.pki.gateway(self.me)
        return Connection(
            self.broker.bootstrap, credential.ca, credential.cert, credential.key, "test"
        )

    def inbox(self, sender):
        return inbox(self.me, AgencyId(sender))

    async def topics(self, *senders, partitions=1, **config):
        """Create this agency's inboxes from `senders`, and its right to read; returns names."""
        await self._give(self.read_rights())
        names = [self.inbox(sender) for sender in senders]
        await self.admin.create_topics(
            [Topic(name, described(name).config | config, partitions) for name in names],
            replication=1,
        )
        return names

    async def _give(self, rights, attempts=3):
        """Give rights, and again: as the registry does.

        A broker that was just thawed may have fenced itself. A client that asks it then is told of
        no controller, and waits its whole time for one; the next attempt is answered at once.
        """
        for _ in range(attempts - 1):
            try:
                return await self.admin.create_acls(rights)
            except Unavailable:
                await asyncio.sleep(0.1)
        return await self.admin.create_acls(rights)

    def read_rights(self):
        gateway = f"gw-{self.me}"
        return [
            Acl(Resource.TOPIC, Pattern.PREFIX, f"inbox.{self.me}.", gateway, Operation.READ),
            Acl(Resource.GROUP, Pattern.PREFIX, f"{gateway}.", gateway, Operation.READ),
        ]

    def write_right(self, name):
        return Acl(Resource.TOPIC, Pattern.LITERAL, name, f"gw-{self.me}", Operation.WRITE)

    def producer(self, credential=None):
        """A producer with every right, or with those of `credential`."""
        producer = Producer(self.connection(credential or self.broker.super_user))
        self._ends.append(producer.stop)
        return producer

    async def write(self, topic, *values, headers=()):
        producer = self.producer()
        sent = await until_acked(producer, [Outgoing(topic, None, v, headers) for v in values])
        await producer.stop()
        return sent

    async def write_raw(self, topic, *records, partition=0):
        """Write (key, value, headers), in one batch, whatever their header names are."""
        connection = self.connection(self.broker.super_user)
        async with AIOKafkaProducer(
            **client_options(connection, connection.tls()), max_request_size=8 << 20
        ) as producer:
            batch = producer.create_batch()
            batch._builder = _DefaultRecordBatchBuilderPy(2, 0, False, -1, -1, 0, 8 << 20)
            for key, value, headers in records:
                assert batch.append(timestamp=None, key=key, value=value, headers=list(headers))
            return (await (await producer.send_batch(batch, topic, partition=partition))).offset

    def consumer(self, store, credential=None, **changes):
        consumer = Consumer(self.connection(credential), store.subscription(self.me, **changes))
        self._ends.append(consumer.stop)
        return consumer

    @property
    def pid(self):
        return self.broker.children[0].pid

    def freeze(self):
        """SIGSTOP; returns once every thread stands, and cannot answer any more."""
        os.kill(self.pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{self.pid}/task")
        while any(
            (each / "stat").read_text().rpartition(") ")[2][0] != "T" for each in tasks.iterdir()
        ):
            time.sleep(0.01)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    async def frozen(self, seconds):
        self.freeze()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.thaw()

    async def kill_and_start(self):
        os.kill(self.pid, signal.SIGKILL)
        await asyncio.to_thread(self._start_again)

    async def lose_disk(self):
        """What the broker had is gone; it comes back empty, under the same address."""
        await asyncio.to_thread(self.broker.stop)
        shutil.rmtree(self.broker.data / "1")
        await asyncio.to_thread(self._start_again)

    def lose_disk_and_refill(self, topic, *values):
        """As above, and others fill the topic again before any client here can notice."""

        async def refill():
            await self.lose_disk()
            async with Stage(self.broker) as other:
                await other.admin.create_topics([described(topic)], replication=1)
                await other.write(topic, *values)

        # blocks this thread, and so every client of its loop
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, refill()).result()

    def _start_again(self):
        self.broker.stop()
        try:
            self.broker.start()
        except Unavailable:  # a busy machine: the other tests need it too
            self.broker.start()


class Store:
    """A gateway's store, in memory: effects and offsets in one step."""

    def __init__(self):
        self.handled = []
        self.quarantined = []
        self.resets = []
        self.next = {}
        self.unavailable = False
        self.refuse = {}  # value -> exception
        self.batches = 0

    def subscription(self, me, **changes):
        fields = {
            "name": "inbound",
            "group": f"gw-{me}.inbound",
            "prefixes": (f"inbox.{me}.",),
            "handle": self.handle,
            "quarantine": self.quarantine,
            "positions": self.positions,
            "on_reset": self.on_reset,
        }
        return Subscription(**(fields | changes))

    async def handle(self, records):
        self.batches += 1
        if self.unavailable:
            raise Unavailable("store-locked")
        for record in records:
            if record.value in self.refuse:
                raise self.refuse[record.value]
        for record in records:
            self._passed(record)
            self.handled.append(record)

    async def quarantine(self, record, code):
        self._passed(record)
        self.quarantined.append((record, code))

    async def positions(self, places):
        return {place: self.next.get(place) for place in places}

    async def on_reset(self, reset):
        self.resets.append(reset)
        self.next[reset.topic, reset.partition] = Position(reset.start, reset.topic_id)

    def values(self):
        return [record.value for record in self.handled]

    def _passed(self, record):
        self.next[record.place] = Position(record.offset + 1, record.topic_id)


class Audit:
    """Polls as the audit does, with a store of its own."""

    def __init__(self, stage, credential=None, **which):
        self.store = Store()
        self.troubles = []
        which = which or {"prefixes": (f"inbox.{stage.me}.",)}
        self.reader = Reader(
            stage.connection(credential or stage.broker.super_user),
            positions=self.store.positions,
            **which,
        )
        stage._ends.append(self.reader.stop)

    async def until(self, condition, seconds=60.0):
        deadline = time.monotonic() + seconds
        while not condition(self.store):
            assert time.monotonic() < deadline, "did not happen in time"
            try:
                found = await self.reader.poll()
            except Unavailable as exc:
                self.troubles.append(exc.code)
                await asyncio.sleep(0.2)
                continue
            for outcome in found.values():
                if isinstance(outcome, Reset):
                    await self.store.on_reset(outcome)
                else:
                    await self.store.handle(outcome)


async def until(condition, seconds=60.0):
    """Wait until `condition()`, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.02)


async def drip(stage, topic, count):
    """Write numbered records one by one, 50 ms apart; returns when the last was acknowledged."""
    producer = stage.producer()
    for n in range(count):
        await until_acked(producer, [Outgoing(topic, None, b"%06d" % n)])
        await asyncio.sleep(0.05)
    return time.monotonic()


async def until_acked(producer, batch, seconds=60.0):
    """Send as an outbox does: from the first record of each topic that is not acknowledged."""
    deadline = time.monotonic() + seconds
    left, acked = list(batch), []
    while left:
        assert time.monotonic() < deadline, "not acknowledged in time"
        sent = await producer.send(left)
        acked += [each for each in sent if isinstance(each, Ack)]
        left = [
            record for record, each in zip(left, sent, strict=True) if not isinstance(each, Ack)
        ]
        if left:
            await asyncio.sleep(0.1)
    return acked


def numbers(count, start=0):
    return [b"%06d" % n for n in range(start, start + count)]


def in_order(values):
    """First occurrences: what an idempotent store keeps of records that may come twice."""
    return list(dict.fromkeys(values))
