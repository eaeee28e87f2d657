"""Poison between good records: quarantined once, with its code; the partition moves on (I6)."""

import asyncio

import pytest
from confluent_kafka import Producer as LibProducer  # noqa: TID251 - can compress

from integration.bus.poison import BYTES, GOOD, OTHERS, RAISES
from integration.bus.stage import Store, until, until_acked
from meldeweg.kernel.bus.records import Outgoing, header_name_bytes
from meldeweg.kernel.bus.rights import Acl, Operation, Pattern, Resource
from meldeweg.kernel.errors import Refused


class Strict(Store):
    """Refuses every record of BYTES, dies of those of RAISES."""

    def __init__(self):
        super().__init__()
        self.poison = {}  # offset -> name

    async def handle(self, records):
        for record in records:
            name = self.poison.get(record.offset)
            if name in BYTES:
                raise Refused(name)
            if name is not None:
                raise (RAISES | OTHERS)[name]
        await super().handle(records)


async def test_36_kinds_of_poison_are_quarantined_once_and_all_good_records_arrive(stage):
    (topic,) = await stage.topics("a")
    store = Strict()
    kinds = [*BYTES.items(), *((name, (None, name.encode(), GOOD)) for name in RAISES)]
    good = 0
    for name, record in kinds:
        # of its own, and in the middle of a batch
        before = [(None, b"good-%d" % n, GOOD) for n in range(good, good + 30)]
        good += 30
        base = await stage.write_raw(topic, *before, record, (None, b"good-%d" % good, GOOD))
        store.poison[base + 30] = name
        good += 1
    consumer = stage.consumer(store)
    await consumer.start()
    await until(lambda: len(store.handled) + len(store.quarantined) >= good + len(kinds), 60)
    assert store.values() == [b"good-%d" % n for n in range(good)]
    codes = {record.offset: code for record, code in store.quarantined}
    assert len(store.quarantined) == len(codes) == 36
    assert codes == {
        offset: name if name in BYTES else "handler-error" for offset, name in store.poison.items()
    }
    await asyncio.sleep(0.5)
    assert len(store.quarantined) == 36  # none comes again
    assert consumer.missing() is None


async def test_bytes_of_header_names_that_are_not_utf8_survive(stage):
    (topic,) = await stage.topics("a")
    names = ["odd-header-name", "odd-name-null-value", "cut-off-name", "surrogate-name"]
    await stage.write_raw(topic, *(BYTES[name] for name in names))
    store = Store()
    await stage.consumer(store).start()
    await until(lambda: len(store.handled) == len(names))
    found = [header_name_bytes(record.headers[0][0]) for record in store.handled]
    assert found == [b"\xff\xfe", b"\x80", "ä".encode()[:1], b"\xed\xa0\x80"]
    assert [record.headers[0][1] for record in store.handled] == [b"x", None, b"x", b"x"]


async def test_a_header_name_that_is_not_utf8_loses_nothing_of_another_partition(stage):
    """aiokafka raises in `getmany` and forgets what it had drained from the other partition."""
    (topic,) = await stage.topics("a", partitions=2)
    for n in range(20):
        await stage.write_raw(topic, (None, b"left-%d" % n, GOOD), partition=0)
        await stage.write_raw(topic, BYTES["odd-header-name"], partition=1)
    store = Store()
    await stage.consumer(store).start()
    await until(lambda: len(store.handled) == 40)
    assert [v for v in store.values() if v.startswith(b"left")] == [
        b"left-%d" % n for n in range(20)
    ]


async def test_a_reply_to_header_makes_us_publish_nothing(stage):
    """FastStream answers to the topic that the sender names unless told not to."""
    topic, named = await stage.topics("a", "named")
    await stage.admin.create_acls(
        [
            *stage.read_rights(),
            stage.write_right(named),
            Acl(Resource.TOPIC, Pattern.LITERAL, named, f"gw-{stage.me}", Operation.DESCRIBE),
        ]
    )
    await stage.write_raw(topic, (None, b"x", (("reply_to", named.encode()),)))
    store = Store()
    await stage.consumer(store).start()
    await until(lambda: len(store.handled) == 1)
    await asyncio.sleep(1)
    assert (await stage.admin.offsets([named]))[named, 0] == (0, 0)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_a_compressed_batch_does_not_block_a_consumer_without_the_codec(stage, codec):
    """The topic's `compression.type=uncompressed` makes the broker unpack it."""
    (topic,) = await stage.topics("a")
    connection = stage.connection(stage.broker.super_user)
    producer = LibProducer(connection.admin_options() | {"compression.type": codec})
    for n in range(100):
        producer.produce(topic, b"%d" % n * 100)
    await asyncio.to_thread(producer.flush, 10)
    store = Store()
    await stage.consumer(store).start()
    await until(lambda: len(store.handled) == 100)
    assert store.values() == [b"%d" % n * 100 for n in range(100)]


@pytest.mark.parametrize("name", OTHERS)
async def test_what_frameworks_use_as_signals_is_an_error_like_any_other(stage, name):
    (topic,) = await stage.topics("a")
    store = Strict()
    base = await stage.write_raw(topic, *((None, b"%d" % n, GOOD) for n in range(3)))
    store.poison[base + 1] = name
    await stage.consumer(store).start()
    await until(lambda: len(store.handled) == 2)
    assert [code for _, code in store.quarantined] == ["handler-error"]


async def test_a_quarantine_that_is_not_durable_is_never_passed_by(stage):
    (topic,) = await stage.topics("a")
    store = Store()
    store.refuse[b"1"] = Refused("bad")
    failures = [RuntimeError("disk"), OSError("disk"), TimeoutError()]

    async def quarantine(record, code):
        if failures:
            raise failures.pop()
        await store.quarantine(record, code)

    await until_acked(stage.producer(), [Outgoing(topic, None, b"%d" % n) for n in range(3)])
    consumer = stage.consumer(store, quarantine=quarantine)
    await consumer.start()
    await until(lambda: len(store.handled) == 2)
    assert [record.value for record, _ in store.quarantined] == [b"1"]
    assert failures == []
