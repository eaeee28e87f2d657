"""The checker finds a 201 that names another urgency or deadline than the store keeps."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from faults import promised
from faults.checker import judge
from faults.evidence import Kind, Phase
from unit.faults.legal import EAST, Run, Said
from unit.faults.planting import only


def answered(urgency="today", later=0.0):
    """Return the evidence in which each 201 names these."""
    run = Run([Said(), Said(answer="again"), Said(copy=EAST)]).evidence()
    rows = {row.id: row for store in run.stores.values() for row in store.sent}
    history = tuple(
        replace(
            e,
            members=(e.members or {})
            | {"urgency": urgency, "ack_by": str(rows[e.id].ack_by + later)},
        )
        if (e.call, e.phase) == ("send", Phase.OK) and e.id in rows
        else e
        for e in run.history
    )
    assert history != run.history
    return replace(run, history=history)


def test_an_answer_that_names_what_is_kept_is_fine():
    assert judge(answered()) == []


@pytest.mark.parametrize("more", [{"urgency": "immediate"}, {"later": 31_536_000}, {"later": -2}])
def test_changed_an_answer_that_names_another(more):
    assert only(answered(**more), Kind.CHANGED)


def test_both_are_noted_of_a_201():
    told = SimpleNamespace(urgency="today", ack_by=datetime.fromtimestamp(90, UTC))
    assert promised.of_answer(told) == {"urgency": "today", "ack_by": "90.0"}
