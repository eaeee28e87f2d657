"""A log that is set aside by the process that writes it, where standard error is a file.

Whoever starts a process with a file as its output names that file in STACK_LOG_FILE; the process
looks at its size before each line. A file above 16 MiB becomes `.1`, one generation is kept.
Guarantees: no line is lost or torn at the turn, whichever thread or library writes: the descriptor
is exchanged at once, so a write goes whole into the one file or the other. No other process is
needed, so it goes on where the one that started us was killed. Killed between the two steps, ours
leaves no file: the next start makes one. Where the disk or a right forbids the turn, lines go on
into the full file, and the next line tries again.
Trusts: who set the variable; a standard error that is not that file is never touched.
"""

import os
import stat
import threading
from pathlib import Path

VARIABLE = "STACK_LOG_FILE"  # not `MELDEWEG_…`: it is no setting, an operator's log is the journal
LIMIT = 16 * 1024 * 1024  # bytes of one file; the line that passes it is the last one
_STDOUT, _STDERR = 1, 2

_turning = threading.Lock()


def aside(path: Path) -> Path:
    """Return what a file is called that was set aside."""
    return path.with_name(f"{path.name}.1")


def set_aside(path: Path, limit: int | None = None) -> None:
    """Rename a file that grew beyond `limit` bytes, over its predecessor; nobody may write it."""
    if path.exists() and path.stat().st_size > (LIMIT if limit is None else limit):
        path.replace(aside(path))


def make_room() -> None:
    """Turn to a new file if what standard error is has grown beyond the limit. Never raises."""
    place = os.environ.get(VARIABLE)
    # Whoever comes while another thread turns (or this one: a finaliser may log) writes and goes.
    if place is None or not _turning.acquire(blocking=False):
        return
    try:
        ours = os.fstat(_STDERR)
        if stat.S_ISREG(ours.st_mode) and ours.st_size > LIMIT:
            _turn(Path(place), ours)
    except OSError:
        return  # the lines go on where they went
    finally:
        _turning.release()


def _turn(path: Path, ours: os.stat_result) -> None:
    if _is(path, ours):
        path.replace(aside(path))
    elif not _is(aside(path), ours):  # where an earlier turn ended halfway, it is the one aside
        return
    new = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        both = os.path.samestat(os.fstat(_STDOUT), ours)
        os.dup2(new, _STDERR)
        if both:
            os.dup2(new, _STDOUT)
    finally:
        os.close(new)


def _is(path: Path, ours: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), ours)
    except FileNotFoundError:
        return False
