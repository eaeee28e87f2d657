"""Whom a start waits for: the gateways that run here and may announce something."""

from types import SimpleNamespace

from meldeweg.kernel.ids import AgencyId
from meldeweg.local.district import unannounced

POLICE, KEMPEN, NEW = map(AgencyId, ("polizei-viersen", "jugendamt-kempen", "jugendamt-neu"))


def known(**reads):
    return [
        SimpleNamespace(id=agency.replace("_", "-"), reads=types) for agency, types in reads.items()
    ]


def test_who_has_not_announced_what_it_reads_is_waited_for():
    found = known(polizei_viersen={"inquiry": (1,)}, jugendamt_kempen={})
    assert unannounced(found, {POLICE, KEMPEN}) == [KEMPEN]
    assert unannounced(known(polizei_viersen={"inquiry": (1,)}), {POLICE, KEMPEN}) == [KEMPEN]


def test_who_is_enrolled_without_a_gateway_here_is_not():
    found = known(polizei_viersen={"inquiry": (1,)}, jugendamt_neu={})
    assert unannounced(found, {POLICE}) == []
