"""(a) Bare aiokafka: the same broker, the same bytes as a message of ours has, and nothing else.

One thread, mutual TLS, acks=all and idempotent, batches of the producer's own making; then the same
records read again. CPU is that thread's: the client's work on both ends, as the gateways do it too.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable

from aiokafka import (  # noqa: TID251 - what ours is compared with
    AIOKafkaConsumer,
    AIOKafkaProducer,
    TopicPartition,
)

from bench.figures import Figures
from bench.orders import Orders
from bench.stand import Stand
from meldeweg.kernel import topics
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import Connection, client_options
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.topics import Topic

CPU = "bare aiokafka: CPU per record, both ends"
_AHEAD = 500  # records whose acknowledgement is awaited together


def sample(stand: Stand) -> Record:
    """Return the first message of ours that lies on the broker."""
    return _first(stand, topics.inbox(stand.recipient, stand.sender))


def receipt(stand: Stand) -> Record:
    """Return the first receipt of ours that lies on the broker."""
    return _first(stand, topics.inbox(stand.sender, stand.recipient))


def _first(stand: Stand, topic: str) -> Record:
    return asyncio.run(read_all(stand.connection(), (topic,)))[0]


def measure(stand: Stand, orders: Orders, figures: Figures) -> None:
    record = sample(stand)
    headers = [(name, value or b"") for name, value in record.headers]
    value = record.value or b""
    size = len(value) + sum(len(name) + len(text) for name, text in headers)
    produced, consumed = asyncio.run(
        _both(stand.connection(), orders.plain, record.key, value, headers)
    )
    note = f"{orders.plain:,} records of {size:,} bytes"
    figures.add("a", "bare aiokafka: produced", orders.plain / produced[0], "/s", note=note)
    figures.add("a", "bare aiokafka: consumed", orders.plain / consumed[0], "/s")
    figures.add("a", CPU, (produced[1] + consumed[1]) / orders.plain * 1e6, "µs")


async def _both(connection, count, key, value, headers):
    """Return (seconds, seconds of CPU) of producing and of consuming."""
    topic = await own_topic(connection)
    async with producer(connection) as out:
        await out.send_and_wait(topic, value, key=key, headers=headers)
        produced = await timed(lambda: _produce(out, topic, count, key, value, headers))
    async with consumer(connection, topic) as back:
        consumed = await timed(lambda: _consume(back, count))
    return produced, consumed


async def own_topic(connection: Connection) -> str:
    """Create a topic as those of messages are, that none of ours reads."""
    name = f"bench.{uuid.uuid4().hex[:8]}"
    admin = Admin(connection)
    try:
        config = topics.described("inbox.a.b").config
        await admin.create_topics([Topic(name, config)], replication=1)
    finally:
        await admin.close()
    return name


def producer(connection: Connection) -> AIOKafkaProducer:
    options = client_options(connection, connection.tls())
    return AIOKafkaProducer(
        **options, acks="all", enable_idempotence=True, max_batch_size=512 * 1024
    )


def consumer(connection: Connection, topic: str) -> "_Reading":
    return _Reading(connection, topic)


class _Reading:
    """A consumer without a group, at the start of its topic."""

    def __init__(self, connection: Connection, topic: str) -> None:
        options = client_options(connection, connection.tls())
        self._consumer = AIOKafkaConsumer(
            **options, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )  # fmt: skip
        self._topic = topic

    async def __aenter__(self) -> AIOKafkaConsumer:
        await self._consumer.start()
        self._consumer.assign([TopicPartition(self._topic, 0)])
        return self._consumer

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()


async def timed(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Return (seconds, this thread's seconds of CPU) of `work`."""
    started, spent = time.perf_counter(), time.thread_time()
    await work()
    return time.perf_counter() - started, time.thread_time() - spent


async def _produce(out, topic, count, key, value, headers):
    for start in range(0, count, _AHEAD):
        batch = min(_AHEAD, count - start)
        sent = [await out.send(topic, value, key=key, headers=headers) for _ in range(batch)]
        await asyncio.gather(*sent)


async def _consume(back, count):
    left = count
    while left > 0:
        for records in (await back.getmany(timeout_ms=1000, max_records=500)).values():
            left -= len(records)
