"""Nobody is called out for a deadline that has not passed, or for what was taken in time."""

from dataclasses import replace

import pytest

from faults import repeated
from faults.checker import judge
from faults.evidence import Kind
from unit.faults.legal import POLICE, WEST, Run, Said
from unit.faults.planting import changed, only, with_store

DAY = 86_400.0


@pytest.fixture(autouse=True)
def _events_are_asked_elsewhere(monkeypatch):
    """Here one is told at other times besides: how events tell of it is for test_repeated."""
    monkeypatch.setattr(repeated, "unlike", lambda _: ())
    monkeypatch.setattr(repeated, "told_again", lambda *_: ())


def overdue(evidence, agency, said):
    """Return the evidence in which that end called the first message overdue."""
    digest = evidence.stores[POLICE].sent[0].digest
    told = replace(
        next(s for s in evidence.log if s.kind == "event"),
        sender=agency,
        topic=f"events.{agency}",
        topic_id="z",
        offset=77,
        what="overdue",
        digest=digest,
        said=said,
    )
    same = (told.sender, told.what, told.digest)  # once, and then

    def others(found):
        return (s for s in found if (s.sender, s.what, s.digest) != same)

    topics = tuple(others(evidence.topics))
    return replace(evidence, log=(*others(evidence.log), told), topics=topics)


@pytest.mark.parametrize("agency", [POLICE, WEST])
def test_false_an_overdue_before_the_deadline_or_after_the_end(agency):
    run = Run([Said(urgency="immediate", late=True)]).evidence()
    row = run.stores[POLICE].sent[0]
    assert judge(run) == []
    for said, found in (
        (row.ack_by - 2, True),
        (row.ack_by, False),
        (row.ended, False),
        (row.ended + 2, True),
    ):
        planted = overdue(run, agency, said)
        if found:
            (finding,) = only(planted, Kind.FALSE_ALARM)
            assert f"overdue at {agency}" in finding.why
        else:
            assert judge(planted) == [], said


@pytest.mark.parametrize("agency", [POLICE, WEST])
def test_false_an_overdue_of_what_was_taken_long_before_whenever_it_was_told(agency):
    run = Run([Said(urgency="immediate")]).evidence()
    assert only(overdue(run, agency, None), Kind.FALSE_ALARM)


@pytest.mark.parametrize("agency", [POLICE, WEST])
def test_excused_is_a_clock_that_was_bent_when_it_was_told_or_when_it_was_ended(agency):
    run = Run([Said(urgency="immediate", late=True)]).evidence()
    row = run.stores[POLICE].sent[0]
    assert judge(overdue(run, agency, row.ended + DAY)) == []  # ahead when it told
    assert judge(overdue(run, agency, row.ack_by - DAY)) == []
    waits = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    assert judge(overdue(waits, agency, waits.stores[POLICE].sent[0].ack_by + DAY)) == []


def test_false_is_not_what_waits_still():
    run = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    ack_by = run.stores[POLICE].sent[0].ack_by
    assert judge(overdue(run, POLICE, ack_by + 50)) == []
    assert judge(overdue(run, POLICE, None)) == []
    taken = with_store(run, POLICE, sent=changed(0, ended=ack_by + 20))
    assert judge(overdue(taken, POLICE, ack_by + 50)) == []  # it came back, and was there after all
    taken = with_store(taken, POLICE, sent=changed(0, state="acknowledged"))
    assert Kind.FALSE_ALARM in {f.kind for f in judge(overdue(taken, POLICE, ack_by + 50))}
