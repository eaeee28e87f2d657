"""Reading without a group: the audit's way, and the register's."""

import asyncio
import time
from uuid import UUID

import pytest
from confluent_kafka import TopicPartition  # noqa: TID251 - what only an administrator may do
from confluent_kafka.admin import AdminClient  # noqa: TID251 - as above

from integration.bus.poison import BYTES, GOOD
from integration.bus.stage import Audit, drip, numbers, until_acked
from meldeweg.kernel.bus.positions import Position, Reset, ResetKind
from meldeweg.kernel.bus.records import Outgoing
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.bus.rights import Acl, Operation, Pattern, Resource
from meldeweg.kernel.errors import Unavailable


def has(count):
    return lambda store: len(store.handled) >= count


async def test_all_topics_of_a_prefix_are_read_in_order_with_their_ids(stage):
    topics = await stage.topics("a", "b", "c")
    for topic in topics:
        await stage.write(topic, *numbers(1000))
    audit = Audit(stage)
    await audit.until(has(3000))
    for topic in topics:
        found = [record for record in audit.store.handled if record.topic == topic]
        assert [record.value for record in found] == numbers(1000)
        assert [record.offset for record in found] == list(range(1000))
        assert {topic: found[0].topic_id} == await stage.admin.topic_ids([topic])
    assert audit.reader.missing() is None
    assert audit.reader.age() < 1


async def test_a_new_topic_is_noticed_in_about_a_second_and_the_others_stay_where_they_are(stage):
    """`assign` forgets every position."""
    (a,) = await stage.topics("a")
    await stage.write(a, *numbers(10))
    audit = Audit(stage)
    await audit.until(has(10))
    (b,) = await stage.topics("b")
    began = time.monotonic()
    await stage.write(b, b"new")
    await audit.until(has(11))
    assert time.monotonic() - began < 5
    await stage.write(a, *numbers(10, 10))
    await audit.until(has(21))
    assert [record.value for record in audit.store.handled if record.topic == a] == numbers(20)


async def test_a_prefix_without_topics_is_waited_for(stage):
    audit = Audit(stage)
    await audit.until(lambda _: audit.reader.missing() is None)
    (a,) = await stage.topics("a")
    await stage.write(a, b"first")
    await audit.until(has(1))


@pytest.mark.parametrize("patient", [True, False])
async def test_who_is_patient_gets_several_at_once_and_nobody_waits_long(stage, patient):
    (a,) = await stage.topics("a")
    audit = Audit(stage, prefixes=(f"inbox.{stage.me}.",), patient=patient)
    await audit.until(lambda _: audit.reader.places())
    dripping = asyncio.create_task(drip(stage, a, 30))
    await audit.until(has(30))
    last = await dripping
    assert time.monotonic() - last < 1
    assert audit.store.values() == numbers(30)
    assert (audit.store.batches < 15) is patient


async def test_what_was_not_kept_is_read_again_after_a_rewind(stage):
    (a,) = await stage.topics("a")
    await stage.write(a, *numbers(10))
    audit = Audit(stage)
    await audit.until(has(10))
    audit.store.next[a, 0] = Position(4, audit.store.next[a, 0].topic_id)  # the rest was not kept
    await audit.reader.rewind()
    await audit.until(has(16))
    assert audit.store.values() == numbers(10) + numbers(6, 4)


@pytest.mark.parametrize(("wanted", "kind"), [(3, ResetKind.EXPIRED), (30, ResetKind.SHORTER)])
async def test_a_position_outside_the_log_is_an_outcome_and_stops_no_other(stage, wanted, kind):
    a, b = await stage.topics("a", "b")
    await stage.write(a, *numbers(20))
    await stage.write(b, *numbers(20))
    admin = AdminClient(stage.connection(stage.broker.super_user).admin_options())
    for future in admin.delete_records([TopicPartition(a, 0, 10)]).values():
        await asyncio.to_thread(future.result, 60)
    ids = await stage.admin.topic_ids([a])
    audit = Audit(stage)
    audit.store.next[a, 0] = Position(wanted, ids[a])
    await audit.until(has(30))
    assert audit.store.resets == [Reset(a, 0, kind, wanted, 10, 20, ids[a])]
    assert [record.offset for record in audit.store.handled if record.topic == a] == [
        *range(10, 20)
    ]


async def test_records_deleted_while_reading_are_an_outcome(stage):
    a, b = await stage.topics("a", "b")
    await stage.write(a, *numbers(10))
    audit = Audit(stage)
    await audit.until(has(10))
    await stage.write(a, *[b"x" * 1_500_000] * 8)  # more than it fetches ahead
    await audit.until(has(11))
    admin = AdminClient(stage.connection(stage.broker.super_user).admin_options())
    for future in admin.delete_records([TopicPartition(a, 0, 17)]).values():
        await asyncio.to_thread(future.result, 60)
    await stage.write(b, b"other")
    await audit.until(lambda store: store.handled[-1].offset == 17 or store.resets)
    await audit.until(lambda store: {17} <= {r.offset for r in store.handled if r.topic == a})
    await audit.until(lambda store: b"other" in store.values())
    offsets = [record.offset for record in audit.store.handled if record.topic == a]
    for reset in audit.store.resets:
        assert (reset.kind, reset.start) == (ResetKind.EXPIRED, 17)
    missed = set(range(18)) - set(offsets)
    assert missed == {n for reset in audit.store.resets for n in range(reset.wanted, reset.start)}


async def test_a_topic_made_anew_is_an_outcome_though_it_has_more_records(stage):
    (a,) = await stage.topics("a")
    await stage.write(a, *numbers(9))
    audit = Audit(stage)
    audit.store.next[a, 0] = Position(5, UUID(int=7))
    await audit.until(has(9))
    assert [reset.kind for reset in audit.store.resets] == [ResetKind.RECREATED]


async def test_one_topics_missing_right_stops_no_other_and_is_said(stage):
    a, b = await stage.topics("a", "b")
    await stage.admin.delete_acls(stage.read_rights())
    gateway = f"gw-{stage.me}"
    rights = [
        Acl(Resource.TOPIC, Pattern.LITERAL, name, gateway, operation)
        for name in (a, b)
        for operation in (Operation.READ, Operation.DESCRIBE)
    ]
    await stage.admin.create_acls(rights)
    for topic in (a, b):
        await stage.write(topic, *numbers(10))
    audit = Audit(stage, stage.broker.pki.gateway(stage.me))
    await audit.until(has(20))
    await stage.admin.delete_acls(rights[:1])  # may still see it, not read it
    await asyncio.sleep(0.5)  # until the broker's authorizer knows
    await stage.write(a, *numbers(10, 10))
    await stage.write(b, *numbers(10, 10))
    await audit.until(lambda _: audit.reader.missing() == "topic-not-authorized")
    await audit.until(lambda store: sum(r.topic == b for r in store.handled) == 20)
    assert sum(record.topic == a for record in audit.store.handled) == 10
    await stage.write(b, *numbers(10, 20))
    await audit.until(lambda store: sum(r.topic == b for r in store.handled) == 30)
    await stage.admin.create_acls(rights[:1])
    await audit.until(lambda store: sum(r.topic == a for r in store.handled) == 20)
    await audit.until(lambda _: audit.reader.missing() is None)
    for topic, count in ((a, 20), (b, 30)):
        found = [record.value for record in audit.store.handled if record.topic == topic]
        assert found == numbers(count)


async def test_a_right_lost_whole_and_given_back_goes_on_where_it_was(stage):
    (a,) = await stage.topics("a")
    await stage.write(a, *numbers(10))
    audit = Audit(stage, stage.broker.pki.gateway(stage.me))
    await audit.until(has(10))
    await stage.admin.delete_acls(stage.read_rights())
    await audit.until(lambda _: not audit.reader.places())  # the topic is not even to be seen
    await stage.write(a, *numbers(10, 10))
    await stage.admin.create_acls(stage.read_rights())
    await audit.until(has(20))
    assert audit.store.values() == numbers(20)


async def test_a_header_name_that_is_not_utf8_loses_nothing_of_another_topic(stage):
    a, b = await stage.topics("a", "b")
    for n in range(20):
        await stage.write_raw(a, (None, b"%06d" % n, GOOD))
        await stage.write_raw(b, BYTES["odd-header-name"])
    audit = Audit(stage)
    await audit.until(has(40))
    assert [r.value for r in audit.store.handled if r.topic == a] == numbers(20)


async def test_stopping_ends_in_bounded_time_with_the_broker_frozen(stage):
    (a,) = await stage.topics("a")
    await stage.write(a, *numbers(10))
    audit = Audit(stage)
    await audit.until(has(10))
    stage.freeze()
    try:
        began = time.monotonic()
        await audit.reader.stop()
        assert time.monotonic() - began < 9
    finally:
        stage.thaw()
    assert [task for task in asyncio.all_tasks() if "aiokafka" in str(task.get_coro())] == []


async def test_read_all_returns_everything_up_to_the_end_and_topics_that_are_not_there_are_empty(
    stage,
):
    a, b = await stage.topics("a", "b")
    producer = stage.producer()
    await until_acked(producer, [Outgoing(b, None, value) for value in numbers(5000)])
    await until_acked(producer, [Outgoing(a, b"k", None)])
    connection = stage.connection(stage.broker.super_user)
    records = await read_all(connection, (b, a, stage.inbox("nobody")))
    assert [(record.topic, record.value) for record in records] == [
        (a, None),
        *((b, value) for value in numbers(5000)),
    ]
    assert await read_all(connection, (stage.inbox("nobody"),)) == []
    found = await read_all(connection, prefixes=(f"inbox.{stage.me}.",))
    assert found == records


async def test_read_all_without_a_broker_is_unavailable(stage):
    connection = stage.connection(stage.broker.super_user)
    stage.freeze()
    try:
        with pytest.raises(Unavailable):
            await read_all(connection, ("registry.agencies",), timeout=2)
    finally:
        stage.thaw()
