"""SIGSTOP for longer than anybody waits: alive for the system, dead for everybody who asks."""

import random
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import psutil

from faults.evidence import StoreDump
from faults.fault import Field, Told, Turn
from faults.gathering import stores
from faults.nemesis.effect import demand
from meldeweg.kernel.ids import AgencyId

# Seconds. Requests end after 10, HTTP calls after 30, a reader's watchdog after 60.
BEYOND_EVERY_TIMEOUT = 65.0


@dataclass(frozen=True, slots=True)
class Frozen:
    """One process, and all its children, stand still."""

    who: Literal["gateway", "broker", "database"]
    hold: float = BEYOND_EVERY_TIMEOUT
    needs: frozenset[str] = frozenset()
    turn: Turn = "alone"
    invariant: str = (
        "no accepted message is lost, duplicates are removed, the order within a thread stays"
    )

    @property
    def name(self) -> str:
        return f"{self.who}-frozen"

    def run(self, field: Field, rng: random.Random) -> Told:
        """Stop it, hold, let it go on."""
        fixed = {"broker": "broker-1", "database": "postgres"}
        process = fixed.get(self.who) or rng.choice(field.gateways())
        pid = field.pid(process)
        field.say("freeze", process=process, seconds=self.hold)
        with field.frozen(process), _children_frozen(pid) as family:
            field.settle(self.hold / 2)
            moving = [each for each in family if _moves(each)]
            demand(not moving, f"{process} and its children stand still")
            before = stores(field.district)
            field.settle(self.hold / 2)
            if self.who == "database":
                _nothing_let_go(before, stores(field.district))
        field.ready(process, 120.0)
        demand(field.pid(process) == pid, f"{process} was frozen, not restarted")
        return Told(what=f"SIGSTOP of {process} ({len(family)} processes) for {self.hold:.0f} s")


@contextmanager
def _children_frozen(pid: int) -> Iterator[list[psutil.Process]]:
    """Freeze what the process has started as well: a database does its work in children."""
    head = psutil.Process(pid)
    children = head.children(recursive=True)
    try:
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGSTOP)
        yield [head, *children]
    finally:
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGCONT)


def _nothing_let_go(
    before: Mapping[AgencyId, StoreDump], after: Mapping[AgencyId, StoreDump]
) -> None:
    """Demand that outboxes still have what was sent meanwhile: the log can't have got any of it."""
    sent = 0
    for agency, store in after.items():
        old = {row.id for row in before[agency].sent}
        new = {row.digest for row in store.sent if row.id not in old}
        gone = new - {row.ref for row in store.outbox}
        if gone:
            raise AssertionError(f"{agency} let go of {len(gone)} messages that no log has")
        sent += len(new)
    demand(sent, "something was sent while the database stood still")


def _moves(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


FAULTS = (Frozen("gateway"), Frozen("broker"), Frozen("database"))
