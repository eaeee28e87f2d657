"""Keys and standing that change with messages in flight: rotated, suspended, resumed, revoked."""

import random
from dataclasses import dataclass

from e2e.asking import eventually, status_of
from faults.evidence import Barred
from faults.fault import Field, Told, Turn
from faults.nemesis.effect import demand
from faults.nemesis.rights import given, writing
from faults.nemesis.traffic import partner_of, send, taken, written_by
from meldeweg.ceremony import keys
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.keyfile import read_signing_key
from meldeweg.kernel.trust.objects import AgencyStatus

_SEEN = 30.0  # seconds until every gateway must have read it


@dataclass(frozen=True, slots=True)
class Rotated:
    """An agency gets new online keys; what was sealed and signed before is still under way."""

    hold: float = 10.0
    name: str = "keys-rotated"
    needs: frozenset[str] = frozenset()
    turn: Turn = "row"
    invariant: str = "the old key serves until what was sealed to it is there; nothing is lost"

    def run(self, field: Field, rng: random.Random) -> Told:
        agency = rng.choice(field.agencies)
        places, district = field.district.places, field.district
        identity = read_signing_key(places.offline(f"identity-{agency}.jwk"))
        with field.frozen(f"gateway-{agency}"):  # in flight: sealed to the old key, and waiting
            for _ in range(3):
                taken(field, partner_of(agency), agency)
            new = set(keys.rotate(identity, agency, places.keys(agency), district.now()).values())
            field.say("rotate", agency=agency)
        eventually(lambda: new <= _published(field, agency), _SEEN, shown=lambda: "new keys")
        field.settle(self.hold)
        return Told(what=f"signing and encryption key of {agency} rotated")


def _published(field: Field, agency: AgencyId) -> set[str]:
    with field.district.desk() as desk:
        return {
            key["kid"]
            for each in desk.agencies()
            if each["agency"] == agency
            for key in each["keys"]
        }


@dataclass(frozen=True, slots=True)
class Suspended:
    """The brake is pulled, and released again."""

    hold: float = 15.0
    name: str = "agency-suspended-and-resumed"
    needs: frozenset[str] = frozenset()
    turn: Turn = "row"
    invariant: str = "nothing of it moves at once, at the broker too; what waits arrives afterwards"

    def run(self, field: Field, rng: random.Random) -> Told:
        agency = rng.choice(_braked(field))
        _may_write(field, agency)
        field.say("suspend", agency=agency)
        with field.district.desk() as desk:
            desk.set_status(agency, AgencyStatus.SUSPENDED, "Verdacht (Übung)")
            try:
                _all_see(field, agency, "suspended")
                send(field, agency)
                send(field, partner_of(agency), agency)
                _stands_still(field, agency, self.hold)
            finally:
                field.say("resume", agency=agency)
                desk.set_status(agency, AgencyStatus.ACTIVE, "geklärt (Übung)")
        _all_see(field, agency, "active")
        return Told(what=f"{agency} suspended for {self.hold:.0f} s, then resumed")


@dataclass(frozen=True, slots=True)
class Revoked:
    """An agency is taken out of the district for good."""

    hold: float = 15.0
    name: str = "agency-revoked"
    needs: frozenset[str] = frozenset()
    turn: Turn = "last"
    invariant: str = "nothing moves at once, at the broker too; what waits is reported, and ends"

    def run(self, field: Field, rng: random.Random) -> Told:
        del rng
        left = _braked(field)
        demand(left, "there is an office left to revoke")
        agency = left[-1]
        _may_write(field, agency)
        for _ in range(3):  # in flight
            taken(field, agency)
            taken(field, partner_of(agency), agency)
        moment = SystemClock().now().timestamp()
        field.say("revoke", agency=agency)
        anchor = field.district.places.offline("anchor.jwk")
        order = ("registry", "revoke", agency, "--reason", "Übung", "--yes")
        field.district.cli(*order, "--key", anchor, "--dir", field.directory)
        others = [each for each in field.agencies if each != agency]
        eventually(lambda: status_of(field.district, agency, others[0]) == "revoked", _SEEN)
        _stands_still(field, agency, self.hold)
        return Told(what=f"{agency} revoked for good", revoked=frozenset({Barred(agency, moment)}))


def _stands_still(field: Field, agency: AgencyId, hold: float) -> None:
    """Demand that the broker takes nothing of it, once everybody knows; holds so long.

    An honest gateway writes nothing by itself then: so the broker is asked for its rights, too,
    which are what holds a dishonest one.
    """
    field.settle(hold / 3)
    _may_not_write(field, agency, hold / 3)
    before = written_by(field, agency)
    field.settle(hold * 2 / 3)
    moved = written_by(field, agency) - before
    if moved:
        raise AssertionError(f"{moved} records of {agency} were written behind its back")
    _may_not_write(field, agency, 0.0)  # and they did not come back meanwhile


def _may_write(field: Field, agency: AgencyId) -> None:
    """Demand that it has rights to lose; a fault before this one may have taken them."""
    eventually(
        lambda: writing(given(field), agency), _SEEN, shown=lambda: f"{agency} may write nothing"
    )


def _may_not_write(field: Field, agency: AgencyId, seconds: float) -> None:
    """Demand that the broker has no right of it to write to inboxes or events, after so long."""
    eventually(
        lambda: not writing(given(field), agency),
        seconds,
        shown=lambda: f"the broker lets {agency} write nothing",
    )


def _braked(field: Field) -> list[AgencyId]:
    """Return the offices that are active; the police is everybody's partner, and stays."""
    with field.district.desk() as desk:
        active = {each["agency"] for each in desk.agencies() if each["status"] == "active"}
    return [each for each in field.agencies[1:] if each in active]


def _all_see(field: Field, agency: AgencyId, status: str) -> None:
    for other in field.agencies:
        if other == field.agencies[0] or other == agency:
            eventually(lambda seen_by=other: status_of(field.district, agency, seen_by) == status)


FAULTS = (Rotated(), Suspended(), Revoked())
