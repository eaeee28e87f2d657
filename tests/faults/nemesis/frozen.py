"""SIGSTOP for longer than anybody waits: alive for the system, dead for everybody who asks."""

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import psutil

from faults.fault import Field, Told
from faults.nemesis.effect import demand

# Seconds. Requests end after 10, HTTP calls after 30, a reader's watchdog after 60.
BEYOND_EVERY_TIMEOUT = 65.0


@dataclass(frozen=True, slots=True)
class Frozen:
    """One process, and all its children, stand still."""

    who: Literal["gateway", "broker", "database"]
    hold: float = BEYOND_EVERY_TIMEOUT
    needs: frozenset[str] = frozenset()
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
            field.settle(self.hold / 2)
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


def _moves(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


FAULTS = (Frozen("gateway"), Frozen("broker"), Frozen("database"))
