"""The process that outlives its parent by a few seconds, to end what the parent left running.

Guarantees: when standard input ends (the parent closed it, exited or was killed with -9), every
process it was told of, all their descendants, and everything else that carries this stack's mark in
its environment has ended before this process does. Trusts process ids only together with their
start time. Run by path with `python -I`, so it imports nothing of meldeweg.

Lines on standard input: `watch PID SIGNAL`, `forget PID`. Arguments: MARK GRACE_SECONDS.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

import psutil

# Not `MELDEWEG_…`: a service refuses to start with a setting of that kind it does not know.
MARK_VARIABLE = "STACK_PROCESS_MARK"


def main(mark: str, grace: float) -> None:
    # A terminal's Ctrl-C or a service manager's SIGTERM is for the parent, which closes the pipe.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    end_all(follow(), mark, grace)


def follow() -> dict[int, tuple[psutil.Process, int]]:
    """Read until the parent is gone; return what was being watched then."""
    watched: dict[int, tuple[psutil.Process, int]] = {}
    for line in sys.stdin:
        match line.split():
            case ["watch", pid, number]:
                try:
                    watched[int(pid)] = (psutil.Process(int(pid)), int(number))
                except psutil.NoSuchProcess:
                    continue  # it ended before it could be looked at
            case ["forget", pid]:
                watched.pop(int(pid), None)
            case _:
                continue
    return watched


def end_all(watched: dict[int, tuple[psutil.Process, int]], mark: str, grace: float) -> None:
    """Ask each head by its own signal, wait `grace` seconds, then kill whatever is left."""
    heads = [(process, number) for process, number in watched.values() if process.is_running()]
    family = {member for process, _ in heads for member in (process, *descendants(process))}
    strays = marked(mark) - family
    for process, number in [*heads, *((stray, signal.SIGTERM) for stray in strays)]:
        send(process, number)
    psutil.wait_procs(family | strays, timeout=grace)
    # Once more from the start: whoever forked meanwhile is marked, or a descendant.
    left = [
        member
        for process in family | strays | marked(mark)
        for member in (*descendants(process), process)
    ]
    for member in left:
        send(member, signal.SIGKILL)
    await_end(left, grace)


def await_end(killed: Iterable[psutil.Process], seconds: float) -> None:
    """Wait until none of them runs: on a busy machine that is later than the signal.

    One that has ended and was not collected (a zombie) does not run.
    """
    deadline = time.monotonic() + seconds
    while any(runs(process) for process in killed) and time.monotonic() < deadline:
        time.sleep(0.02)


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def marked(mark: str) -> set[psutil.Process]:
    """Find processes started by this stack that nobody had time to tell of."""
    found = set()
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if process.environ().get(MARK_VARIABLE) == mark:
                found.add(process)
        except (psutil.Error, OSError):
            continue  # another user's, or gone
    return found


def send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)  # checks the start time: never a stranger with the same id
    except psutil.Error:
        return


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
