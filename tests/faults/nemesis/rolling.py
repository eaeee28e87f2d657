"""Every service is stopped and started in turn, under load, as at an update."""

import random
from dataclasses import dataclass

from faults.fault import Field, Told, Turn
from faults.nemesis.effect import demand

_LIMIT = 20.0  # seconds in which a service drains (I7)
_CENTRAL = ("audit", "registry", "watch")


@dataclass(frozen=True, slots=True)
class RollingRestart:
    """SIGTERM to each, wait until it is back, go on with the next."""

    name: str = "rolling-restart"
    needs: frozenset[str] = frozenset()
    turn: Turn = "row"
    invariant: str = "no loss; each stop within its limit"

    def run(self, field: Field, rng: random.Random) -> Told:
        processes = [*field.gateways(), *_CENTRAL]
        rng.shuffle(processes)
        took: dict[str, float] = {}
        for process in processes:
            before = field.pid(process)
            took[process] = field.terminate(process)
            field.say("restarted", process=process, seconds=round(took[process], 2))
            demand(field.pid(process) != before, f"{process} has another pid")
        slowest = max(took, key=lambda each: took[each])
        if took[slowest] > _LIMIT:
            raise AssertionError(f"{slowest} took {took[slowest]:.1f} s to stop")
        said = f"the slowest stop {took[slowest]:.1f} s"
        return Told(
            what=f"{len(processes)} services restarted in turn, {said}", times=len(processes)
        )


FAULTS = (RollingRestart(),)
