"""Consuming on a real broker: the store owns the offsets, and nothing is passed over."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import (  # noqa: TID251 - what only an administrator may do
    ConsumerGroupTopicPartitions,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient  # noqa: TID251 - as above

from integration.bus.stage import Store, drip, in_order, numbers, until, until_acked
from meldeweg.kernel.bus.positions import Position
from meldeweg.kernel.bus.records import Outgoing
from meldeweg.kernel.errors import Fatal, Refused, Unavailable


async def committed(stage, topic):
    admin = AdminClient(stage.connection(stage.broker.super_user).admin_options())
    group = f"gw-{stage.me}.inbound"
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
    future = admin.list_consumer_group_offsets([asked])[group]
    return (await asyncio.to_thread(future.result, 60)).topic_partitions[0].offset


async def test_records_are_handled_in_order_with_their_topics_id(stage):
    a, b = await stage.topics("a", "b")
    await stage.write(a, *numbers(2000))
    await stage.write(b, *numbers(2000))
    store = Store()
    consumer = stage.consumer(store)
    assert consumer.missing() is not None
    await consumer.start()
    await until(lambda: len(store.handled) == 4000)
    assert consumer.missing() is None
    for topic in (a, b):
        found = [record for record in store.handled if record.topic == topic]
        assert [record.value for record in found] == numbers(2000)
        assert [record.offset for record in found] == list(range(2000))
        assert {topic: found[0].topic_id} == await stage.admin.topic_ids([topic])
    assert store.batches < 100  # in batches, not one by one


async def test_who_is_patient_gets_several_at_once_and_does_not_wait_long(stage):
    (a,) = await stage.topics("a")
    store = Store()
    consumer = stage.consumer(store, patient=True)
    await consumer.start()
    await until(lambda: consumer.missing() is None)
    last = await drip(stage, a, 30)
    await until(lambda: len(store.handled) == 30)
    assert time.monotonic() - last < 1
    assert store.values() == numbers(30)
    assert store.batches < 15


async def test_the_group_shows_operators_how_far_it_is(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(10))
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: len(store.handled) == 10)
    await consumer.stop()
    assert await committed(stage, topic) == 10


async def test_a_store_restored_from_an_older_copy_reads_again_from_there(stage):
    """The group's offsets are ahead of it; they must not count, not even for a moment."""
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(100))
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: len(store.handled) == 100)
    await consumer.stop()
    older = Store()
    older.next = {(topic, 0): Position(40, store.next[topic, 0].topic_id)}

    async def slowly(places):
        await asyncio.sleep(1)  # long enough for aiokafka to fetch from where the group was
        return await older.positions(places)

    await stage.write(topic, *numbers(10, 100))
    await stage.consumer(older, positions=slowly).start()
    await until(lambda: len(older.handled) == 70)
    assert older.values() == numbers(70, 40)
    assert older.resets == []


async def test_a_rebalance_does_not_put_the_groups_offsets_in_place_of_the_stores(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(100))
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: len(store.handled) == 100)
    await consumer.stop()  # the group stands at 100
    older = Store()
    older.next = {(topic, 0): Position(40, store.next[topic, 0].topic_id)}
    older.unavailable = True
    consumer = stage.consumer(older, max_records=10)
    await consumer.start()
    await until(lambda: older.batches > 0)  # holds 40 to 49
    consumer._stream._consumer._coordinator.request_rejoin()
    await asyncio.sleep(2)  # aiokafka stands at 100 now
    older.unavailable = False
    await stage.write(topic, *numbers(10, 100))
    await until(lambda: len(older.handled) >= 70)
    assert in_order(older.values()) == numbers(70, 40)


async def test_a_batch_that_the_store_can_not_take_waits_in_place(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(10))
    store = Store()
    store.unavailable = True
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: store.batches >= 3)
    assert (consumer.missing(), store.batches < 20) == ("store-locked", True)  # no storm
    assert consumer.age() < 2  # waiting is not stalling
    store.unavailable = False
    await until(lambda: len(store.handled) == 10)
    assert (store.values(), store.quarantined) == (numbers(10), [])


async def test_what_is_not_settled_when_stopping_is_given_back_uncommitted(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(10))
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: len(store.handled) == 10)
    store.unavailable = True
    await stage.write(topic, *numbers(10, 10))
    await until(lambda: consumer.missing() == "store-locked")
    began = time.monotonic()
    await consumer.stop()
    assert time.monotonic() - began < 5
    assert await committed(stage, topic) == 10
    store.unavailable = False
    await stage.consumer(store).start()
    await until(lambda: len(store.handled) == 20)
    assert store.values() == numbers(20)


async def test_nothing_is_handled_after_what_was_given_back(stage):
    """The store gives way between the last attempt and the end."""
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(20))
    store = Store()

    async def handle(records):
        if records[0].value == b"000003" and not consumer._closing.is_set():
            consumer._closing.set()
            raise Unavailable("store-locked")
        await store.handle(records)

    consumer = stage.consumer(store, handle=handle, max_records=1)
    await consumer.start()
    await until(consumer._closing.is_set)
    await consumer.stop()
    assert store.values() == numbers(3)


async def test_the_batch_under_way_finishes_and_commits_when_stopping(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(10))
    store = Store()
    begun = asyncio.Event()

    async def handle(records):
        begun.set()
        await asyncio.sleep(1.5)
        await store.handle(records)

    consumer = stage.consumer(store, handle=handle)
    await consumer.start()
    await begun.wait()
    await consumer.stop()
    assert len(store.handled) > 0
    assert await committed(stage, topic) == len(store.handled)


async def test_a_fatal_ends_the_consumer_and_nothing_more_is_handled(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(3))
    store = Store()
    store.refuse[b"000001"] = Fatal("log-forked")
    consumer = stage.consumer(store, max_records=1)
    await consumer.start()
    with pytest.raises(Fatal, match="log-forked"):
        await asyncio.wait_for(consumer.failed(), 60)
    assert store.values() == numbers(1)
    assert store.quarantined == []


async def test_system_exit_in_a_handler_does_not_leave_a_silent_consumer(stage):
    """FastStream would stop the subscriber and say nothing."""
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(1))
    store = Store()
    store.refuse[b"000000"] = SystemExit(3)
    consumer = stage.consumer(store)
    await consumer.start()
    with pytest.raises(Fatal, match="handler-exited"):
        await asyncio.wait_for(consumer.failed(), 60)


async def test_a_hanging_handler_grows_old_and_a_restart_reads_its_records_again(stage):
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(5))
    store = Store()
    hang = [True]

    async def handle(records):
        if hang.pop() if hang else False:
            await asyncio.Event().wait()
        await store.handle(records)

    consumer = stage.consumer(store, handle=handle)
    await consumer.start()
    await until(lambda: consumer.age() > 2)
    await consumer.restart()
    await until(lambda: len(store.handled) == 5)
    assert consumer.age() < 2


async def test_the_same_member_killed_and_restarted_reads_on_at_once_and_sees_new_topics(stage):
    """Static membership: no wait for the dead one's session, and no stale assignment either."""
    (topic,) = await stage.topics("a")
    await stage.write(topic, *numbers(5))
    child = Path(__file__).with_name("member.py")
    files = stage.broker.pki.gateway(stage.me)
    argv = [sys.executable, child, stage.broker.bootstrap, stage.me]
    argv += [files.ca, files.cert, files.key]
    process = await asyncio.to_thread(
        subprocess.Popen,
        argv,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": "services"},
    )
    try:
        for _ in range(5):
            await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 30)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    (new,) = await stage.topics("new")
    await stage.write(topic, *numbers(1, 5))
    await stage.write(new, b"new")
    store = Store()
    store.next = {(topic, 0): 5}
    began = time.monotonic()
    await stage.consumer(store, member="gateway").start()
    await until(lambda: b"000005" in store.values())
    first = time.monotonic() - began
    await until(lambda: b"new" in store.values())
    second = time.monotonic() - began
    assert first < 6  # a session lasts 10 s
    assert second < 9


async def test_refused_records_of_one_batch_do_not_disturb_the_order_of_the_others(stage):
    (topic,) = await stage.topics("a")
    store = Store()
    bad = [b"%06d" % n for n in range(0, 300, 7)]
    store.refuse = {value: Refused("bad") for value in bad}
    await stage.write(topic, *numbers(300))
    await stage.consumer(store).start()
    await until(lambda: len(store.handled) + len(store.quarantined) == 300)
    assert store.values() == [value for value in numbers(300) if value not in bad]
    assert [record.value for record, _ in store.quarantined] == bad


async def test_a_consumer_loses_nothing_over_many_restarts(stage):
    (topic,) = await stage.topics("a")
    store = Store()
    values = numbers(3000)
    producer = stage.producer()

    async def write():
        for start in range(0, len(values), 50):
            part = values[start : start + 50]
            await until_acked(producer, [Outgoing(topic, None, value) for value in part])
            await asyncio.sleep(0.05)

    writing = asyncio.create_task(write())
    consumer = stage.consumer(store, member="gateway")
    await consumer.start()
    for _ in range(6):
        await asyncio.sleep(0.6)
        await consumer.restart()
    await writing
    await until(lambda: len(set(store.values())) == len(values))
    assert in_order(store.values()) == values
    assert store.resets == []
