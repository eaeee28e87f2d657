"""From the real bus to signed checkpoints, through everything that goes wrong on the way."""

import asyncio
import os
import signal
import time
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from integration.audit.busstage import Bus, Running, eventually
from integration.audit.harness import FORMER, OTHER, TOPIC, next_signer, signer
from integration.bus.stage import Stage
from meldeweg.audit import ingest
from meldeweg.kernel import logs, note
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.leaf import leaf_of_record
from meldeweg.kernel.manifest import parse_manifest
from meldeweg.kernel.topics import AUDIT_CHECKPOINTS
from unit.audit.synthetic import message

EVENTS = "events.polizei-musterstadt"


@pytest.fixture(autouse=True)
def _strict_logs():
    logs.configure(service="test", strict=True)


@pytest.fixture
async def bus(own_broker):
    made = Bus(own_broker)
    await made.clean()
    yield made
    await made.close()


def some(count, start=0):
    return [
        (
            b"polizei-musterstadt",
            b'{"content":{"ciphertext":"Yw"},"record":{"ciphertext":"%d"}}' % n,
            (("statement", message(n + 1)), ("ce_id", b"%d" % n)),
        )
        for n in range(start, start + count)
    ]


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


async def published(bus):
    """(origin, size) -> roots that were ever published."""
    roots = {}
    for record in await read_all(bus.connection(), (AUDIT_CHECKPOINTS,)):
        if dict(record.headers)["kind"] == b"checkpoint":
            head = note.parse_checkpoint(note.parse(record.value).text)
            note.verify(note.parse(record.value), [signer(head.origin).verifier()])
            roots.setdefault((head.origin, head.size), set()).add(head.root)
    return roots


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


async def test_a_database_restored_from_an_older_backup_reaches_the_same_roots(
    bus, uri, server, tmp_path
):
    await bus.create(TOPIC, OTHER)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(40))
        await audit.signed(41)
    backup = server.home / f"backup-{os.getpid()}"
    server.dump(uri, backup)
    async with Running(bus, uri) as audit:
        for start in range(0, 120, 20):  # so that the topics interleave
            await bus.write(OTHER, *some(20, start))
            await bus.write(TOPIC, *some(20, 40 + start))
            await audit.signed(41 + 2 * (start + 20))
        last = audit.reading.signed()
    restored = server.restored(backup)
    await bus.write(TOPIC, *some(7, 160))
    async with Running(bus, restored) as audit:
        await audit.signed(288)
        assert audit.reading.signed(size=last.size).root == last.root
        assert audit.verified().ok
        assert audit.alarms() == set()
    assert all(len(roots) == 1 for roots in (await published(bus)).values())


async def test_a_database_that_is_lost_altogether_is_built_again_with_the_same_roots(
    bus, uri, server
):
    await bus.create(TOPIC, OTHER)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(300))
        await bus.write(OTHER, *some(30))
        last = await audit.signed(331)
    async with Running(bus, server.database()) as audit:
        assert (await audit.signed(331)).root == last.root
        assert audit.verified().ok


async def test_what_two_keys_signed_one_after_the_other_is_built_again_and_published_again(
    bus, uri, server
):
    await bus.create(TOPIC)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(30))
        await audit.signed(31)
    rotated = {"signer": next_signer, "former": FORMER}
    async with Running(bus, uri, **rotated) as audit:
        await bus.write(TOPIC, *some(10, 30))
        last = await audit.signed(41)
        assert audit.verified().ok
    async with Running(bus, server.database(), **rotated) as audit:
        assert (await audit.signed(41)).root == last.root
        assert audit.alarms() == set()
    await bus.delete(AUDIT_CHECKPOINTS)
    await bus.create(AUDIT_CHECKPOINTS)
    async with Running(bus, uri, **rotated) as audit:
        await eventually(lambda: audit.ingest.missing() is None)
    again = await read_all(bus.connection(), (AUDIT_CHECKPOINTS,))
    assert again
    for record in again:  # a former key's time may be over for who reads them now
        origin = note.parse(record.value).signatures[0].name
        note.verify(note.parse(record.value), [next_signer(origin).verifier()])


async def test_a_restored_database_whose_records_the_broker_has_no_more_stops_and_forks_nothing(
    bus, uri, server
):
    await bus.create(TOPIC)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(30))
        await audit.signed(31)
    await bus.delete_records(TOPIC, 10)
    audit = Running(bus, server.database())
    with pytest.raises(Fatal, match="replay-impossible"):
        await asyncio.wait_for(audit.ingest.run(), 60)
    await audit.ingest.stop()
    audit.pool.close()


async def test_another_order_in_the_database_than_was_published_stops_the_log(bus, uri, server):
    await bus.create(TOPIC, OTHER)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(3))
        await audit.signed(4)
    backup = server.home / f"fork-{os.getpid()}"
    server.dump(uri, backup)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(3, 3))
        await audit.signed(7)
        await bus.write(OTHER, *some(3))
        await audit.signed(10)
    restored = server.restored(backup)
    # someone puts the other topic first into the restored database
    record = (await read_all(bus.connection(), (OTHER,)))[0]
    from meldeweg.audit.ledger import Ledger
    from meldeweg.audit.project import project
    from meldeweg.kernel.clock import SystemClock

    ledger = Ledger(restored, SystemClock())
    ledger.open()
    topic_id = record.topic_id.bytes
    ledger.append([(ledger.stream(OTHER, topic_id), [project(topic_id, record)])])
    ledger.close()
    audit = Running(bus, restored)
    with pytest.raises(Fatal, match=r"manifest-differs-from-rows"):
        await asyncio.wait_for(audit.ingest.run(), 60)
    await audit.ingest.stop()
    audit.pool.close()


async def test_records_deleted_before_they_were_audited_are_an_alarm_and_stop_no_other_topic(
    bus, uri
):
    await bus.create(TOPIC, OTHER)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(5))
        await audit.signed(6)
    await bus.write(TOPIC, *some(5, 5))
    await bus.delete_records(TOPIC, 8)
    async with Running(bus, uri) as audit:
        await bus.write(OTHER, *some(4))
        await audit.signed(10)
        assert audit.alarms() == {("log-start-beyond", TOPIC)}
        report = audit.verified()
    assert report.broken == []
    assert report.topics == {TOPIC: 5, OTHER: 4}


async def test_a_topic_that_is_gone_is_said_at_once_and_an_alarm_after_a_while(
    bus, uri, monkeypatch
):
    monkeypatch.setattr(ingest, "_VANISHED", 1.0)
    await bus.create(TOPIC, OTHER)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(3))
        await bus.write(OTHER, *some(3))
        await audit.signed(7)
        assert audit.ingest.missing() is None
        await bus.delete(TOPIC)
        await eventually(lambda: audit.ingest.missing() == "topic-vanished")
        await eventually(lambda: audit.alarms() == {("topic-vanished", TOPIC)})
        await bus.write(OTHER, *some(3, 3))
        await audit.signed(10)  # the others go on
        await bus.create(TOPIC)
        await eventually(lambda: audit.ingest.missing() is None)
        await eventually(lambda: ("topic-recreated", TOPIC) in audit.alarms())


async def test_records_that_expired_after_they_were_audited_are_no_alarm(bus, uri):
    await bus.create(TOPIC)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(5))
        await audit.signed(6)
    await bus.delete_records(TOPIC, 5)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(5, 5))
        await audit.signed(11)
        assert audit.alarms() == set()


async def test_a_topic_recreated_under_its_old_name_is_an_alarm_and_is_audited_anew(bus, uri):
    await bus.create(TOPIC)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(5))
        await audit.signed(6)
    await bus.delete(TOPIC)
    await bus.create(TOPIC)
    await bus.write(TOPIC, *some(9))
    async with Running(bus, uri) as audit:
        await audit.signed(15)
        assert audit.alarms() == {("topic-recreated", TOPIC)}
        assert audit.verified().broken == []


@pytest.mark.parametrize("running", [True, False])
async def test_manifests_that_the_broker_lost_are_published_again_in_their_order(bus, uri, running):
    await bus.create(TOPIC)
    async with Running(bus, uri) as audit:
        for start in range(0, 15, 5):
            await bus.write(TOPIC, *some(5, start))
            await audit.signed(6 + start)
        await eventually(lambda: audit.ingest._unpublished is None)
        before = await notes(bus, b"manifest")
        if running:
            await anew(bus)
            await audit.signed(17)
            after = await notes(bus, b"manifest", at_least=len(before) + 1)
    if not running:
        await anew(bus)
        async with Running(bus, uri) as audit:
            await audit.signed(17)
            after = await notes(bus, b"manifest", at_least=len(before) + 1)
            assert audit.verified().broken == []
    assert len(before) >= 3
    assert list(dict.fromkeys(after))[: len(before)] == before
    assert len(set(after)) > len(before)  # and it goes on behind them


async def anew(bus):
    """Lose every topic, as a broker without its disk does, and write one record more."""
    await bus.delete(TOPIC, AUDIT_CHECKPOINTS)
    await bus.create(TOPIC, AUDIT_CHECKPOINTS)
    await bus.write(TOPIC, *some(1, 90))


async def notes(bus, kind, at_least=0):
    """Return the notes of a kind on the bus, in order, once there are so many."""
    for _ in range(150):
        records = await read_all(bus.connection(), (AUDIT_CHECKPOINTS,))
        found = [record.value for record in records if dict(record.headers)["kind"] == kind]
        if len(set(found)) >= at_least:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{len(found)} notes")


async def test_a_note_that_another_wrote_on_the_checkpoints_topic_is_an_alarm_and_nothing_more(
    bus, uri
):
    await bus.create(TOPIC)
    other = note.Signer("evil.example/2026", signer("x").public, signer("x").sign)
    forged = note.sign(note.Checkpoint("evil.example/2026", 9, b"r" * 32).text(), other)
    await bus.write(AUDIT_CHECKPOINTS, (None, b"not a note", ()), (None, forged[:-3] + b"x\n", ()))
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(2))
        await audit.signed(3)
        assert audit.alarms() == {("foreign-note", "audit.checkpoints")}


async def stops_with(bus, uri, match):
    audit = Running(bus, uri)
    with pytest.raises(Fatal, match=match):
        await asyncio.wait_for(audit.ingest.run(), 60)
    await audit.ingest.stop()
    audit.pool.close()


async def test_a_checkpoint_that_this_key_signed_and_this_database_does_not_know_stops_the_log(
    bus, uri
):
    await bus.create(TOPIC)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(3))
        signed = await audit.signed(4)
    for size in (4, 3, 9):  # another root, another size, a size still to come
        head = note.Checkpoint(signed.origin, size, b"r" * 32)
        forged = note.sign(head.text(), signer(signed.origin))
        await bus.write(AUDIT_CHECKPOINTS, (None, forged, (("kind", b"checkpoint"),)))
        await stops_with(bus, uri, "checkpoint-forked")
        await bus.delete_records(AUDIT_CHECKPOINTS, -1)


async def test_another_manifest_of_the_same_number_stops_the_log(bus, uri):
    await bus.create(TOPIC)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(3))
        signed = await audit.signed(4)
        manifest = parse_manifest(note.parse(audit.reading.manifest(signed.year, 4)).text)
    forged = replace(manifest, previous=b"p" * 32)
    value = note.sign(forged.text(), signer(forged.origin))
    await bus.write(AUDIT_CHECKPOINTS, (None, value, (("kind", b"manifest"),)))
    await stops_with(bus, uri, "manifest-forked")


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
