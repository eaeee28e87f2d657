"""Who runs in a directory: the supervisor and its processes, in `DIR/processes.json`.

Guarantees: a process is named by id *and* start time, so that a number that came round again is
never taken for it. The file serves `down`, `status`, and the case that supervisor and keeper were
killed at once: the next `up` ends what they left before it starts anything.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from meldeweg.kernel.errors import Fatal
from meldeweg.local.files import write_private

_GRACE = 10.0  # seconds between asking and killing


class Entry(BaseModel):
    """One process. `started`: seconds since the epoch, as the kernel tells it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    pid: int
    started: float

    @classmethod
    def of(cls, name: str, pid: int) -> "Entry | None":
        """Look the process up; None if it is gone already."""
        try:
            return cls(name=name, pid=pid, started=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def process(self) -> psutil.Process | None:
        """Return the very process, if it still runs."""
        try:
            found = psutil.Process(self.pid)
        except psutil.NoSuchProcess:
            return None
        if found.create_time() != self.started or found.status() == psutil.STATUS_ZOMBIE:
            return None
        return found


class Roster(BaseModel):
    """Everything that one supervisor runs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    supervisor: Entry
    children: tuple[Entry, ...]


def path_in(directory: Path) -> Path:
    return directory / "processes.json"


def write(directory: Path, roster: Roster) -> None:
    write_private(path_in(directory), roster.model_dump_json(indent=1).encode())


def read(directory: Path) -> Roster | None:
    """Return what was last written there, or None; `Fatal(stack-file-malformed)`."""
    path = path_in(directory)
    if not path.exists():
        return None
    try:
        return Roster.model_validate_json(path.read_bytes())
    except ValidationError:
        # Who runs there can't be told: nothing is started beside it, and nothing ended by guess.
        raise Fatal("stack-file-malformed", str(path)) from None


def end_leftovers(directory: Path) -> list[str]:
    """End what an earlier supervisor left; return the names. Only with the lock in hand."""
    roster = read(directory)
    if roster is None:
        return []
    running = [(entry.name, found) for entry in roster.children if (found := entry.process())]
    _end([found for _, found in running])
    path_in(directory).unlink()
    return [name for name, _ in running]


def _end(heads: Iterable[psutil.Process]) -> None:
    family = [member for head in heads for member in (head, *head.children(recursive=True))]
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.terminate()
    _, alive = psutil.wait_procs(family, timeout=_GRACE)
    for member in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(alive, timeout=_GRACE)
