"""A legal run of the campaign, in whose evidence tests plant what must never be."""

import pytest

from faults.checker import judge
from unit.faults.legal import POLICE, WEST, Run, Said


@pytest.fixture
def run():
    """Six messages, five in one thread; one urgent, one the other way."""
    return Run(
        [
            Said(),
            Said(answer="late"),
            Said(urgency="immediate", fate="delivered"),
            Said(fate="refused"),
            Said(fate="erased"),
            Said(sender=WEST, to=POLICE, thread="back"),
        ]
    )


@pytest.fixture
def legal(run):
    evidence = run.evidence()
    assert judge(evidence) == []
    return evidence
