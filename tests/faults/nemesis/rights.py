"""ACLs taken from a connection that lives, and given back; and which let a gateway write."""

import asyncio
import random
from dataclasses import dataclass

from faults.fault import Field, Told, Turn
from faults.nemesis.effect import demand
from faults.nemesis.traffic import agency_of, partner_of, send, written_by
from meldeweg.kernel.bus.admin import Acl, Admin
from meldeweg.kernel.bus.rights import EVERYBODY, Operation, Pattern, Resource
from meldeweg.kernel.ids import AgencyId

_EXCHANGE = ("inbox.", "events.")
_GIVEN_BACK = 60  # looks, one a second, until the registry must have given all back


@dataclass(frozen=True, slots=True)
class RightsRemoved:
    """Somebody removes every right of one gateway; the registry is frozen for so long."""

    hold: float = 15.0
    name: str = "rights-removed-and-given-back"
    needs: frozenset[str] = frozenset()
    turn: Turn = "row"
    invariant: str = "nothing moves without a right, nothing is lost; all goes on once it is back"

    def run(self, field: Field, rng: random.Random) -> Told:
        process = rng.choice(field.gateways())
        agency = agency_of(process)
        pid = field.pid(process)
        mine = {each for each in given(field) if each.principal == f"gw-{agency}"}
        demand(mine, f"{process} has rights to lose")
        with field.frozen("registry"):  # or it would give them back within seconds
            field.say("remove-rights", process=process, rights=len(mine))
            asyncio.run(_remove(field, mine))
            demand(not mine & given(field), f"the rights of {process} are gone")
            before = written_by(field, agency)
            send(field, agency)
            send(field, partner_of(agency), agency)
            field.settle(self.hold)
            demand(written_by(field, agency) == before, f"{process} wrote nothing without a right")
            demand(not mine & given(field), f"the rights of {process} are still gone")
        for _ in range(_GIVEN_BACK):
            if mine <= given(field):
                break
            field.settle(1.0)
        demand(mine <= given(field), f"the registry gave {process} its rights back")
        demand(field.pid(process) == pid, f"{process} lived through it")
        return Told(what=f"{len(mine)} ACLs of {process} removed for {self.hold:.0f} s")


def given(field: Field) -> set[Acl]:
    """Return every right that the broker has, as its super user reads them."""
    return asyncio.run(_given(field))


def writing(rights: set[Acl], agency: AgencyId) -> set[Acl]:
    """Return those by which its gateway may write to the exchange, however they are given."""
    return {
        each
        for each in rights
        if each.principal in (f"gw-{agency}", EVERYBODY)
        and each.resource is Resource.TOPIC
        and each.operation in (Operation.WRITE, Operation.ALL)
        and not each.denies
        and _reaches_the_exchange(each)
    }


def _reaches_the_exchange(right: Acl) -> bool:
    if right.pattern is Pattern.LITERAL and right.name == "*":
        return True
    wider = right.pattern is Pattern.PREFIX and any(e.startswith(right.name) for e in _EXCHANGE)
    return wider or right.name.startswith(_EXCHANGE)


async def _given(field: Field) -> set[Acl]:
    admin = Admin(field.district.super_user())
    try:
        return await admin.acls()
    finally:
        await admin.close()


async def _remove(field: Field, rights: set[Acl]) -> None:
    admin = Admin(field.district.super_user())
    try:
        await admin.delete_acls(sorted(rights))
    finally:
        await admin.close()


FAULTS = (RightsRemoved(),)
