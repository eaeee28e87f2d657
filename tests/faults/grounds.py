"""One stack of the campaign, from the ground that its faults need to the files it leaves.

Everything of it lies in one directory: `stack/` (the district), `history.jsonl`, `faults.jsonl`,
`log/` (the export), `evidence.json` and `findings.json` once something was found.
"""

import os
import random
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from e2e.stage import District
from faults.alarms import HEARTBEAT, SILENT
from faults.evidence import Barred, Bent, Evidence
from faults.fault import Ground
from faults.field import StackField
from faults.gathering import stores
from faults.history import History
from faults.workload import Pace, Workload
from meldeweg.kernel.agreement import load_district
from meldeweg.local.backbone import CONTAINERS, KIND_VARIABLE

_DISTRICT = "kreis-viersen"
# What is a quarter of an hour in earnest must be over within the life of a stack, or nobody would
# ever be seen to be late (`deadlines`).
_IN_EARNEST = "deadlines.immediate = { minutes = 15 }"
_HERE = "deadlines.immediate = { minutes = 1 }"
_MEMORY = 4 << 30  # bytes that three brokers and the rest must find free
# Waits that are minutes in earnest. Parking stays longer than any fault: what is only early must
# not be refused here for want of patience.
_GATEWAY = {
    "MELDEWEG_WATCH__HEARTBEAT": str(HEARTBEAT),
    "MELDEWEG_WATCH__SILENT_IMMEDIATE": str(SILENT),
    "MELDEWEG_OUTBOX__AGAIN_FIRST": "8",
    "MELDEWEG_OUTBOX__AGAIN_LONGEST": "30",
    "MELDEWEG_OUTBOX__BACKOFF_LONGEST": "4",
    "MELDEWEG_OUTBOX__RECEIPTS_AGAIN": "45",
    "MELDEWEG_PARKING__IMMEDIATE": "240",
    "MELDEWEG_PARKING__OTHERS": "240",
}


def hurried(into: Path) -> Path:
    """Write the district's file with short deadlines for what is immediate; returns its path."""
    text = (Path(__file__).parents[2] / "deploy/districts" / f"{_DISTRICT}.toml").read_text("utf-8")
    if _IN_EARNEST not in text:
        raise ValueError(f"{_DISTRICT}: no immediate deadline of 15 minutes to shorten")
    path = into / f"{_DISTRICT}.toml"
    path.write_text(text.replace(_IN_EARNEST, _HERE), "utf-8")
    return path


def missing(needs: frozenset[str]) -> str | None:
    """Return why this machine can't do what a fault needs, or None."""
    for need in sorted(needs):
        why = _CHECKS[need]()
        if why:
            return f"{need}: {why}"
    return None


def _root() -> str | None:
    return None if os.geteuid() == 0 else "not root here"


def _tmpfs() -> str | None:
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            ("mount", "-t", "tmpfs", "-o", "size=1m", "meldeweg-faults", place),
            check=False,
            capture_output=True,
        )
        if done.returncode:
            return "no file system may be mounted here"
        subprocess.run(("umount", place), check=True)
    return None


def _netns() -> str | None:
    if _root() or not shutil.which("ip"):
        return "needs root and iproute2"
    done = subprocess.run(
        ("unshare", "--net", "ip", "link", "add", "a", "type", "veth"),
        check=False,
        capture_output=True,
    )
    return "no network namespaces here" if done.returncode else None


def _three_brokers() -> str | None:
    if os.environ.get(KIND_VARIABLE) == CONTAINERS:
        return "brokers are containers here"
    free = psutil.virtual_memory().available
    return None if free >= _MEMORY else f"{free >> 20} MiB of memory free, 4096 needed"


_CHECKS = {
    "root": _root,
    "tmpfs": _tmpfs,
    "netns": _netns,
    "three-brokers": _three_brokers,
    "proxy": lambda: None,
}
STACK = frozenset({"tmpfs", "proxy", "three-brokers"})  # needs that shape the stack itself


class Site:
    """The running stack, its workload, and where everything is written."""

    def __init__(
        self,
        directory: Path,
        district: District,
        ground: Mapping[str, Ground],
        rng: random.Random,
        ending: threading.Event,
        pace: Pace | None = None,
    ) -> None:
        self.directory, self.district, self._ground = directory, district, ground
        self._ending, self._injections = ending, 0
        self.history = History(directory / "history.jsonl")
        self.workload = Workload(district, self.history, rng, pace)
        self.before = stores(district)  # what was there already is not judged
        # What the faults of this stack did (see fault.Told).
        self.revoked: frozenset[Barred] = frozenset()
        self.restored: frozenset[Any] = frozenset()
        self.expired: frozenset[Any] = frozenset()
        self.bent: frozenset[Bent] = frozenset()
        self.judged: Evidence | None = None  # by the last verdict

    def field(self, name: str) -> StackField:
        """Return what the next fault may touch."""
        self._injections += 1
        return StackField(
            self.district,
            self.history,
            self.directory / "scratch" / f"{self._injections:03}-{name}",
            journal=self.directory / "faults.jsonl",
            ground=self._ground,
            ending=self._ending,
        )


@contextmanager
def site(
    directory: Path,
    needs: frozenset[str],
    kinds: Mapping[str, type[Ground]],
    rng: random.Random,
    ending: threading.Event,
) -> Iterator[Site]:
    """Start a stack for faults with these needs; ended, and its ground undone, with the block."""
    place = directory / "stack"
    place.mkdir(parents=True, mode=0o700)
    with ExitStack() as open_:
        ground = {
            need: open_.enter_context(kinds[need].laid(place))
            for need in sorted(needs)
            if need in kinds
        }
        extra = {f"gateway-{p.agency}": dict(_GATEWAY) for p in load_district(_DISTRICT).parties}
        for each in ground.values():
            for process, more in each.extra.items():
                extra[process] = extra.get(process, {}) | dict(more)
        brokers = 3 if "three-brokers" in needs else 1
        plan = hurried(directory)
        district = District(place, brokers=brokers, extra=extra, plan=plan)
        district.start()
        open_.callback(district.stop)
        for each in ground.values():
            each.started(district)
        found = Site(directory, district, ground, rng, ending)
        open_.callback(found.history.close)
        found.workload.start()
        open_.callback(found.workload.stop)
        yield found
