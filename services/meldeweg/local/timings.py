"""How long each phase took and how much memory each process holds: measured, for the demo to print.

Guarantees: figures of this run, kept in `DIR/timings.json`. Resident memory is the sum over a
process and its descendants; memory they share (PostgreSQL's buffers) counts once, where the kernel
tells proportional shares, else once per process.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from meldeweg.local.files import write_private


@dataclass(slots=True)
class Timings:
    """Seconds by phase and by process, bytes by process."""

    phases: dict[str, float] = field(default_factory=dict)  # in the order they happened
    ready_after: dict[str, float] = field(default_factory=dict)  # process → seconds to ready
    memory: dict[str, int] = field(default_factory=dict)  # process → bytes, descendants included
    began: float = field(default_factory=time.monotonic)
    total: float = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure what happens inside; the same name again adds to it."""
        started = time.monotonic()
        yield
        self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - started

    def finish(self) -> None:
        """From here on the stack is ready."""
        self.total = time.monotonic() - self.began

    def measure_memory(self, pids: Mapping[str, int]) -> None:
        """Look at all processes now; those that have just ended are left out."""
        found = {name: memory_of(pid) for name, pid in pids.items()}
        found["supervisor"] = memory_of(os.getpid(), descendants=False)
        self.memory = {name: size for name, size in found.items() if size}

    def write(self, directory: Path) -> None:
        content = {
            "total_seconds": round(self.total, 3),
            "phases_seconds": {name: round(took, 3) for name, took in self.phases.items()},
            "ready_after_seconds": {n: round(took, 3) for n, took in self.ready_after.items()},
            "memory_bytes": self.memory,
            "memory_total_bytes": sum(self.memory.values()),
        }
        write_private(directory / "timings.json", json.dumps(content, indent=1).encode())


def memory_of(pid: int, *, descendants: bool = True) -> int:
    """Return the resident bytes of a process and its descendants; 0 if it is gone."""
    try:
        head = psutil.Process(pid)
        family = [head, *(head.children(recursive=True) if descendants else ())]
    except psutil.Error:
        return 0
    return sum(_resident(member, alone=len(family) == 1) for member in family)


def _resident(process: psutil.Process, *, alone: bool) -> int:
    try:
        if alone:
            return process.memory_info().rss
        full = process.memory_full_info()
        return getattr(full, "pss", full.rss)
    except psutil.Error:
        return 0
