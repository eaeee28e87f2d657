"""Races that a real broker shows once in a thousand times, made certain."""

from contextlib import nullcontext
from types import SimpleNamespace
from uuid import UUID

import pytest
from aiokafka import (  # noqa: TID251 - what is driven here
    AIOKafkaConsumer,
    TopicPartition,
)
from aiokafka import errors as kafka  # noqa: TID251 - as above

from meldeweg.kernel import logs
from meldeweg.kernel.bus import placed
from meldeweg.kernel.bus.backlog import Backlog
from meldeweg.kernel.bus.inquiry import Listed
from meldeweg.kernel.bus.placed import PlacedConsumer
from meldeweg.kernel.bus.positions import Position, ResetKind
from meldeweg.kernel.bus.subscription import Subscription
from meldeweg.kernel.errors import Unavailable

OLD, NEW = UUID(int=1), UUID(int=2)
A = TopicPartition("t.a", 0)
B = TopicPartition("t.b", 0)


class Broker:
    """What the consumer asks, and what aiokafka's `getmany` will do next."""

    def __init__(self):
        self.ids = {"t.a": OLD, "t.b": OLD}
        self.edges = {("t.a", 0): (0, 100), ("t.b", 0): (0, 100)}
        self.assigned = frozenset({A})
        self.next = {}  # the store's
        self.resets = []
        self.seeks = []
        self.paused = set()
        self.gets = []  # one callable for each coming `getmany`
        self.read = []  # told once all is settled that lay there
        self.stands = {}  # where aiokafka is, by topic
        self.waits = []  # how long each `getmany` was to wait, in milliseconds


@pytest.fixture
def broker(monkeypatch):
    logs.configure(service="test", strict=True)
    broker = Broker()

    async def listed(client, names):
        return {name: Listed(broker.ids[name], 1) for name in names if name in broker.ids}

    async def bounds(client, places):
        return {place: broker.edges[place] for place in places if place in broker.edges}

    async def getmany(self, *, timeout_ms, **_):
        broker.waits.append(timeout_ms)
        return broker.gets.pop(0)()

    monkeypatch.setattr(placed, "listed", listed)
    monkeypatch.setattr(placed, "bounds", bounds)
    monkeypatch.setattr(placed, "demand_alive", lambda consumer: None)
    monkeypatch.setattr(placed, "_TROUBLED", 0)
    monkeypatch.setattr(placed, "_LEADERLESS", 0)
    monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
    return broker


def state(broker, place):
    position = broker.stands.get(place.topic)
    return SimpleNamespace(has_valid_position=position is not None, position=position)


@pytest.fixture
def consumer(broker, monkeypatch):
    async def positions(places):
        return {place: broker.next.get(place) for place in places}

    async def on_reset(reset):
        broker.resets.append(reset)
        broker.next[reset.topic, reset.partition] = Position(reset.start, reset.topic_id)

    subscription = Subscription(
        name="test",
        group="g",
        prefixes=("t.",),
        handle=None,
        quarantine=None,
        positions=positions,
        on_reset=on_reset,
        on_read=lambda: broker.read.append(True),
    )
    monkeypatch.setattr(AIOKafkaConsumer, "__init__", lambda self, **_: None)
    monkeypatch.setattr(AIOKafkaConsumer, "__del__", lambda self: None)
    consumer = PlacedConsumer(
        subscription=subscription,
        tls=SimpleNamespace(handshakes=1),
        ids={},
        backlog=Backlog(subscription.on_read),
        alive=lambda: None,
    )
    consumer._client = None
    assignment = SimpleNamespace(state_value=lambda place: state(broker, place))
    consumer._subscription = SimpleNamespace(
        fetch_context=nullcontext, subscription=SimpleNamespace(assignment=assignment)
    )
    consumer._coordinator = SimpleNamespace(check_errors=lambda: None)
    consumer.assignment = lambda: broker.assigned
    consumer.subscription = frozenset

    def seek(place, offset):
        broker.seeks.append((place.topic, offset))
        broker.stands[place.topic] = offset

    consumer.seek = seek
    consumer.paused = lambda: broker.paused
    consumer.pause = lambda *places: broker.paused.update(places)
    consumer.resume = lambda *places: broker.paused.difference_update(places)
    return consumer


async def test_records_fetched_through_a_rebalance_are_not_handed_out(broker, consumer):
    """They are from where the group had committed, not from where the store is."""
    broker.next = {("t.a", 0): Position(40, OLD)}

    def rebalanced():
        consumer._reassigned()
        return {A: ["from the group's offset"]}

    broker.gets = [rebalanced, lambda: {A: ["from the store's"]}]
    assert await consumer.getmany() == {}
    assert await consumer.getmany() == {A: ["from the store's"]}
    assert broker.seeks == [("t.a", 40), ("t.a", 40)]


async def test_an_idle_consumer_looks_a_few_times_a_second_however_often_it_is_asked(
    broker, consumer
):
    broker.gets = [dict]
    assert await consumer.getmany(timeout_ms=1) == {}
    assert broker.waits[0] >= 200


async def test_records_over_a_new_connection_are_compared_with_the_topics_id(broker, consumer):
    broker.next = {("t.a", 0): Position(5, OLD)}

    def reconnected():
        consumer._tls.handshakes += 1
        broker.ids["t.a"] = NEW  # its broker had lost its disk, and was refilled
        return {A: ["five to eight of another topic"]}

    broker.gets = [reconnected, lambda: {A: ["from its start"]}]
    assert await consumer.getmany() == {}
    assert await consumer.getmany() == {A: ["from its start"]}
    (reset,) = broker.resets
    assert (reset.kind, reset.wanted, reset.topic_id) == (ResetKind.RECREATED, 5, NEW)
    assert broker.seeks == [("t.a", 5), ("t.a", 0)]


async def test_a_new_connection_to_the_same_topics_costs_one_question_and_nothing_else(
    broker, consumer
):
    broker.next = {("t.a", 0): Position(5, OLD)}

    def reconnected():
        consumer._tls.handshakes += 1
        return {A: ["1"]}

    broker.gets = [reconnected]
    assert await consumer.getmany() == {A: ["1"]}
    assert broker.resets == []


@pytest.mark.parametrize(
    "exc",
    [
        kafka.OffsetOutOfRangeError({A: 1}),
        kafka.TopicAuthorizationFailedError("t.a"),
        kafka.CorruptRecordException(),
        kafka.RecordTooLargeError(),
        kafka.UnsupportedCodecError(),
        kafka.NoOffsetForPartitionError(A),
        kafka.KafkaConnectionError(),
        KeyError((1, 0)),
        TimeoutError(),
    ],
)
async def test_after_any_error_every_position_is_the_stores_again(broker, consumer, exc):
    """aiokafka may have drained another partition before it raised, and forgotten it."""
    broker.assigned = frozenset({A, B})
    broker.next = {("t.a", 0): Position(5, OLD), ("t.b", 0): Position(7, OLD)}

    def raises():
        raise exc

    broker.gets = [raises, lambda: {A: ["1"]}]
    assert await consumer.getmany() == {}
    assert await consumer.getmany() == {A: ["1"]}
    assert sorted(broker.seeks) == [("t.a", 5), ("t.a", 5), ("t.b", 7), ("t.b", 7)]
    assert consumer.trouble is None


@pytest.mark.parametrize(
    ("exc", "broken"),
    [
        (kafka.GroupAuthorizationFailedError("g"), True),
        (kafka.KafkaError("a background task died"), True),
        (KeyError((1, 0)), True),
        (kafka.TopicAuthorizationFailedError("t.a"), False),
        (kafka.OffsetOutOfRangeError({A: 1}), False),
        (kafka.KafkaConnectionError(), False),
        (TimeoutError(), False),
    ],
)
async def test_what_aiokafka_never_recovers_from_asks_for_a_new_consumer(
    broker, consumer, exc, broken
):
    def raises():
        raise exc

    broker.gets = [raises]
    await consumer.getmany()
    assert consumer.broken.is_set() is broken
    assert consumer.trouble is not None


async def test_nothing_is_handed_out_before_the_store_has_answered(broker, consumer):
    async def unavailable(places):
        raise Unavailable("store-locked")

    object.__setattr__(consumer._of, "positions", unavailable)
    for _ in range(3):
        assert await consumer.getmany() == {}
    assert consumer.trouble == "store-locked"
    assert not consumer.broken.is_set()


@pytest.mark.parametrize("of", ["topic", "leader"])
async def test_what_nobody_answers_for_waits_alone(broker, consumer, of):
    there = broker.ids if of == "topic" else broker.edges
    name = "t.a" if of == "topic" else ("t.a", 0)
    kept = there.pop(name)
    broker.assigned = frozenset({A, B})
    broker.next = {("t.a", 0): Position(5, OLD), ("t.b", 0): Position(7, OLD)}
    broker.gets = [lambda: {B: ["1"]}, lambda: {B: ["2"]}, lambda: {A: ["3"], B: ["4"]}]
    assert await consumer.getmany() == {B: ["1"]}
    assert await consumer.getmany() == {B: ["2"]}
    assert (broker.paused, consumer.trouble) == ({A}, "partition-unavailable")
    there[name] = kept
    broker.seeks.clear()
    assert await consumer.getmany() == {A: ["3"], B: ["4"]}
    assert broker.seeks == [("t.a", 5)]  # the other stands where it was
    assert (broker.paused, consumer.trouble) == (set(), None)


@pytest.mark.parametrize("left", [{B}, {A, B}])
async def test_a_rebalance_forgets_what_waited_and_nothing_else_stops(broker, consumer, left):
    broker.edges.pop(("t.a", 0))
    broker.assigned = frozenset({A, B})
    broker.next = {("t.b", 0): Position(7, OLD)}

    def rebalanced():
        broker.paused.clear()
        broker.assigned = frozenset(left)
        consumer._reassigned()
        return {}

    broker.gets = [rebalanced, lambda: {B: ["1"]}, lambda: {B: ["2"]}]
    assert await consumer.getmany() == {}
    assert await consumer.getmany() == {B: ["1"]}
    assert await consumer.getmany() == {B: ["2"]}
    assert broker.paused == left - {B}
    assert (consumer.trouble is None) == (A not in left)


async def test_what_came_late_does_not_pass_for_a_comparison_of_the_others(broker, consumer):
    edge = broker.edges.pop(("t.a", 0))
    broker.assigned = frozenset({A, B})
    broker.next = {("t.b", 0): Position(7, OLD)}

    def reconnected():
        consumer._tls.handshakes += 1
        broker.ids["t.b"], broker.edges["t.a", 0] = NEW, edge
        return {}

    broker.gets = [reconnected, lambda: {B: ["of another topic"]}, lambda: {B: ["1"]}]
    assert await consumer.getmany() == {}
    assert await consumer.getmany() == {}
    assert await consumer.getmany() == {B: ["1"]}
    assert [reset.topic_id for reset in broker.resets] == [NEW]


async def test_a_rebalance_while_the_store_answers_places_again(broker, consumer):
    ask = consumer._of.positions

    async def slow(places):
        object.__setattr__(consumer._of, "positions", ask)
        consumer._reassigned()
        return await ask(places)

    object.__setattr__(consumer._of, "positions", slow)
    assert await consumer.getmany() == {}
    assert broker.seeks == []
    broker.gets = [lambda: {A: ["1"]}]
    assert await consumer.getmany() == {A: ["1"]}


async def test_all_is_read_once_what_was_handed_out_to_the_end_is_settled(broker, consumer):
    broker.assigned = frozenset({A, B})
    broker.next = {("t.b", 0): Position(100, OLD)}

    def to_the_end():
        broker.stands["t.a"] = 100
        return {A: ["1"]}

    broker.gets = [to_the_end, dict]
    assert await consumer.getmany() == {A: ["1"]}
    assert not broker.read, "handed out, and perhaps not settled"
    await consumer.getmany()
    assert broker.read == [True]


async def test_nothing_is_read_to_its_end_while_something_has_no_reader(broker, consumer):
    broker.edges = {("t.a", 0): (0, 0), ("t.b", 0): (0, 5)}
    consumer.subscription = lambda: frozenset({"t.a", "t.b"})
    consumer.partitions_for_topic = lambda _: {0}
    broker.gets = [dict, dict, dict]
    await consumer.getmany()
    assert not broker.read
    broker.assigned = frozenset({A, B})
    consumer._reassigned()
    await consumer.getmany()
    assert not broker.read, "there are five that nobody has had"
    broker.stands["t.b"] = 5
    await consumer.getmany()
    assert broker.read == [True]


async def test_a_partition_that_nobody_answers_for_is_not_read(broker, consumer):
    broker.assigned = frozenset({A, B})
    broker.edges = {("t.a", 0): (0, 0)}
    broker.gets = [dict, dict]
    await consumer.getmany()
    await consumer.getmany()
    assert not broker.read
