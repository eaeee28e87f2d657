"""Consuming while the broker changes: leaders, rights, topics and records come and go."""

import asyncio
import time
from uuid import UUID

from confluent_kafka import (  # noqa: TID251 - what only an administrator may do
    TopicPartition,
)
from confluent_kafka.admin import AdminClient  # noqa: TID251 - as above

from integration.bus.stage import Store, in_order, numbers, until
from meldeweg.kernel.bus import placed
from meldeweg.kernel.bus.positions import Position, Reset, ResetKind


async def test_a_new_partners_topic_is_noticed_in_about_a_second(stage):
    await stage.topics("a")
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: consumer.missing() is None)
    await asyncio.sleep(2)
    (topic,) = await stage.topics("b")
    began = time.monotonic()
    await stage.write(topic, b"first")
    await until(lambda: store.handled)
    assert time.monotonic() - began < 5


async def test_a_partition_without_a_leader_waits_alone(stage, monkeypatch):
    """The one answer about leaders is withheld; everything else is the real broker's."""
    silent, lively = await stage.topics("a", "b")
    real, withheld = placed.bounds, {(silent, 0)}

    async def bounds(client, places):
        return await real(client, [each for each in places if each not in withheld])

    monkeypatch.setattr(placed, "bounds", bounds)
    await stage.write(silent, b"a1", b"a2")
    await stage.write(lively, b"b1")
    store = Store()
    store.next[silent, 0] = Position(1, (await stage.admin.topic_ids([silent]))[silent])
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: [each.value for each in store.handled] == [b"b1"])
    await stage.write(lively, b"b2")
    await until(lambda: [each.value for each in store.handled] == [b"b1", b"b2"])
    assert consumer.missing() == "partition-unavailable"
    withheld.clear()
    await until(lambda: [each.value for each in store.handled] == [b"b1", b"b2", b"a2"])
    await until(lambda: consumer.missing() is None)


async def test_rights_taken_away_and_given_back_go_on_without_loss(stage):
    """Without its group right aiokafka's coordinator fails for ever: the consumer is rebuilt."""
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(10))
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: len(store.handled) == 10)
    await stage.admin.delete_acls(stage.read_rights())
    await until(lambda: consumer.missing() is not None)
    await stage.write(topic, *numbers(10, 10))
    await asyncio.sleep(3)  # many polls, and a look at the metadata each second
    assert len(store.handled) <= 11  # at most one record that was under way
    await stage.admin.create_acls(stage.read_rights())
    await until(lambda: len(store.handled) >= 20)
    assert in_order(store.values()) == numbers(20)
    assert store.resets == []


async def test_only_the_group_right_taken_away_and_given_back(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(10))
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: len(store.handled) == 10)
    group = stage.read_rights()[1:]
    await stage.admin.delete_acls(group)
    await until(lambda: consumer.missing() == "group-not-authorized")
    await stage.write(topic, *numbers(10, 10))
    await stage.admin.create_acls(group)
    await until(lambda: len(store.handled) >= 20)
    await until(lambda: consumer.missing() is None)
    assert in_order(store.values()) == numbers(20)


async def test_stopping_ends_in_bounded_time_also_with_the_broker_frozen(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(10))
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: len(store.handled) == 10)
    stage.freeze()
    try:
        began = time.monotonic()
        await consumer.stop()
        assert time.monotonic() - began < 19
    finally:
        stage.thaw()
    assert [task for task in asyncio.all_tasks() if "aiokafka" in str(task.get_coro())] == []


async def test_a_consumer_starts_without_a_broker_and_reads_once_it_is_there(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(10))
    await asyncio.to_thread(stage.broker.stop)
    store = Store()
    consumer = stage.consumer(store)
    try:
        await consumer.start()
        await until(lambda: consumer.missing() == "broker-unreachable")
        assert consumer.age() < 6  # trying is a sign of life
    finally:
        await asyncio.to_thread(stage.broker.start)
    await until(lambda: len(store.handled) == 10)


async def test_records_deleted_before_they_were_read_are_reported(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(50))
    store = Store()
    (topic_id,) = (await stage.admin.topic_ids([topic])).values()
    store.next[topic, 0] = Position(10, topic_id)
    admin = AdminClient(stage.connection(stage.broker.super_user).admin_options())
    for future in admin.delete_records([TopicPartition(topic, 0, 30)]).values():
        await asyncio.to_thread(future.result, 60)
    await stage.consumer(store).start()
    await until(lambda: len(store.handled) == 20)
    assert store.values() == numbers(20, 30)
    assert store.resets == [Reset(topic, 0, ResetKind.EXPIRED, 10, 30, 50, topic_id)]


async def test_records_deleted_under_a_live_consumer_are_reported(stage):
    """aiokafka would jump over them on its own (`auto_offset_reset`)."""
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(10))
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: len(store.handled) == 10)
    store.unavailable = True
    await stage.write(topic, *numbers(600, 10))  # more than the batch that it holds
    await until(lambda: consumer.missing() == "store-locked")
    await stage.write(topic, *[b"x" * 1_000_000] * 8)  # more than it fetched ahead
    admin = AdminClient(stage.connection(stage.broker.super_user).admin_options())
    for future in admin.delete_records([TopicPartition(topic, 0, 617)]).values():
        await asyncio.to_thread(future.result, 60)
    store.unavailable = False
    await until(lambda: store.handled[-1].offset == 617)
    offsets = [record.offset for record in store.handled]
    (reset,) = store.resets
    assert (reset.kind, reset.start, reset.end) == (ResetKind.EXPIRED, 617, 618)
    assert offsets == [*range(reset.wanted), 617]


async def test_a_log_that_got_shorter_is_reported(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(5))
    store = Store()
    (topic_id,) = (await stage.admin.topic_ids([topic])).values()
    store.next[topic, 0] = Position(9, topic_id)
    await stage.consumer(store).start()
    await until(lambda: len(store.handled) == 5)
    assert store.resets == [Reset(topic, 0, ResetKind.SHORTER, 9, 0, 5, topic_id)]


async def test_a_topic_made_anew_while_we_were_down_is_read_from_its_start(stage):
    """It has more records than we had read of the old one: only its id tells."""
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(9))
    store = Store()
    store.next[topic, 0] = Position(5, UUID(int=7))
    await stage.consumer(store).start()
    await until(lambda: len(store.handled) == 9)
    assert [reset.kind for reset in store.resets] == [ResetKind.RECREATED]
    assert store.values() == numbers(9)


async def test_a_reset_that_is_not_durable_is_told_again(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(9))
    store = Store()
    store.next[topic, 0] = Position(5, UUID(int=7))
    failures = [OSError("disk"), TimeoutError()]

    async def on_reset(reset):
        if failures:
            raise failures.pop()
        await store.on_reset(reset)

    await stage.consumer(store, on_reset=on_reset).start()
    await until(lambda: len(store.handled) == 9)
    assert failures == []
    assert store.values() == numbers(9)
