"""The broker killed, frozen, emptied: a producer, a consumer and a reader at once."""

import asyncio
import contextlib

import pytest

from integration.bus.stage import Audit, Stage, Store, in_order, until, until_acked
from meldeweg.kernel.bus.positions import ResetKind
from meldeweg.kernel.bus.records import Outgoing
from meldeweg.kernel.topics import Topic, described


def numbered(topic, count):
    return [Outgoing(topic, None, b"%06d" % n + b"." * 300) for n in range(count)]


def values(batch):
    return [record.value for record in batch]


async def send(producer, batch):
    for start in range(0, len(batch), 500):
        await until_acked(producer, batch[start : start + 500])


async def frozen(stage):
    await stage.frozen(15)


async def killed(stage):
    await stage.kill_and_start()


@pytest.mark.parametrize("fault", [killed, frozen])
async def test_nothing_is_lost_or_reordered_by_a_broker_that_is(stage, fault):
    (topic,) = await stage.topics("a")
    batch = numbered(topic, 20_000)
    producer, store, audit = stage.producer(), Store(), Audit(stage)
    consumer = stage.consumer(store)
    await consumer.start()
    await producer.send(batch[:1])
    await until(lambda: store.handled)
    await audit.until(lambda kept: kept.handled)

    sending = asyncio.create_task(send(producer, batch))
    reading = asyncio.create_task(
        audit.until(lambda kept: batch[-1].value in {r.value for r in kept.handled[-1:]}, 90)
    )
    await asyncio.sleep(0.3)
    assert not sending.done()
    await fault(stage)
    await sending
    await reading
    await until(lambda: store.handled[-1].value == batch[-1].value)
    assert in_order(store.values()) == values(batch)
    assert in_order(audit.store.values()) == values(batch)
    # read once each: what the broker has twice was written twice, after a lost acknowledgement
    assert [record.offset for record in audit.store.handled] == list(
        range(len(audit.store.handled))
    )
    assert store.resets == audit.store.resets == []
    await until(lambda: consumer.missing() is None)
    assert (producer.missing(), audit.reader.missing()) == (None, None)
    if fault is frozen:
        assert "broker-timeout" in audit.troubles  # it was said


async def test_a_broker_that_lost_its_disk_and_was_refilled_is_read_from_its_start(wiped: Stage):
    """Between two polls the topic is made anew, with more records than had been read of it."""
    (topic,) = await wiped.topics("a")
    producer = wiped.producer()
    await until_acked(producer, numbered(topic, 5))
    with_ids, without_ids, audit = Store(), Store(), Audit(wiped)

    async def only_offsets(places):
        found = await without_ids.positions(places)
        return {place: each and each.offset for place, each in found.items()}

    wide = wiped.broker.super_user  # no rights to wait for after the loss
    await wiped.consumer(with_ids, wide).start()
    await wiped.consumer(without_ids, wide, group="other", positions=only_offsets).start()
    await until(lambda: len(with_ids.handled) == len(without_ids.handled) == 5)
    await audit.until(lambda kept: len(kept.handled) == 5)

    new = [b"new-%d" % n for n in range(9)]
    wiped.lose_disk_and_refill(topic, *new)

    await audit.until(lambda kept: len(kept.handled) == 14, 60)
    for store in (with_ids, without_ids, audit.store):
        await until(lambda store=store: len(store.handled) == 14)
        assert store.values() == values(numbered(topic, 5)) + new
        assert [reset.kind for reset in store.resets] == [ResetKind.RECREATED]
    await until_acked(producer, numbered(topic, 1))  # the producer from before goes on
    await until(lambda: len(with_ids.handled) == 15)


async def test_a_producer_waits_for_its_topic_to_be_made_anew(wiped: Stage):
    (topic,) = await wiped.topics("a")
    producer = wiped.producer()
    await until_acked(producer, numbered(topic, 3))
    await wiped.lose_disk()
    waiting = asyncio.create_task(until_acked(producer, numbered(topic, 3)))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 3)
    assert not waiting.done()
    await wiped.admin.create_topics([Topic(topic, described(topic).config)], replication=1)
    assert [ack.offset for ack in await waiting] == [0, 1, 2]
