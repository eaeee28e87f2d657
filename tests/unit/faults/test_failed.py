"""A call that surely failed has kept nothing, whatever another one that went unheard may have."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Kind, Phase
from unit.faults.legal import Run, Said
from unit.faults.planting import only


def ended(evidence, key, *phases):
    """Return the evidence in which the tries with that key ended so."""
    ops = [e.op for e in evidence.history if e.key == key]
    end = dict(zip(ops, phases, strict=True))
    return replace(
        evidence,
        history=tuple(
            replace(e, phase=end[e.op], code="told", id=None, linked=None)
            if e.op in end and e.phase is not Phase.INVOKED
            else e
            for e in evidence.history
        ),
    )


def test_invented_what_was_opened_though_its_call_surely_failed():
    run = Run([Said(answer="unheard"), Said(answer="failed"), Said()]).evidence()
    assert judge(run) == []
    other = ended(ended(run, "key-0", Phase.FAIL), "key-1", Phase.UNKNOWN)
    (finding,) = only(other, Kind.INVENTED)
    assert finding.about == "id-0"


@pytest.mark.parametrize("heard", range(3))
def test_one_of_its_tries_that_went_unheard_explains_it(heard):
    run = Run([Said(answer="late")]).evidence()
    tries = [Phase.FAIL] * 3
    tries[heard] = Phase.UNKNOWN
    assert judge(ended(run, "key-0", *tries)) == []
