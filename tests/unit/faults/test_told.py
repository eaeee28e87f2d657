"""The checker finds what is told of a message otherwise than it was, twice, or without a name."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Kind, Phase
from unit.faults.legal import GONE, POLICE, WEST, Run, Said
from unit.faults.planting import changed, kinds, only, put_back, with_store

LATE = Said(urgency="immediate", late=True)


def told_as(evidence, agency, what, **more):
    """Return the evidence in which that agency's events of a kind say something else."""
    log = tuple(
        replace(s, **more) if (s.kind, s.sender, s.what) == ("event", agency, what) else s
        for s in evidence.log
    )
    assert log != evidence.log
    return replace(evidence, log=log, topics=())


@pytest.mark.parametrize(
    ("agency", "what"), [(POLICE, "alarm"), (POLICE, "overdue"), (WEST, "overdue")]
)
@pytest.mark.parametrize("more", [{"exercise": True}, {"urgency": "routine"}])
def test_changed_a_case_that_is_told_as_a_drill_or_as_less_urgent(agency, what, more):
    run = Run([LATE]).evidence()
    assert judge(run) == []
    assert only(told_as(run, agency, what, **more), Kind.CHANGED)
    drill = with_store(run, POLICE, sent=changed(0, exercise=True))
    assert Kind.CHANGED in kinds(drill)


def test_unaudited_a_look_that_names_nobody():
    run = Run([Said()]).evidence()
    assert only(told_as(run, WEST, "opened", by=None), Kind.UNAUDITED)


@pytest.mark.parametrize(("agency", "what"), [(POLICE, "alarm"), (WEST, "overdue")])
def test_false_what_is_told_again(agency, what):
    run = Run([LATE]).evidence()
    (event,) = (s for s in run.log if (s.kind, s.sender, s.what) == ("event", agency, what))
    offset = 900

    def again(**more):
        return replace(run, log=(*run.log, replace(event, offset=offset, leaf="b" * 64, **more)))

    assert judge(again()) == []  # the same one, produced again
    assert only(again(id="another"), Kind.FALSE_ALARM)
    assert judge(again(id="another", code="another")) == []
    assert judge(put_back(again(id="another"), agency, event.said or 0.0, 10.0**9)) == []


@pytest.mark.parametrize(("given", "found"), [("sent-twice", {Kind.CHANGED}), (None, set())])
def test_changed_a_refusal_whose_reason_is_told_otherwise(given, found):
    run = Run([Said(fate="refused")]).evidence()
    assert judge(run) == []
    history = tuple(
        replace(e, code=given) if (e.call, e.phase) == ("refuse", Phase.INVOKED) else e
        for e in run.history
    )
    assert history != run.history
    assert kinds(replace(run, history=history)) == found


@pytest.mark.parametrize("days", [-1, 1, 3650])
def test_changed_what_is_kept_for_another_time_than_its_sender_said(days):
    run = Run([Said(), Said(to=GONE)]).evidence()
    there = run.stores[WEST].received[0].delete_after + days * 86_400
    assert only(with_store(run, WEST, received=changed(0, delete_after=there)), Kind.CHANGED)
