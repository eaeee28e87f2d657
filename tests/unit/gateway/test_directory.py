"""What the register says to those who look up, over a whole district with real keys."""

from datetime import timedelta

import pytest

from meldeweg.gateway.directory import Directory
from meldeweg.kernel import topics
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyStatus
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE, World


@pytest.fixture(scope="module")
def world():
    return World()


def directory(world, me=POLICE, at=NOW, *more):
    return Directory(me, world.register(*more), FixedClock(at))


def test_agencies_are_those_the_anchor_enrolled(world):
    found = {one.id: one for one in directory(world).agencies()}
    assert set(found) == set(world.offices)
    assert [one.id for one in found.values() if one.me] == [POLICE]
    assert "05166008" in found[KREIS].municipalities
    assert found[KREIS].reads["notification"] == (1,)
    assert {one.status for one in found.values()} == {"active"}


def test_a_revoked_agency_is_shown_so_and_nothing_may_be_told_to_it(world):
    identity = world.offices[NETTETAL].identity
    token = issue.change_status(identity, NETTETAL, AgencyStatus.REVOKED, 1, "Test", NOW)
    found = directory(world, POLICE, NOW, (topics.REGISTRY_AGENCIES, token))
    assert {one.status for one in found.agencies() if one.id == NETTETAL} == {"revoked"}
    assert all(NETTETAL not in one.to for one in found.permissions())
    assert any(KREIS in one.to for one in found.permissions())


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("Grefrath", "Grefrath"),
        ("gref", "Grefrath"),
        ("05166008", "Grefrath"),
        ("brüggen", "Brüggen"),
        ("Brueggen", "Brüggen"),
        ("bruggen", "Brüggen"),
        ("Bru\u0308ggen", "Brüggen"),
        ("kruechten", "Niederkrüchten"),
    ],
)
def test_a_place_is_found_however_it_is_typed(world, query, first):
    found = directory(world).municipalities(query, 10)
    assert [one.name for one in found] == [first]


def test_a_place_says_who_is_responsible(world):
    (grefrath,) = directory(world).municipalities("Grefrath", 10)
    assert (grefrath.ags, grefrath.youth_office, grefrath.police) == ("05166008", KREIS, POLICE)
    (nettetal,) = directory(world).municipalities("Nettetal", 10)
    assert nettetal.youth_office == NETTETAL


def test_names_that_begin_so_come_first_and_the_list_is_bounded(world):
    names = [one.name for one in directory(world).municipalities("n", 10)]
    assert names[0].startswith("N")
    assert len(directory(world).municipalities("", 3)) == 3
    assert len(directory(world).municipalities("", 100)) == 9
    assert directory(world).municipalities("Köln", 10) == ()


def test_contacts_are_the_agreements_functions(world):
    found = directory(world).contacts()
    assert {one.agency for one in found} == set(world.offices)
    assert all(one.phone and one.role and one.hours for one in found)


def test_permissions_are_the_clauses_of_ones_own_direction(world):
    police = {one.clause: one for one in directory(world).permissions()}
    office = {one.clause: one for one in directory(world, KREIS).permissions()}
    told = [one for one in police.values() if "domestic-violence" in (one.grounds or ())]
    assert told
    assert told[0].obligation == "duty"
    assert told[0].legal_basis
    assert told[0].urgency.value in told[0].deadlines
    assert KREIS in told[0].to
    assert POLICE not in told[0].to
    assert any(POLICE in one.to for one in office.values())
    assert all(KREIS not in one.to for one in office.values())


def test_after_the_term_only_what_duty_demands_is_still_permitted(world):
    now = directory(world).permissions()
    later = directory(world, POLICE, NOW + timedelta(days=365)).permissions()
    assert later
    assert all(one.run_off for one in later)
    types = {kind for one in later for kind in one.types}
    assert {"correction", "retraction"} <= types
    assert "notification" not in types
    assert any("notification" in one.types for one in now)
    assert directory(world, POLICE, NOW + timedelta(days=3650)).permissions() == ()


def test_a_stranger_to_the_agreement_learns_nothing_of_it(world):
    stranger = directory(world, AgencyId("jugendamt-fern"))
    assert stranger.permissions() == ()
    assert stranger.contacts() == ()
    assert stranger.municipalities("", 10) == ()
