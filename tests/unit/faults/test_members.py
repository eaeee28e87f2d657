"""What a message is besides its content stays what it was ordered to be."""

from dataclasses import replace

import pytest

from faults import members
from faults.checker import judge
from faults.evidence import Kind, Phase
from faults.history import digest_of
from unit.faults.legal import EAST, Run, Said
from unit.faults.planting import only

ALL = ("type", "exercise", "thread", "in_reply_to", "labels", "kennzeichen", "clause")


def otherwise(evidence, call, member, n=0):
    """Return the evidence in which that call's answer about the n-th message names another."""
    return replace(
        evidence,
        history=tuple(
            replace(e, members={**e.members, member: "another"})
            if (e.call, e.phase) == (call, Phase.OK) and e.members and e.op in _about(evidence, n)
            else e
            for e in evidence.history
        ),
    )


def _about(evidence, n):
    named = {e.op for e in evidence.history if e.id == f"id-{n}"}
    return named | {e.op for e in evidence.history if e.key == f"key-{n}"}


@pytest.mark.parametrize("answer", ["ok", "again", "late"])
@pytest.mark.parametrize("member", ALL)
def test_changed_what_is_opened_as_something_else(member, answer):
    run = Run([Said(), Said(answer=answer), Said()]).evidence()
    assert judge(run) == []
    (finding,) = only(otherwise(run, "open", member, 1), Kind.CHANGED)
    assert finding.about == "id-1"
    assert finding.why.startswith(f"another {member}, opened by")


def test_changed_what_is_answered_as_something_else():
    run = Run([Said()]).evidence()
    found = only(otherwise(run, "send", "exercise"), Kind.CHANGED)
    assert {finding.why.partition(" by ")[0] for finding in found} == {
        "another exercise, answered",
        "another exercise, opened",
    }


def test_a_copy_has_a_kennzeichen_a_clause_and_a_reference_of_its_own_and_nothing_more():
    run = Run([Said(copy=EAST)]).evidence()
    assert judge(run) == []
    for member in ALL:
        changed = otherwise(run, "open", member, 1)
        assert changed != run
        own = member in ("kennzeichen", "clause", "in_reply_to")
        assert {finding.kind for finding in judge(changed)} == (
            {Kind.CHANGED} - {own and Kind.CHANGED}
        )


def test_who_did_not_look_at_them_is_not_held_to_them():
    run = Run([Said(foreign=True), Said(answer="unheard")]).evidence()
    assert judge(otherwise(run, "open", "labels")) == []


def test_labels_are_compared_without_being_kept():
    order = {"labels": {"means": "offen"}, "thread": "t", "exercise": True, "in_reply_to": "m"}
    found = members.of_order("correction", order)
    assert found == {
        "type": "correction",
        "exercise": "True",
        "thread": "t",
        "in_reply_to": "m",
        "labels": digest_of({"means": "offen"}),
    }
