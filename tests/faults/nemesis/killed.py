"""kill -9 at every point that a service declares: the moments at which its promises are made.

The points are asked of the services themselves, so that a new one is tried without a word here.
"""

import importlib
import random
from dataclasses import dataclass

from faults.fault import Field, Told, Turn
from faults.nemesis.brokers import lose_unread
from faults.nemesis.effect import demand
from faults.nemesis.traffic import agency_of, partner_of, send, take
from meldeweg.kernel import failpoints
from meldeweg.kernel.errors import MeldewegError
from meldeweg.kernel.trust.objects import AgencyStatus

_PATIENCE = 60  # knocks until the point must have been reached
_HEARD = 30  # tries with one key: whoever was killed under the first is back by then
_LOOKS, _EVERY = 5, 0.2  # looks after each knock whether it was; seconds between two
_CENTRAL = ("audit", "registry", "watch")
# The points that are passed many times a second, also while starting: not the first time, or the
# process would never be ready.
_OFTEN = {"store": (25, 45), "audit": (4, 9)}
# Passed only when the log lacks what the broker had: it must have been lost before it was read.
_LACKING = ("inclusion.before_again",)


def points() -> list[str]:
    """Return every point of every service."""
    for service in ("gateway", *_CENTRAL):
        importlib.import_module(f"meldeweg.{service}.__main__")
    return failpoints.declared()


@dataclass(frozen=True, slots=True)
class KilledAt:
    """One service dies at one point of its code."""

    point: str
    needs: frozenset[str] = frozenset()

    @property
    def turn(self) -> Turn:
        return "alone" if self.point in _LACKING else "row"

    invariant: str = "what was accepted is delivered and audited; one effect per id"

    @property
    def name(self) -> str:
        return "killed-at-" + self.point.replace(".", "-").replace("_", "-")

    def run(self, field: Field, rng: random.Random) -> Told:
        """Arm it, let traffic reach it, see it fire."""
        family = self.point.partition(".")[0]
        process = family if family in _CENTRAL else rng.choice(field.gateways())
        nth = rng.randint(*_OFTEN.get(family, (1, 1)))
        armed = f"{self.point}=kill@{nth}"
        field.say("arm", process=process, failpoints=armed)
        field.bend(process, failpoints=armed)
        if self.point in _LACKING:
            field.ready(process)
            lose_unread(field, agency_of(process))
        for _ in range(_PATIENCE):
            if self._fires(field, process):
                break
            _knock(field, process, family)
        demand(field.fired(process, self.point), f"{armed} of {process} fired")
        field.ready(process)
        return Told(what=f"kill -9 at {self.point} ({nth}.) of {process}")

    def _fires(self, field: Field, process: str) -> bool:
        for _ in range(_LOOKS):
            if field.fired(process, self.point):
                return True
            field.settle(_EVERY)
        return False


def _knock(field: Field, process: str, family: str) -> None:
    """Do what leads to the point, once."""
    if process == "registry":
        _brake(field)
    elif process in _CENTRAL:
        send(field, field.agencies[0])
    else:
        agency = agency_of(process)
        match family:
            case "inbound":
                send(field, partner_of(agency), agency)
            case "inbox" | "receipt":
                take(field, agency)
            case _:
                send(field, agency, tries=_HEARD)


def _brake(field: Field) -> None:
    """Hand in a change that changes nothing: an active agency is said to be active."""
    with field.district.desk() as desk:
        try:
            desk.set_status(field.agencies[1], AgencyStatus.ACTIVE, "Übung")
        except MeldewegError as exc:
            field.say("brake-failed", why=type(exc).__name__)


FAULTS = tuple(KilledAt(point) for point in points())
