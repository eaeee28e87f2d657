"""What ends, waits or is refused inside the client without a word is noticed, and things go on.

aiokafka itself says nothing: it returns no records, for ever, or never gets to know a topic.
"""

import asyncio
import time

import pytest

from integration.bus.stage import Audit, Store, until, until_acked
from meldeweg.kernel.bus.records import Outgoing

SOON = 20.0  # seconds on a busy machine; what is tested here would else never happen


async def no_fetching(consumer):
    """End the task that asks for records, as an error of its own would."""
    consumer._fetcher._get_actions_per_node = broken
    await until(consumer._fetcher._fetch_task.done)


async def no_metadata(consumer):
    await blind(consumer._client)


async def blind(client):
    """End the task that looks for leaders and new topics."""
    client._metadata_update = broken  # a KeyError is what it raises after a freeze
    client.force_metadata_update()
    await until(client._sync_task.done)


def broken(*_):
    raise KeyError((1, 0))


def lines(client):
    return [each._writer.transport for each in client._conns.values()]


@pytest.mark.parametrize("death", [no_fetching, no_metadata])
async def test_a_consumer_of_which_a_task_died_is_built_anew(stage, death):
    (a,) = await stage.topics("a")
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await stage.write(a, b"1")
    await until(lambda: store.handled)
    old = consumer._stream._consumer
    had = lines(old._client)
    await death(old)
    (b,) = await stage.topics("b")
    await stage.write(a, b"2")
    await stage.write(b, b"3")
    await until(lambda: len(store.handled) == 3, SOON)
    assert sorted(store.values()) == [b"1", b"2", b"3"]
    assert all(line.is_closing() for line in had), "nothing lives on of the one before"


@pytest.mark.parametrize("death", [no_fetching, no_metadata])
async def test_a_reader_of_which_a_task_died_is_built_anew(stage, death):
    (a,) = await stage.topics("a")
    audit = Audit(stage)
    await stage.write(a, b"1")
    await audit.until(lambda kept: kept.handled)
    audit.troubles.clear()  # a topic just made may have had no leader yet
    old = audit.reader._client
    had = lines(old._client)
    await death(old)
    (b,) = await stage.topics("b")
    await stage.write(a, b"2")
    await stage.write(b, b"3")
    await audit.until(lambda kept: len(kept.handled) == 3, SOON)
    assert sorted(audit.store.values()) == [b"1", b"2", b"3"]
    assert audit.troubles[0] == "broker-unreachable"  # it was said, and not after a time-out
    assert all(line.is_closing() for line in had), "nothing lives on of the one before"


async def test_a_producer_that_learns_of_no_topic_any_more_is_built_anew(stage):
    (a,) = await stage.topics("a")
    producer = stage.producer()
    await until_acked(producer, [Outgoing(a, None, b"1")])
    old = producer._client.client
    had = lines(old)
    await blind(old)
    (b,) = await stage.topics("b")
    await until_acked(producer, [Outgoing(b, None, b"2")], SOON)
    assert all(line.is_closing() for line in had), "nothing lives on of the one before"


async def test_who_reads_nothing_yet_and_loses_the_groups_right_says_so_and_comes_back(stage):
    """With nothing assigned nothing is fetched, and only a fetch would ask what went wrong."""
    await stage.topics()
    store = Store()
    consumer = stage.consumer(store, member="gateway")
    await consumer.start()
    await until(lambda: consumer.missing() is None)
    await stage.admin.delete_acls(stage.read_rights())
    await asyncio.sleep(0.1)  # until the broker's authorizer knows
    consumer._stream._consumer._coordinator.request_rejoin()  # else at the next heartbeat
    await until(lambda: consumer.missing() == "group-not-authorized", SOON)
    (topic,) = await stage.topics("a")
    await stage.write(topic, b"1")
    await until(lambda: store.handled)


async def test_who_reads_nothing_yet_for_long_still_reads_the_first_topic_that_comes(stage):
    """A gateway may wait for its first agreement for days; aiokafka gives up after five minutes."""
    await stage.topics()
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: consumer.missing() is None)
    consumer._stream._consumer._coordinator._max_poll_interval = 0.3
    await asyncio.sleep(0.5)
    (topic,) = await stage.topics("a")
    await stage.write(topic, b"1")
    await until(lambda: store.handled, SOON)


async def test_who_read_nothing_before_a_restart_reads_what_came_meanwhile(stage):
    """The broker hands back to the same member what it had, and that was nothing."""
    await stage.topics()
    store = Store()
    before = stage.consumer(store, member="gateway")
    await before.start()
    await until(lambda: before.missing() is None)
    await before.stop()
    (topic,) = await stage.topics("a")
    await stage.write(topic, b"1")
    await stage.consumer(store, member="gateway").start()
    await until(lambda: store.handled, SOON)


async def test_an_idle_consumer_gives_a_sign_of_life_at_each_poll(stage):
    """Else the watchdog would restart whoever has nothing to do."""
    (topic,) = await stage.topics("a")
    store = Store()
    consumer = stage.consumer(store)
    await consumer.start()
    await stage.write(topic, b"1")
    await until(lambda: store.handled)
    for _ in range(2):
        now = time.monotonic()
        await until(lambda now=now: time.monotonic() - consumer.age() > now, SOON)
