"""A gateway's clock is a day off, either way."""

import random
from dataclasses import dataclass
from datetime import timedelta

from faults.fault import Field, Told, Turn
from faults.nemesis.effect import demand
from faults.nemesis.traffic import agency_of, send
from meldeweg.client import Accepted

_DAY = timedelta(days=1)
_TRIES = 10


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
            accepted = self._sent(field, process)
            differs = accepted.created - field.district.now()
            demand(abs(differs - self.days * _DAY) < _DAY / 2, f"{process} lives a day off")
            field.settle(self.hold)
        field.ready(process)
        return Told(what=f"clock of {process} {self.days:+d} day for {self.hold:.0f} s")

    def _sent(self, field: Field, process: str) -> Accepted:
        for _ in range(_TRIES):
            accepted = send(field, agency_of(process))
            if accepted is not None:
                return accepted
            field.settle(1.0)
        raise AssertionError(f"{process} accepts nothing with its clock {self.days:+d} day")


FAULTS = (DayOff(+1), DayOff(-1))
