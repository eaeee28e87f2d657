"""The checker finds who is not named, another reason, and what is kept for another time."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Kind, Phase
from unit.faults.legal import GONE, WEST, Run, Said
from unit.faults.planting import changed, kinds, only, with_store


def told_as(evidence, agency, what, **more):
    """Return the evidence in which that agency's events of a kind say something else."""
    log = tuple(
        replace(s, **more) if (s.kind, s.sender, s.what) == ("event", agency, what) else s
        for s in evidence.log
    )
    assert log != evidence.log
    return replace(evidence, log=log, topics=())


def test_unaudited_a_look_that_names_nobody():
    run = Run([Said()]).evidence()
    assert only(told_as(run, WEST, "opened", by=None), Kind.UNAUDITED)


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
