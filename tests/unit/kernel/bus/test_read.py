"""The reader's races, made certain: what is drained and lost comes again, another topic is told."""

import asyncio
import contextlib
import time
from types import SimpleNamespace
from uuid import UUID

import pytest
from aiokafka import TopicPartition  # noqa: TID251 - what is driven here
from aiokafka import errors as kafka  # noqa: TID251 - as above

from meldeweg.kernel import logs
from meldeweg.kernel.bus import read
from meldeweg.kernel.bus.inquiry import Listed
from meldeweg.kernel.bus.positions import Position, Reset, ResetKind
from meldeweg.kernel.bus.read import Reader
from meldeweg.kernel.bus.replay import _drained
from meldeweg.kernel.errors import Unavailable

OLD, NEW = UUID(int=1), UUID(int=2)
A, B = ("t.a", 0), ("t.b", 0)


def record(offset):
    return SimpleNamespace(offset=offset, timestamp=0, key=None, value=b"", headers=())


class Client:
    """aiokafka's consumer: remembers where it was told to stand, does what it is told to."""

    def __init__(self):
        self.at = {}
        self.gets = []
        self.paused = set()
        self._client = SimpleNamespace(set_topics=self._set_topics)

    async def _set_topics(self, topics):
        return True

    def assign(self, places):
        self.at = dict.fromkeys(places)  # forgets every position
        self.paused = set()

    def seek(self, place, offset):
        self.at[place] = offset

    def pause(self, *places):
        self.paused |= set(places)

    def resume(self, *places):
        self.paused -= set(places)

    async def getmany(self, **_):
        if not self.gets:
            return {}
        return self.gets.pop(0)()


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def broker(monkeypatch, client):
    logs.configure(service="test", strict=True)
    broker = SimpleNamespace(ids={"t.a": OLD, "t.b": OLD}, edges={A: (0, 100), B: (0, 100)})

    async def listed(_):
        return {name: Listed(topic_id, 1) for name, topic_id in broker.ids.items()}

    async def bounds(_, places):
        return {place: broker.edges[place] for place in places if place in broker.edges}

    monkeypatch.setattr(read, "listed", listed)
    monkeypatch.setattr(read, "bounds", bounds)
    monkeypatch.setattr(read, "demand_alive", lambda client: None)
    return broker


@pytest.fixture
def reader(broker, client):
    async def positions(places):
        return {place: Position(5, OLD) for place in places}

    reader = Reader(None, positions=positions, prefixes=("t.",))
    reader._client, reader._tls = client, SimpleNamespace(handshakes=1)
    return reader


def standing(client):
    return {(place.topic, place.partition): offset for place, offset in client.at.items()}


@pytest.mark.parametrize(
    "exc",
    [
        kafka.OffsetOutOfRangeError({TopicPartition(*B): 7}),
        kafka.TopicAuthorizationFailedError("t.b"),
        kafka.KafkaConnectionError(),
        kafka.RequestTimedOutError(),
    ],
)
async def test_after_an_error_every_topic_stands_where_it_was_given_out_to(reader, client, exc):
    """aiokafka may have drained t.a, moved on there, and then raised because of t.b."""

    def raises():
        client.at[TopicPartition(*A)] = 50
        raise exc

    client.gets = [lambda: {TopicPartition(*A): [record(5), record(6)]}, raises]
    assert [each.offset for each in (await reader.poll())[A]] == [5, 6]
    try:
        assert await reader.poll() == {}
    except Unavailable:
        assert isinstance(exc, kafka.KafkaConnectionError | kafka.RequestTimedOutError)
    await reader.poll()
    assert standing(client) == {A: 7, B: 5}


async def test_a_cancellation_that_the_client_lost_ends_the_reading_all_the_same(reader, client):
    async def returns_all_the_same(**_):
        with contextlib.suppress(asyncio.CancelledError):  # wait_for of Python 3.11
            await asyncio.sleep(0.05)
        return {}

    async def reading():
        for _ in range(10):
            await reader.poll()

    client.getmany = returns_all_the_same
    task = asyncio.create_task(reading())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()


async def test_records_over_a_new_connection_are_compared_with_the_topics_id(
    reader, client, broker
):
    def reconnected():
        reader._tls.handshakes += 1
        broker.ids["t.a"] = NEW  # its broker had lost its disk, and was refilled
        client.at |= {TopicPartition(*A): 9, TopicPartition(*B): 9}
        return {TopicPartition(*A): [record(5)], TopicPartition(*B): [record(5)]}

    client.gets = [reconnected]
    await reader.poll()  # nothing of it is given out
    reset = (await reader.poll())[A] if not reader._resets else reader._resets[A]
    assert isinstance(reset, Reset)
    assert (reset.kind, reset.wanted, reset.topic_id) == (ResetKind.RECREATED, 5, NEW)
    assert standing(client) == {A: 0, B: 5}


async def test_a_topic_that_refuses_us_is_paused_and_tried_again_later(reader, client, monkeypatch):
    def raises():
        raise kafka.TopicAuthorizationFailedError("t.b")

    client.gets = [raises]
    await reader.poll()
    assert client.paused == {TopicPartition(*B)}
    assert reader.missing() == "topic-not-authorized"
    reader._barred[B] = time.monotonic() - 1
    reader._refreshed = 0.0
    await reader.poll()
    assert client.paused == set()
    assert reader.missing() is None


async def test_a_partition_without_a_leader_is_placed_once_it_has_one(reader, client, broker):
    edge = broker.edges.pop(B)
    await reader.poll()
    assert standing(client) == {A: 5}
    broker.edges[B] = edge
    reader._refreshed = 0.0
    await reader.poll()
    assert standing(client) == {A: 5, B: 5}


async def test_a_topic_is_not_read_whole_before_each_of_its_partitions_has_a_leader(
    reader, client, broker, monkeypatch
):
    """On a busy machine the first look knew no leader, and what was read was nothing at all."""
    monkeypatch.setattr(read, "_REFRESH", 0.0)
    edges, broker.edges = broker.edges, {}
    got = {TopicPartition(*each): [record(n) for n in range(5, 100)] for each in (A, B)}

    async def led():
        await asyncio.sleep(0.3)
        broker.edges = edges
        client.gets = [lambda: got]

    leading = asyncio.create_task(led())
    found = await asyncio.wait_for(_drained(reader), 5)
    await leading
    assert {place: len(records) for place, records in found.items()} == {A: 95, B: 95}


async def test_a_topic_that_is_gone_and_comes_back_is_placed_by_the_store(reader, client, broker):
    await reader.poll()
    del broker.ids["t.b"]
    reader._refreshed = 0.0
    await reader.poll()
    assert standing(client) == {A: 5}
    broker.ids["t.b"] = NEW
    reader._refreshed = 0.0
    found = await reader.poll()
    assert found[B].kind is ResetKind.RECREATED
