"""What the broker lost, forgot or began anew: an alarm if it was not audited, and no more."""

import pytest

from integration.audit.busstage import Running, anew, eventually, notes, some
from integration.audit.harness import OTHER, TOPIC, signer
from meldeweg.audit import ingest
from meldeweg.kernel import note
from meldeweg.kernel.topics import AUDIT_CHECKPOINTS

pytestmark = pytest.mark.usefixtures("strict_logs")


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
