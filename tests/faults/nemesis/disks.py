"""Disks that are full: each store, and the logs, on a small file system of its own, filled to the
last byte.

The ground "tmpfs" mounts them before the stack starts and needs root; without it the faults are
skipped visibly. Nothing but the stack's own directory is ever filled.
"""

import errno
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from dataclasses import field as member
from pathlib import Path
from typing import Literal, Self

from e2e.stage import District
from faults.fault import Field, Told, Turn
from faults.nemesis.effect import demand
from faults.nemesis.traffic import agency_of, send
from meldeweg.kernel.agreement import load_district

_MIB = 1024 * 1024
_SIZES = {"broker": 768 * _MIB, "postgres": 512 * _MIB, "logs": 256 * _MIB}
_OF_A_GATEWAY = 64 * _MIB
_BALLAST = ".ballast"


@dataclass(frozen=True, slots=True)
class Rooms:
    """The small file systems of one stack."""

    directory: Path
    extra: Mapping[str, Mapping[str, str]] = member(default_factory=dict)

    @classmethod
    @contextmanager
    def laid(cls, directory: Path) -> Iterator[Self]:
        """Mount them; they go with all that is in them when the stack has ended."""
        parties = load_district("kreis-viersen").parties
        sizes = _SIZES | {f"gateways/{each.agency}": _OF_A_GATEWAY for each in parties}
        mounted: list[Path] = []
        try:
            for name, size in sizes.items():
                place = directory / name
                place.mkdir(mode=0o700, parents=True)
                options = f"size={size},mode=0700"
                _run("mount", "-t", "tmpfs", "-o", options, "meldeweg-faults", str(place))
                mounted.append(place)
            yield cls(directory)
        finally:
            with suppress(OSError, shutil.Error):  # what it was, matters more than what it said
                shutil.copytree(directory / "logs", directory / "logs-kept")
            for place in reversed(mounted):
                _run("umount", "--lazy", str(place))

    def started(self, district: District) -> None:
        """Demand that the stores lie where they were meant to."""
        store = Path(next(iter(district.described.agencies.values())).store)
        demand(store.stat().st_dev != self.directory.stat().st_dev, "a store of its own")

    @contextmanager
    def full(self, name: str) -> Iterator[Path]:
        """Fill one of them to the last byte; free again after the block."""
        place = self.directory / name
        ballast = place / _BALLAST
        try:
            _fill(ballast)
            yield place
        finally:
            ballast.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Full:
    """One store has no room left, for a while; or all logs, and a gateway must start meanwhile."""

    who: Literal["gateway", "broker", "database", "logs"]
    hold: float = 20.0
    needs: frozenset[str] = frozenset({"root", "tmpfs"})
    turn: Turn = "alone"
    invariant: str = "errors, no false success, and recovery once there is space"

    @property
    def name(self) -> str:
        return f"disk-full-{self.who}"

    def run(self, field: Field, rng: random.Random) -> Told:
        fixed = {"broker": "broker-1", "database": "postgres"}
        process = fixed.get(self.who) or rng.choice(field.gateways())
        place = {"broker": "broker", "database": "postgres", "logs": "logs"}.get(self.who)
        rooms: Rooms = field.ground["tmpfs"]
        with rooms.full(place or f"gateways/{agency_of(process)}") as full:
            field.say("full", process=process)
            demand(_is_full(full), f"no byte fits at {process}")
            accepted = self._try(field, process)
            if self.who == "logs":
                field.kill(process)  # who starts it again has no room for a line either
            field.settle(self.hold)
            with suppress(OSError):
                _fill(full / _BALLAST)  # what was deleted meanwhile made room again
            demand(_is_full(full), f"still no byte fits at {process}")
        field.ready(process, 120.0)
        said = {
            "gateway": f", {accepted} of 3 calls accepted meanwhile",
            "logs": f" under all logs, {accepted} of 3 calls accepted and the process killed",
        }.get(self.who, "")
        return Told(what=f"disk full at {process} for {self.hold:.0f} s{said}")

    def _try(self, field: Field, process: str) -> int:
        """Send at once; a gateway may still have room in pages that it has, not for long."""
        sender = agency_of(process) if self.who == "gateway" else field.agencies[0]
        return sum(send(field, sender) is not None for _ in range(3))


def _fill(ballast: Path) -> None:
    """Write until nothing fits; the last pieces are small."""
    with ballast.open("ab", buffering=0) as file:
        for piece in (_MIB, 4096, 1):
            zeros = bytes(piece)
            while True:
                try:
                    written = file.write(zeros)
                except OSError as exc:
                    if exc.errno != errno.ENOSPC:
                        raise
                    break
                if not written:
                    break


def _is_full(place: Path) -> bool:
    found = os.statvfs(place)
    return found.f_bavail == 0


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=30)


FAULTS = (
    Full("gateway"),
    Full("broker"),
    Full("database"),
    Full("logs", invariant="no log line is owed: all goes on, and what ends is started again"),
)
