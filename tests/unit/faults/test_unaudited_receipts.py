"""Each `delivered` is in the log, as each word of a person is."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Kind
from unit.faults.legal import GONE, POLICE, WEST, Run, Said
from unit.faults.planting import not_logged, only


def untold(evidence):
    return replace(not_logged(evidence, lambda seen: seen.what == "delivered"), topics=())


@pytest.mark.parametrize("fate", ["delivered", "acknowledged", "refused", "erased"])
def test_unaudited_a_delivered_that_is_in_no_log(fate):
    run = Run([Said(fate=fate)]).evidence()
    (finding,) = only(untold(run), Kind.UNAUDITED)
    assert finding.why == "delivered: not in the log"


@pytest.mark.parametrize(("sender", "to"), [(POLICE, GONE), (GONE, WEST)])
def test_excused_is_what_a_revoked_agency_cannot_say_and_nobody_can_say_to_it(sender, to):
    run = Run([Said(sender=sender, to=to, fate="delivered")]).evidence()
    assert judge(untold(run)) == []
