"""From the real bus to signed checkpoints, whatever comes, waits or goes away for a while."""

import asyncio
import os
import signal
import time
from datetime import timedelta

import psycopg
import pytest

from integration.audit.busstage import EVENTS, Running, eventually, published, some
from integration.audit.harness import OTHER, TOPIC
from integration.bus.stage import Stage
from meldeweg.kernel import note
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.leaf import leaf_of_record
from meldeweg.kernel.topics import AUDIT_CHECKPOINTS

pytestmark = pytest.mark.usefixtures("strict_logs")


async def test_what_is_written_is_signed_within_a_second_or_so_and_verifies(bus, uri):
    await bus.create(TOPIC, OTHER, EVENTS)
    async with Running(bus, uri) as audit:
        await audit.signed(1)
        await eventually(lambda: len(audit.ingest._reader.places()) == 3)
        began = time.monotonic()
        await bus.write(TOPIC, *some(3))
        await audit.signed(4)
        took = time.monotonic() - began
        await bus.write(EVENTS, (None, b"{}", ()))
        await bus.write(TOPIC, *some(2, 3))
        await audit.signed(7)
        report = audit.verified()
    assert report.ok, report
    assert report.topics == {TOPIC: 5, EVENTS: 1}
    assert took < 1.5


async def test_while_it_lags_a_checkpoint_a_second_is_enough(bus, uri):
    await bus.create(TOPIC)
    behind = SystemClock(timedelta(seconds=60))  # all that comes is a minute old
    async with Running(bus, uri, clock=behind) as audit:
        await audit.signed(1)
        for n in range(60):
            await bus.write(TOPIC, *some(2, 2 * n))
            await asyncio.sleep(0.05)
        await audit.signed(121)
        assert audit.verified().ok
    sizes = {size for _, size in await published(bus)}
    assert 3 <= len(sizes) <= 8  # without lag 10 and more


async def test_it_stops_in_bounded_time_while_a_manifest_waits_for_the_broker(bus, uri):
    await bus.create(TOPIC)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(1))
        await audit.signed(2)
        unanswered = asyncio.Event()

        async def never(_batch):
            unanswered.set()
            await asyncio.sleep(3600)

        audit.ingest._producer.send = never  # as with a broker that is frozen
        await bus.write(TOPIC, *some(3, 1))
        async with asyncio.timeout(5):
            await unanswered.wait()
        began = time.monotonic()
    assert time.monotonic() - began < 5
    async with Running(bus, uri) as audit:
        await audit.signed(5)
        assert audit.verified().ok


async def test_the_leaf_in_the_log_is_the_one_that_a_reader_of_the_topic_computes(bus, uri):
    await bus.create(TOPIC)
    await bus.write(TOPIC, *some(3))
    async with Running(bus, uri) as audit:
        await audit.signed(4)
        found = [audit.reading.entry(index).leaf for index in (1, 2, 3)]
    records = await read_all(bus.connection(), (TOPIC,))
    assert found == [
        leaf_of_record(r.topic_id.bytes, r.offset, r.key, r.headers, r.value).encode()
        for r in records
    ]


async def test_a_new_topic_is_noticed_within_seconds(bus, uri):
    async with Running(bus, uri) as audit:
        await audit.signed(1)
        await bus.create(TOPIC)
        await bus.write(TOPIC, *some(1))
        await audit.signed(2, within=6)


async def test_topics_of_other_kinds_are_not_read(bus, uri):
    await bus.create("keys.polizei-musterstadt", TOPIC)
    await bus.write("keys.polizei-musterstadt", (b"k", b"v", ()))
    await bus.write(TOPIC, *some(1))
    async with Running(bus, uri) as audit:
        await audit.signed(2)
        assert [each["topic"] for each in audit.reading.streams()] == [TOPIC]


async def test_poison_between_good_records_is_in_the_log_like_any_other(bus, uri):
    await bus.create(TOPIC, OTHER)
    stage = Stage(bus.broker)
    from integration.bus.stage import RawName

    await bus.write(TOPIC, *some(2))
    await stage.write_raw(TOPIC, (None, None, [(RawName(b"\xff\xfe"), None)]))
    await stage.write_raw(TOPIC, (b"\xff", b"{", [("statement", b"a"), ("statement", b"b")]))
    await bus.write(TOPIC, *some(2, 2))
    await bus.write(OTHER, *some(1))
    await stage.admin.close()
    async with Running(bus, uri) as audit:
        await audit.signed(8)
        assert audit.alarms() == set()
        report = audit.verified()
    assert report.broken == []
    assert report.topics == {TOPIC: 6, OTHER: 1}


async def test_audit_off_for_a_while_catches_up_without_a_gap(bus, uri):
    await bus.create(TOPIC)
    for start in (0, 300, 600):
        await bus.write(TOPIC, *some(300, start))
        async with Running(bus, uri) as audit:
            await audit.signed(start + 301)
    async with Running(bus, uri) as audit:
        await eventually(lambda: audit.ingest.missing() is None)
        assert audit.verified().ok
        assert audit.reading.signed().size == 901


async def test_manifests_are_on_the_bus_before_the_checkpoint_that_they_lead_to(bus, uri):
    await bus.create(TOPIC)
    await bus.write(TOPIC, *some(5))
    async with Running(bus, uri) as audit:
        await audit.signed(6)
        await eventually(lambda: audit.ingest._unpublished is None)
    known = 0
    for record in await read_all(bus.connection(), (AUDIT_CHECKPOINTS,)):
        text = note.parse(record.value).text.split("\n")
        if dict(record.headers)["kind"] == b"manifest":
            known = int(text[3].split()[1])
        else:
            assert int(text[1]) == known


async def test_a_database_that_goes_away_is_waited_for(bus, uri):
    await bus.create(TOPIC)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(2))
        await audit.signed(3)
        for start in (2, 4):
            with psycopg.connect(uri) as admin:
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                              "WHERE application_name = 'meldeweg-audit'")  # fmt: skip
            await bus.write(TOPIC, *some(2, start))
            await audit.signed(start + 3)
        assert audit.verified().ok


async def test_a_frozen_broker_is_waited_for(bus, uri):
    await bus.create(TOPIC)
    pid = bus.broker.children[0].pid
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(2))
        await audit.signed(3)
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(3)
        finally:
            os.kill(pid, signal.SIGCONT)
        await bus.write(TOPIC, *some(2, 2))
        await audit.signed(5, within=40)
        assert audit.verified().ok


async def test_a_second_audit_stops_the_first_and_goes_on(bus, uri):
    await bus.create(TOPIC)
    first = Running(bus, uri)
    async with first:
        await bus.write(TOPIC, *some(2))
        await first.signed(3)
        async with Running(bus, uri) as second:
            await bus.write(TOPIC, *some(2, 2))
            await second.signed(5)
            with pytest.raises(Fatal, match="audit-fenced"):
                await asyncio.wait_for(asyncio.shield(first.task), 60)
            first.task = asyncio.create_task(asyncio.sleep(0))
            assert second.verified().ok
