"""The producer on a real broker: what it promises, and the traps it closes."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from integration.bus.stage import until_acked
from meldeweg.kernel.bus import produce
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.topics import RECORD_MAX, contacts, described
from meldeweg.local.pki import DemoPki

HEADERS = (("statement", b"\x00\xff"), ("empty", b""), ("null", None), ("statement", b"again"))


def numbered(topic, count, size=0):
    return [Outgoing(topic, None, b"%06d" % n + b"." * size) for n in range(count)]


async def values(stage, *topics):
    records = await read_all(stage.connection(stage.broker.super_user), topics)
    return [record.value for record in records]


def first_occurrences(found):
    return list(dict.fromkeys(found))


async def test_every_record_is_acknowledged_in_order_with_its_offset(stage):
    a, b = await stage.topics("a", "b")
    batch = [
        record for pair in zip(numbered(a, 3000), numbered(b, 3000), strict=True) for record in pair
    ]
    sent = await stage.producer().send(batch)
    assert [(each.topic, each.offset) for each in sent] == [
        (record.topic, n // 2) for n, record in enumerate(batch)
    ]
    assert await values(stage, a) == [record.value for record in numbered(a, 3000)]


async def test_key_value_and_headers_arrive_byte_for_byte(stage):
    (topic,) = await stage.topics("a")
    before = SystemClock().now()
    await until_acked(stage.producer(), [Outgoing(topic, b"k\xff", b"v\xff", HEADERS)])
    (record,) = await read_all(stage.connection(stage.broker.super_user), (topic,))
    assert (record.key, record.value, record.headers) == (b"k\xff", b"v\xff", HEADERS)
    second = timedelta(seconds=1)
    said = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    assert before - second <= said <= SystemClock().now() + second
    assert {record.topic: record.topic_id} == await stage.admin.topic_ids([topic])


async def test_a_record_that_is_too_large_is_refused_alone_and_the_largest_one_arrives(stage):
    (topic,) = await stage.topics("a")
    largest = b"x" * (RECORD_MAX - 64)
    sent = await stage.producer().send(
        [Outgoing(topic, None, value) for value in (b"1", largest + b"x", largest, b"2")]
    )
    assert [getattr(each, "code", None) for each in sent] == [None, "record-too-large", None, None]
    assert isinstance(sent[1], Refused)
    assert await values(stage, topic) == [b"1", largest, b"2"]


async def test_a_header_name_that_is_not_utf8_is_refused_alone(stage):
    (topic,) = await stage.topics("a")
    odd = Outgoing(topic, None, b"odd", (("\udcff", b""),))
    sent = await stage.producer().send([odd, *numbered(topic, 2)])
    assert [getattr(each, "code", None) for each in sent] == ["record-malformed", None, None]


async def test_an_unknown_topic_is_unavailable_at_once_and_stops_no_other(stage):
    (topic,) = await stage.topics("a")
    producer = stage.producer()
    await producer.start()
    began = time.monotonic()
    lost, found = await producer.send(
        [Outgoing(stage.inbox("nobody"), None, b"1"), Outgoing(topic, None, b"2")]
    )
    assert (lost.code, isinstance(lost, Unavailable)) == ("topic-unknown", True)
    assert isinstance(found, Ack)
    assert time.monotonic() - began < 4
    assert producer.missing() is None


async def test_after_a_failure_no_later_record_of_the_topic_overtakes(stage):
    """Sequence numbers do not help: to a broker without state for us any number is the first."""
    (topic,) = await stage.topics("a", **{"max.message.bytes": "700000"})
    producer = stage.producer()
    large = Outgoing(topic, None, b"x" * 1_000_000)
    first, *rest = await producer.send([large, *numbered(topic, 3, 600_000)])
    assert (first.code, isinstance(first, Refused)) == ("record-too-large", True)
    assert not any(isinstance(each, Ack) for each in rest)
    assert await values(stage, topic) == []
    await until_acked(producer, numbered(topic, 3))
    assert await values(stage, topic) == [b"000000", b"000001", b"000002"]


async def test_one_record_that_the_broker_refuses_is_found_among_many(stage):
    (topic,) = await stage.topics("a", **{"max.message.bytes": "100000"})
    producer = stage.producer()
    small = numbered(topic, 20, 20_000)  # together more than the topic takes
    large = Outgoing(topic, None, b"x" * 150_000)
    batch = [*small[:10], large, *small[10:]]
    sent = await producer.send(batch)
    assert all(isinstance(each, Ack) for each in sent[:10])
    assert (sent[10].code, isinstance(sent[10], Refused)) == ("record-too-large", True)
    assert not any(isinstance(each, Ack) for each in sent[11:])
    for record in batch[11:]:
        await until_acked(producer, [record])
    assert await values(stage, topic) == [record.value for record in small]


async def test_a_record_without_key_for_a_compacted_topic_is_refused_alone(stage):
    topic = contacts(stage.me)
    await stage.admin.create_topics([described(topic)], replication=1)
    keyed = [Outgoing(topic, key, b"") for key in (b"a", b"b")]
    sent = await stage.producer().send([keyed[0], Outgoing(topic, None, b""), keyed[1]])
    assert [getattr(each, "code", None) for each in sent] == [None, "record-malformed", None]


async def test_a_right_taken_away_refuses_at_once_and_given_back_goes_on_in_order(stage):
    """An idempotent producer that lost its right would be out of sequence for ever."""
    (topic,) = await stage.topics("a")
    right = stage.write_right(topic)
    await stage.admin.create_acls([right])
    producer = stage.producer(stage.broker.pki.gateway(stage.me))
    await until_acked(producer, numbered(topic, 10))
    await stage.admin.delete_acls([right])
    await asyncio.sleep(0.2)
    refused = await producer.send(numbered(topic, 10))
    assert {each.code for each in refused} <= {"topic-not-authorized", "cluster-not-authorized"}
    assert all(isinstance(each, Unavailable) for each in refused)  # it waits until resumed
    assert producer.missing() is not None
    await stage.admin.create_acls([right])
    await until_acked(producer, numbered(topic, 10))
    assert producer.missing() is None
    assert await values(stage, topic) == 2 * [record.value for record in numbered(topic, 10)]


async def test_right_after_enrolment_the_producer_waits_for_its_rights(stage):
    """`start()` of an idempotent producer fails until it may write some topic."""
    (topic,) = await stage.topics("a")
    producer = stage.producer(stage.broker.pki.gateway(stage.me))
    await producer.start()
    (sent,) = await producer.send(numbered(topic, 1))
    assert (sent.code, isinstance(sent, Unavailable)) == ("cluster-not-authorized", True)
    await stage.admin.create_acls([stage.write_right(topic)])
    await until_acked(producer, numbered(topic, 1))


async def test_a_certificate_of_another_ca_gets_no_connection(stage, tmp_path):
    other = DemoPki(tmp_path / "pki").gateway(AgencyId("polizei-anderswo"))
    producer = Producer(
        Connection(stage.broker.bootstrap, stage.broker.pki.ca, other.cert, other.key, "test")
    )
    (sent,) = await producer.send([Outgoing("inbox.a.b", None, b"")])
    assert (sent.code, isinstance(sent, Unavailable)) == ("broker-unreachable", True)
    await producer.stop()


async def test_a_broker_that_stays_frozen_makes_send_and_stop_end_in_bounded_time(
    stage, monkeypatch
):
    monkeypatch.setattr(produce, "_SEND", 5.0)
    (topic,) = await stage.topics("a")
    producer = stage.producer()
    await until_acked(producer, numbered(topic, 1))
    stage.freeze()
    try:
        began = time.monotonic()
        (sent,) = await producer.send([Outgoing(topic, None, b"late")])
        assert (sent.code, isinstance(sent, Unavailable)) == ("broker-timeout", True)
        assert time.monotonic() - began < 10
        began = time.monotonic()
        await producer.stop()
        assert time.monotonic() - began < 8
    finally:
        stage.thaw()
    tasks = [task for task in asyncio.all_tasks() if "aiokafka" in str(task.get_coro())]
    assert tasks == []  # nothing of it goes on sending
    await until_acked(producer, [Outgoing(topic, None, b"late")])
    found = await values(stage, topic)
    assert first_occurrences(found) == [b"000000", b"late"]


async def test_sending_that_is_cancelled_leaves_nothing_behind(stage):
    (topic,) = await stage.topics("a")
    producer = stage.producer()
    await until_acked(producer, numbered(topic, 1))
    stage.freeze()
    try:
        sending = asyncio.create_task(producer.send([Outgoing(topic, None, b"cancelled")]))
        await asyncio.sleep(0.5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(sending, 10)
    finally:
        stage.thaw()
    assert [task for task in asyncio.all_tasks() if "aiokafka" in str(task.get_coro())] == []
    await until_acked(producer, [Outgoing(topic, None, b"after")])
    assert (await values(stage, topic))[-1] == b"after"
