"""A message stays as urgent as it was ordered, and is due when its sender said."""

from dataclasses import replace
from datetime import datetime

import pytest

from faults import repeated
from faults.checker import judge
from faults.due import Due
from faults.evidence import Kind
from faults.grounds import hurried
from unit.faults.legal import EAST, POLICE, WEST, Run, Said
from unit.faults.planting import changed, only, with_store


@pytest.fixture(autouse=True)
def _events_are_asked_elsewhere(monkeypatch):
    """Here stores are changed and no event: how events tell of it is for test_repeated."""
    monkeypatch.setattr(repeated, "unlike", lambda _: ())
    monkeypatch.setattr(repeated, "told_again", lambda *_: ())


def both(evidence, n=0, **more):
    """Return the evidence with the n-th message otherwise at both ends."""
    digest = evidence.stores[POLICE].sent[n].digest
    sent = with_store(evidence, POLICE, sent=changed(n, **more))
    there = with_store(sent, WEST, received=changed(n, **more))
    return told_of(there, digest, **more)


def told_of(evidence, digest, **more):
    """Return the evidence whose events say so of the message, too."""
    urgency = more.get("urgency")
    log = tuple(
        replace(s, urgency=urgency) if urgency and s.kind == "event" and s.digest == digest else s
        for s in evidence.log
    )
    return replace(evidence, log=log)


@pytest.mark.parametrize("kept", ["today", "routine", "whenever"])
def test_changed_what_was_ordered_immediate_and_both_stores_call_otherwise(kept):
    said = Said(urgency="immediate", fate="delivered", overdue=True)
    run = Run([said]).evidence()
    quiet = with_store(run, POLICE, sent=changed(0, state="delivered"))
    (finding,) = only(both(quiet, urgency=kept), Kind.CHANGED)
    assert f"ordered immediate, kept as {kept}" in finding.why


def test_more_urgent_than_ordered_is_what_a_clause_may_want():
    run = Run([Said(urgency="routine")]).evidence()
    assert judge(both(run, urgency="today")) == []
    assert judge(both(run, urgency="immediate")) == []


def test_of_what_no_order_names_the_urgency_is_its_clauses():
    run = Run([Said(foreign=True)]).evidence()
    assert judge(both(run, urgency="routine")) == []


def test_a_linked_copy_of_what_is_immediate_may_be_for_today_and_not_later():
    run = Run([Said(urgency="immediate", copy=EAST)]).evidence()

    def copied(urgency):
        digest = run.stores[POLICE].sent[1].digest
        sent = with_store(run, POLICE, sent=changed(1, urgency=urgency))
        there = with_store(sent, EAST, received=changed(0, urgency=urgency))
        return told_of(there, digest, urgency=urgency)

    assert judge(copied("today")) == []
    assert only(copied("routine"), Kind.CHANGED)


def test_changed_what_the_recipient_calls_otherwise_or_takes_for_due_later():
    run = Run([Said(urgency="immediate")]).evidence()
    (finding,) = only(with_store(run, WEST, received=changed(0, urgency="today")), Kind.CHANGED)
    assert "received as today" in finding.why
    ack_by = run.stores[POLICE].sent[0].ack_by
    for apart, found in (
        (-3600, True),
        (-2, True),
        (-0.9, False),
        (0.9, False),
        (2, True),
        (99_999, True),
    ):
        planted = with_store(run, WEST, received=changed(0, ack_by=ack_by + apart))
        assert bool(judge(planted)) is found, apart


def test_a_recipient_believes_no_time_that_was_still_to_come():
    run = Run([Said()]).evidence()
    row = run.stores[POLICE].sent[0]
    for came, found in (
        (row.created, False),
        (row.created - 86_400, False),
        (row.created + 2, True),
    ):
        sooner = {"ack_by": row.ack_by - 3600, "came": came}
        planted = with_store(run, WEST, received=changed(0, **sooner))
        assert bool(judge(planted)) is found, came


@pytest.mark.parametrize("late", [86_400, 2, -2, -3600])
def test_changed_what_is_due_at_another_time_than_was_agreed_at_both_ends(late):
    run = Run([Said()]).evidence()
    due = run.stores[POLICE].sent[0].ack_by
    agreed = with_store(run, POLICE, sent=changed(0, due=frozenset({due - 7000, due})))
    assert judge(agreed) == []
    (finding,) = only(both(agreed, ack_by=due + late), Kind.CHANGED)
    assert "after it was made" in finding.why
    assert judge(both(run, ack_by=due + late)) == []  # of this one nobody knows what was agreed


def at(text):
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("created", "urgency", "due"),
    [
        ("2026-11-27T14:00:00+01:00", "immediate", "2026-11-27T14:15:00+01:00"),
        ("2026-11-28T14:00:00+01:00", "immediate", "2026-11-28T14:15:00+01:00"),
        ("2026-11-27T14:00:00+01:00", "today", "2026-11-27T16:00:00+01:00"),
        ("2026-11-27T15:01:00+01:00", "today", "2026-11-30T16:00:00+01:00"),
        ("2026-11-28T14:00:00+01:00", "today", "2026-11-30T16:00:00+01:00"),  # a Saturday
        ("2026-11-27T14:00:00+01:00", "routine", "2026-12-02T16:00:00+01:00"),
    ],
)
def test_what_is_due_is_as_the_district_agreed(created, urgency, due):
    assert Due("kreis-viersen").of(at(created), urgency) == {at(due)}


def test_a_campaigns_district_has_its_own_deadline_for_what_is_immediate(tmp_path):
    due = Due(hurried(tmp_path))
    assert due.of(1000.0, "immediate") == {1060.0}
    assert due.of(1000.0, "today") == Due("kreis-viersen").of(1000.0, "today")
