"""`meldeweg local up | down | status`, as functions; the command line adds only its options.

Guarantees: `up` stays in the foreground and ends with everything stopped, on Ctrl-C, SIGTERM, a
closed terminal, or `down` from elsewhere; `down` returns when nothing of the stack runs any more,
even when its supervisor hangs or is dead. Exit codes: 0 fine, 2 the directory is in use, 3 not
running, 10 unhealthy.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.local import description, roster
from meldeweg.local.files import located
from meldeweg.local.keeper import GRACE
from meldeweg.local.lock import LOCK, StackLock
from meldeweg.local.plan import Plan
from meldeweg.local.probes import http_answers
from meldeweg.local.progress import Progress, for_this_terminal
from meldeweg.local.stack import Options, Stack
from meldeweg.local.supervisor import Interrupted
from meldeweg.local.timings import memory_of

OK = 0
NOT_RUNNING = 3
UNHEALTHY = 10

_PATIENCE = 90.0  # seconds `down` gives a supervisor: services drain, then broker and database
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Whether somebody asked for the end. Handlers only note it: the main loop acts."""

    def __init__(self) -> None:
        self.received = False

    def __call__(self) -> bool:
        return self.received

    def note(self, number: int, frame: FrameType | None) -> None:
        self.received = True

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Take Ctrl-C, SIGTERM and SIGHUP while inside. Main thread only."""
        before = {number: signal.signal(number, self.note) for number in _ENDING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait(self) -> None:
        """Return when one of them came."""
        while not self.received:
            time.sleep(0.2)


def up(options: Options, plan: Plan, progress: Progress | None = None) -> int:
    """Start everything, stay until told to end, stop everything; return the exit code.

    Raises what `Stack.start` raises; nothing runs then.
    """
    progress = progress or for_this_terminal()
    signals = Signals()
    with signals.installed():
        stack = Stack(options, plan, progress=progress, interrupted=signals)
        try:
            with stack:
                progress.say(
                    f"Bereit nach {stack.timings.total:.1f} s; Strg-C beendet alles / ready"
                )
                progress.say(
                    f"Wo alles ist / where everything is: {stack.directory / description.NAME}"
                )
                signals.wait()
                progress.say("Wird beendet / stopping")
        except Interrupted:
            progress.say(
                "Beim Start abgebrochen; nichts läuft mehr / interrupted, nothing is left running"
            )
    return OK


def down(directory: Path, patience: float = _PATIENCE) -> int:
    """End the stack of `directory`; return when nothing of it runs. Not running is fine, too."""
    directory = located(directory)
    if not (directory / LOCK).exists():
        return OK
    running = roster.read(directory)
    supervisor = running.supervisor.process() if running else None
    if supervisor is not None:
        supervisor.send_signal(signal.SIGTERM)
        until = time.monotonic() + patience
        # Looked for anew: one that ended and that nobody has reaped yet has a process id still.
        while running and running.supervisor.process() is not None:
            if time.monotonic() > until:
                supervisor.kill()  # its keeper ends the rest
                break
            time.sleep(0.1)
    try:
        lock = StackLock.take(directory, patience=max(patience, 2 * GRACE))
    except Refused:
        return UNHEALTHY
    try:
        roster.end_leftovers(directory)  # should supervisor and keeper have been killed at once
        description.remove(directory)
    finally:
        lock.release()
    return OK


@dataclass(frozen=True, slots=True)
class State:
    """One process of a stack. `problem`: empty when it is well. `memory`: bytes."""

    name: str
    pid: int
    memory: int
    url: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """What `status` found. `exit_code`: 0 all well, 3 not running, 10 something is not well."""

    states: tuple[State, ...]

    @property
    def exit_code(self) -> int:
        if not self.states:
            return NOT_RUNNING
        return UNHEALTHY if any(state.problem for state in self.states) else OK


def is_running(directory: Path) -> bool:
    """Say whether the stack of `directory` has a supervisor that lives."""
    running = roster.read(located(directory))
    return running is not None and running.supervisor.process() is not None


def status(directory: Path) -> Status:
    """Look at every process of the stack of `directory`, and ask those with a `/readyz`."""
    directory = located(directory)
    running = roster.read(directory)
    if running is None or running.supervisor.process() is None:
        return Status(())
    urls = _urls(directory)
    supervisor = _state(running.supervisor, "")
    if not (directory / description.NAME).exists():
        supervisor = replace(supervisor, problem="startet oder endet / starting or ending")
    return Status((supervisor, *(_state(e, urls.get(e.pid, "")) for e in running.children)))


def _urls(directory: Path) -> dict[int, str]:
    """Return process id → URL, as far as the stack has been ready."""
    try:
        known = description.read(directory)
    except Unavailable:
        return {}
    places: list[description.Place] = [*known.agencies.values(), *known.services.values()]
    return {place.pid: place.url for place in places}


def _state(entry: roster.Entry, url: str) -> State:
    if entry.process() is None:
        return State(entry.name, entry.pid, 0, url, "not running")
    problem = ""
    if url:
        try:
            http_answers(f"{url}/readyz")
        except Unavailable as exc:
            problem = exc.detail
    memory = memory_of(entry.pid, descendants=entry.name != "supervisor")
    return State(entry.name, entry.pid, memory, url, problem)
