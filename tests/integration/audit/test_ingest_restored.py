"""A database that is older, lost or other than what was published: built again, or it stops."""

import asyncio
import os
from dataclasses import replace

import pytest

from integration.audit.busstage import Running, eventually, published, some
from integration.audit.harness import FORMER, OTHER, TOPIC, next_signer, signer
from meldeweg.kernel import note
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.manifest import parse_manifest
from meldeweg.kernel.topics import AUDIT_CHECKPOINTS

pytestmark = pytest.mark.usefixtures("strict_logs")


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
