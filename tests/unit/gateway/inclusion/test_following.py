"""The follower on a real store: forks and contradictions are kept and told, and never followed."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from meldeweg.gateway.store import log, offsets, quarantine
from meldeweg.kernel import topics
from meldeweg.kernel.bus.positions import Position, Reset, ResetKind
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.event import EventKind
from unit.gateway.inclusion.checkstage import NOW, Stage, register
from unit.gateway.inclusion.logstage import Audit, forked, record, stranger


async def test_a_fork_is_kept_as_evidence_told_once_and_never_followed(stage):
    stage.audit.noise(3)
    await stage.seal()
    await stage.look()
    before = stage.head()
    other = forked(stage.audit)
    other.hashes[2] = bytes(32)
    other.noise(2)
    bad = other.sign(other.checkpoint())
    stage.audit, honest = other, stage.audit  # it serves the forked tiles as well
    for _ in range(2):
        await stage.follow(bad)
        await stage.look()
    assert stage.head() == before
    (kept,) = stage.store.peek(log.evidence)
    assert (kept.code, kept.known, kept.seen) == ("log-forked", before.note, bad)
    alarm = (EventKind.ALARM, "log-forked", topics.AUDIT_CHECKPOINTS, None)
    assert stage.told() == [alarm]
    stage.audit = honest
    honest.noise(7)
    await stage.seal()
    await stage.look()
    assert stage.head().size == len(honest.hashes)


async def test_the_same_size_with_another_root_is_a_fork(stage):
    stage.audit.noise(3)
    await stage.seal()
    other = forked(stage.audit)
    other.hashes[2] = bytes(32)
    await stage.follow(other.sign(other.checkpoint()))
    await stage.look()
    assert [kept.code for kept in stage.store.peek(log.evidence)] == ["log-forked"]


async def test_a_contradicting_manifest_is_kept_and_told_once(stage):
    stage.audit.noise(1)
    first = stage.audit.seal()
    other = Audit()
    other.noise(2)
    bad = other.seal()[0]
    await stage.follow()
    await stage.follow(bad)
    await stage.follow(bad)
    (kept,) = stage.store.peek(log.evidence)
    assert (kept.code, kept.known, kept.seen) == ("manifest-forked", first[0], bad)
    assert [told[1] for told in stage.told()] == ["manifest-forked"]


async def test_a_note_that_the_audit_did_not_sign_is_put_aside_and_the_others_count(stage):
    foreign = Audit(key=stranger()).seal()
    await stage.follow(*foreign, b"nonsense")
    stage.audit.noise(1)
    await stage.seal()
    await stage.look()
    assert stage.head().size == 2
    kept = stage.store.peek(lambda db: quarantine.page(db, None, 10))
    assert [each.code for each in kept] == ["note-malformed", "note-unsigned", "note-unsigned"]
    assert [told[0] for told in stage.told()] == [EventKind.QUARANTINED] * 3


async def test_a_key_whose_time_was_over_counts_no_more(store):
    stage = Stage(store, register(until=NOW - timedelta(days=3)))
    stage.audit.noise(1)
    await stage.seal()
    await stage.look()
    assert stage.head() is None


async def test_before_the_register_names_the_audits_key_the_notes_wait(store):
    stage = Stage(store, register(None))
    stage.audit.noise(1)
    with pytest.raises(Unavailable, match="audit-key-unknown"):
        await stage.seal()
    assert stage.store.peek(offsets.load) == {}


async def test_a_missing_manifest_alarms_once(stage):
    stage.audit.noise(1)
    await stage.seal()
    for _ in range(2):
        stage.audit.noise(1)
        stage.audit.seal()
        stage.audit.published.clear()
        stage.audit.noise(1)
        await stage.seal()
    assert [told[1] for told in stage.told()] == ["manifest-missing"]


async def test_a_topic_of_notes_made_anew_is_read_from_its_start_and_nothing_is_forgotten(stage):
    await stage.accept()
    rows = await stage.produce()
    await stage.settle()
    stage.audit.noise(300)
    first = stage.audit.seal()
    await stage.follow()
    await stage.look()
    before = stage.head()
    other = UUID(int=77)
    await stage.follower.on_reset(
        Reset(topics.AUDIT_CHECKPOINTS, 0, ResetKind.RECREATED, 2, 0, 2, other)
    )
    assert stage.store.peek(offsets.load)[topics.AUDIT_CHECKPOINTS] == Position(0, other)
    stage.audited(rows)
    again = [replace(record(data, n, stage.ms()), topic_id=other) for n, data in enumerate(first)]
    later = [
        replace(record(data, 2 + n, stage.ms()), topic_id=other)
        for n, data in enumerate(stage.audit.seal())
    ]
    await stage.follower.handle([*again, *later])
    await stage.look()
    assert stage.head().size > before.size
    assert stage.outbox() == []
    assert [told[1] for told in stage.told()] == ["recreated"]
