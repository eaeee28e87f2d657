"""What a fault is, what it may touch, and what it tells: between the frame and the single faults.

The frame finds faults in `faults.nemesis.FAULTS` and starts a stack for each set of needs. A fault
injects, holds and heals; it judges nothing: that is the checker's, from what was written down.
"""

import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from e2e.stage import District
from faults.evidence import Barred, Bent, Expired, PutBack
from meldeweg.kernel.ids import AgencyId

NEEDS = frozenset({"root", "netns", "tmpfs", "three-brokers", "proxy"})
# Where it stands on its stack: in a round with others, one after another and with one verdict,
# because it heals within seconds; in a round of its own; or last, because it can't be undone.
Turn = Literal["row", "alone", "last"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a fault did. What it says of an agency excuses that agency alone, and no more;
    what it says of a clock excuses nothing, and demands a warning."""

    what: str  # one line for the table: "kill -9 at intake.after_commit of gateway-…"
    times: int = 1  # how often it was injected
    # Revoked for good: what lies between these and anybody from then on need not end `delivered`,
    # but must end.
    revoked: frozenset[Barred] = frozenset()
    # Their store was put back to an older copy: what it lacks they may accept or show again.
    restored: frozenset[PutBack] = frozenset()
    # Deleted by the fault: the topic itself may be gone when it is asked for what it holds.
    expired: frozenset[Expired] = frozenset()
    # Whose clock was off so far that both ends owe a warning.
    bent: frozenset[Bent] = frozenset()


class Field(Protocol):
    """What a fault may touch. Processes: `gateway-<agency>`, `audit`, `registry`, `watch`,
    `postgres`, `broker-1` (to `broker-3`).
    """

    district: District  # the running stack itself, for what has no name below
    directory: Path  # the stack's; e.g. `district.described.agencies[a].store` lies in it
    scratch: Path  # of this injection alone; kept when the run fails
    agencies: Sequence[AgencyId]  # all parties; the first is the police
    ground: Mapping[str, Any]  # need → what its Ground is, e.g. ground["proxy"]

    def say(self, what: str, **facts: object) -> None:
        """Write down what is done, with the time, into the run's log of faults."""

    def settle(self, seconds: float) -> None:
        """Let the workload go on for so long; raises if the campaign is being ended."""

    def pid(self, process: str) -> int: ...

    def gateways(self) -> list[str]:
        """Return the gateways' process names."""

    def kill(self, process: str) -> None:
        """kill -9; returns when the supervisor has another one up and ready."""

    def terminate(self, process: str) -> float:
        """SIGTERM; returns the seconds it took to end; another one is up and ready then."""

    def frozen(self, process: str) -> AbstractContextManager[None]:
        """SIGSTOP, and SIGCONT in the end; several may be frozen at once."""

    def away(self, process: str) -> AbstractContextManager[None]:
        """Ended, and not started again before the end of the block; ready again after it."""

    def bend(self, process: str, **settings: object) -> None:
        """kill -9 and start once with other settings (`failpoints="…"`); later starts have none.

        Returns when they were read: under load an armed process may be dead again by then.
        """

    def bent(self, process: str, **settings: object) -> AbstractContextManager[None]:
        """The same for a while, over any restarts (`clock_offset=86400.0`); healed in the end."""

    def ready(self, process: str, seconds: float = 180.0) -> None:
        """Wait until it is ready; fails after `seconds`."""

    def fired(self, process: str, failpoint: str) -> int:
        """Return how often a failpoint fired in this injection, from the service's own log."""


class Fault(Protocol):
    """One kind of fault. No state between injections."""

    name: str  # kebab-case
    invariant: str  # one sentence, from the design's table
    needs: frozenset[str]  # of NEEDS; what is missing on this machine skips it visibly
    turn: Turn

    def run(self, field: Field, rng: random.Random) -> Told:
        """Inject, hold, heal; everything that is random comes from `rng`."""


class Ground(Protocol):
    """How a stack is built for a need ("tmpfs", "proxy"); in `faults.nemesis.GROUNDS`, by need.

    Used as `with GROUNDS[need].laid(directory) as ground:` around the stack's whole life.
    """

    # Process → environment that it gets besides; read when the stack is started.
    extra: Mapping[str, Mapping[str, str]]

    @classmethod
    def laid(cls, directory: Path) -> AbstractContextManager["Ground"]:
        """Prepare `directory`, which is still empty; undone when the stack has ended."""

    def started(self, district: District) -> None:
        """Called when the stack is ready."""
