"""A gateway's clock is a day off, either way."""

import random
from dataclasses import dataclass
from datetime import timedelta

from e2e.asking import eventually
from faults.evidence import Bent
from faults.fault import Field, Told, Turn
from faults.nemesis.effect import demand
from faults.nemesis.traffic import agency_of, partner_of, taken
from meldeweg.client import Accepted
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.ids import AgencyId

_DAY = timedelta(days=1)
_ARRIVES = 60.0  # seconds until a message must be delivered, and its sender know of it


@dataclass(frozen=True, slots=True)
class DayOff:
    """One gateway lives in yesterday, or tomorrow."""

    days: int
    hold: float = 20.0
    needs: frozenset[str] = frozenset()
    turn: Turn = "row"
    invariant: str = "order by the broker's offsets; a warning at both ends, no refusal"

    @property
    def name(self) -> str:
        return "clock-a-day-ahead" if self.days > 0 else "clock-a-day-behind"

    def run(self, field: Field, rng: random.Random) -> Told:
        process = rng.choice(field.gateways())
        field.say("bend-clock", process=process, days=self.days)
        with field.bent(process, clock_offset=self.days * _DAY.total_seconds()):
            agency = agency_of(process)
            partner = partner_of(agency)
            at = SystemClock().now().timestamp()
            accepted = taken(field, agency)
            differs = accepted.created - field.district.now()
            demand(abs(differs - self.days * _DAY) < _DAY / 2, f"{process} lives a day off")
            # Each has the other's message and its answer by then: both can see it, and must say so.
            _arrives(field, agency, accepted)
            _arrives(field, partner, taken(field, partner, agency))
            field.settle(self.hold)
        field.ready(process)
        return Told(
            what=f"clock of {process} {self.days:+d} day for {self.hold:.0f} s",
            bent=frozenset({Bent(agency, partner, at)}),
        )


def _arrives(field: Field, sender: AgencyId, accepted: Accepted) -> None:
    """Wait until its sender has heard that it was delivered."""
    gateway = field.district[sender]
    eventually(
        lambda: gateway.sent(accepted.id).state not in ("queued", "sent"),
        _ARRIVES,
        shown=lambda: f"{accepted.id} of {sender} delivered",
    )


FAULTS = (DayOff(+1), DayOff(-1))
