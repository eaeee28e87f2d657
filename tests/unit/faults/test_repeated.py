"""What is told of a message is of that message as it is, and told once by each end."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Kind
from unit.faults.legal import END, POLICE, WEST, Run, Said
from unit.faults.planting import only, put_back

TOLD = [(POLICE, "overdue"), (WEST, "overdue"), (POLICE, "alarm")]


@pytest.fixture
def late():
    evidence = Run([Said(urgency="immediate", late=True), Said(fate="refused")]).evidence()
    assert judge(evidence) == []
    return evidence


def with_event(evidence, agency, what, **more):
    """Return the evidence in which that end's first such event says so."""
    seen = next(s for s in evidence.log if (s.sender, s.what) == (agency, what))
    log = tuple(replace(s, **more) if s is seen else s for s in evidence.log)
    return replace(evidence, log=log)


@pytest.mark.parametrize(("agency", "what"), TOLD)
@pytest.mark.parametrize(
    ("member", "value"),
    [("exercise", True), ("exercise", None), ("urgency", "today"), ("urgency", None)],
)
def test_changed_an_event_says_of_its_message_what_it_is_not(late, agency, what, member, value):
    (finding,) = only(with_event(late, agency, what, **{member: value}), Kind.CHANGED)
    assert finding.about == "id-0"
    assert finding.why.startswith(f"{what} of {agency} says {member} {value}")


def test_changed_any_other_event_that_says_it_wrong_and_no_member_is_owed_of_it(late):
    assert only(with_event(late, WEST, "opened", exercise=True), Kind.CHANGED)
    assert judge(with_event(late, WEST, "opened", exercise=None, urgency=None)) == []


def again(evidence, agency, what, **more):
    """Return the evidence in which that end told the same once more, under another id."""
    seen = next(s for s in evidence.log if (s.sender, s.what) == (agency, what))
    other = replace(seen, **({"offset": 7000, "leaf": "b" * 64, "id": "other"} | more))
    return replace(evidence, log=(*evidence.log, other))


@pytest.mark.parametrize(("agency", "what"), TOLD)
def test_duplicated_what_an_end_tells_once_it_told_again(late, agency, what):
    twice = again(late, agency, what)
    (finding,) = only(twice, Kind.DUPLICATED)
    assert (finding.about, "2 times" in finding.why) == ("id-0", True)


def test_an_event_that_was_produced_again_is_the_same_one(late):
    named = with_event(late, POLICE, "overdue", id="one")
    assert judge(again(named, POLICE, "overdue", id="one")) == []


def test_a_store_that_was_put_back_may_tell_again_what_it_forgot(late):
    said = next(s for s in late.log if (s.sender, s.what) == (WEST, "overdue")).said
    twice = again(late, WEST, "overdue", said=said + 60)
    assert judge(put_back(twice, WEST, said - 5, said + 5)) == []
    assert only(put_back(twice, POLICE, said - 5, said + 5), Kind.DUPLICATED)
    assert only(put_back(twice, WEST, said - 50, said - 40), Kind.DUPLICATED)
    thrice = again(twice, WEST, "overdue", said=said + 90, offset=7001, id="third")
    assert only(put_back(thrice, WEST, said - 5, said + 5), Kind.DUPLICATED)


def test_other_alarms_come_with_each_record(late):
    assert judge(again(late, POLICE, "alarm", code="not-permitted", at=END)) == []
