"""A message stays as urgent as it was ordered, and is due when its sender said."""

import pytest

from faults.checker import judge
from faults.evidence import Kind
from unit.faults.legal import EAST, POLICE, WEST, Run, Said
from unit.faults.planting import changed, only, with_store


def both(evidence, n=0, **more):
    """Return the evidence with the n-th message otherwise at both ends."""
    sent = with_store(evidence, POLICE, sent=changed(n, **more))
    return with_store(sent, WEST, received=changed(n, **more))


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
        sent = with_store(run, POLICE, sent=changed(1, urgency=urgency))
        return with_store(sent, EAST, received=changed(0, urgency=urgency))

    assert judge(copied("today")) == []
    assert only(copied("routine"), Kind.CHANGED)


def test_changed_what_the_recipient_calls_otherwise_or_takes_for_due_later():
    run = Run([Said(urgency="immediate")]).evidence()
    (finding,) = only(with_store(run, WEST, received=changed(0, urgency="today")), Kind.CHANGED)
    assert "received as today" in finding.why
    ack_by = run.stores[POLICE].sent[0].ack_by
    for apart, found in ((-2, False), (-0.9, False), (0.9, False), (2, True), (99_999, True)):
        planted = with_store(run, WEST, received=changed(0, ack_by=ack_by + apart))
        assert bool(judge(planted)) is found, apart
