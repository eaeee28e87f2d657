"""Starts processes in order of need, starts again what ends, stops all in reverse.

Guarantees: a stage starts only when the one before it is ready, or held back (`Held`); when a start
fails, everything is stopped again; a process that ends is started again with backoff, or left alone
when told so, also while the disk is full; after `stop` nothing runs. Trusts the keeper for the case
that this process is killed.
Not for several threads at once: `start` and `stop` belong to the caller, tending to one thread in
between, which `stop` ends first.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from meldeweg.kernel.clock import Clock, SystemClock
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.local import roster
from meldeweg.local.backoff import delay, ends_that_count
from meldeweg.local.journal import Journal
from meldeweg.local.keeper import Keeper
from meldeweg.local.processes import Child, Held, ProcessSpec

_LOOK_EVERY = 0.2  # seconds between looks at all processes


class Interrupted(Exception):
    """Somebody wants it to stop while it is still starting."""


@dataclass(slots=True)
class _Charge:
    """One process over all its lives."""

    child: Child
    stage: int
    ends: int = 0
    started: float = field(default_factory=time.monotonic)
    again_at: float | None = None  # monotonic; set while it waits to be started again
    left_alone: bool = False  # it ended, and nobody is to start it again


class Supervisor:
    """All processes of one stack."""

    def __init__(
        self,
        directory: Path,
        keeper: Keeper,
        *,
        restart: bool = True,
        changed: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        self._directory = directory
        self._logs = directory / "logs"
        self._keeper = keeper
        self._restart = restart
        self._changed = changed
        self._clock = clock or SystemClock()
        self._journal = Journal(self._logs, self._clock)
        self._charges: dict[str, _Charge] = {}
        self.held: dict[str, Held] = {}  # what was not ready at its start, and why that is fine
        self._stages = 0
        self._untold = False  # processes have new ids, and the files do not say so yet
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._write_roster()  # who asks for the end while the first stage is prepared finds us

    @property
    def pids(self) -> dict[str, int]:
        """Name → process id, as of now."""
        return {name: charge.child.pid for name, charge in list(self._charges.items())}

    def start_stage(
        self, specs: Sequence[ProcessSpec], interrupted: Callable[[], bool] = lambda: False
    ) -> dict[str, float]:
        """Start all of `specs`, wait until all are ready; return the seconds each one took.

        One that is held back is not waited for: it is in `held`, and is tended like the others.
        Raises `Fatal(process-ended)`, `Unavailable(process-not-ready)`, or `Interrupted` as soon as
        `interrupted` says so; what runs by then is for `stop`.
        """
        begun = time.monotonic()
        for spec in specs:
            child = Child(spec, self._logs, self._keeper, self._clock)
            self._charges[spec.name] = _Charge(child, self._stages)
            self._journal.write("process_started", process=spec.name, pid=child.pid)
        self._stages += 1
        self._write_roster()
        took: dict[str, float] = {}
        waiting = list(specs)
        while waiting:
            if interrupted():
                raise Interrupted
            self._look_after_all(below=self._stages - 1)
            waiting = [spec for spec in waiting if not self._is_settled(spec, begun)]
            for spec in specs:
                if spec not in waiting and spec.name not in took and spec.name not in self.held:
                    took[spec.name] = time.monotonic() - begun
            if waiting:
                time.sleep(_LOOK_EVERY / 2)
        return took

    def tend(self) -> None:
        """Look after all processes in a thread of its own, until `stop`."""
        self._thread = threading.Thread(target=self._tend, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop everything, last stage first. Idempotent."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        for stage in range(self._stages - 1, -1, -1):
            children = [c.child for c in self._charges.values() if c.stage == stage]
            for child in children:
                child.ask_to_stop()
            for child in children:
                code = child.stop()
                self._journal.write("process_stopped", process=child.spec.name, code=code)
        self._charges.clear()
        self._keeper.close()
        roster.path_in(self._directory).unlink(missing_ok=True)

    def _is_settled(self, spec: ProcessSpec, begun: float) -> bool:
        """Say whether it is ready or held back; raise when it ended, or takes too long."""
        child = self._charges[spec.name].child
        try:
            spec.ready()
        except Held as exc:
            self.held[spec.name] = exc
            self._journal.write("process_held", process=spec.name, why=str(exc))
            return True
        except Unavailable as exc:
            reason = str(exc)
        else:
            return True
        child.raise_if_ended()
        if time.monotonic() - begun > spec.ready_timeout:
            raise Unavailable("process-not-ready", f"{spec.name}: {reason}")
        return False

    def _tend(self) -> None:
        while not self._ending.wait(_LOOK_EVERY):
            try:
                self._look_after_all(below=self._stages)
            except Unavailable as exc:  # no keeper now: nothing is started without one
                self._journal.write("keeper_not_started", why=str(exc))
            except OSError:  # no room for the files: they are written at one of the next looks
                continue

    def _look_after_all(self, below: int) -> None:
        """Look after the processes of all stages below `below`: those of it are starting."""
        self._keeper.ensure_alive()
        charges = [charge for charge in self._charges.values() if charge.stage < below]
        for charge in charges:
            self._untold |= self._look_after(charge)
        if self._untold:
            self._write_roster()
            self._changed()
            self._untold = False

    def _look_after(self, charge: _Charge) -> bool:
        """Notice an end, or start again what has waited long enough; True if the pid changed."""
        now = time.monotonic()
        if charge.again_at is None:
            code = None if charge.left_alone else charge.child.poll()
            if code is not None:
                self._note_end(charge, code, now)
            return False
        if now < charge.again_at:
            return False
        try:
            charge.child = Child(_again(charge.child.spec), self._logs, self._keeper, self._clock)
        except (Unavailable, Fatal, OSError) as exc:  # no memory; its program is being replaced
            self._journal.write("process_not_started", process=charge.child.spec.name, why=str(exc))
            charge.again_at = now + delay(charge.ends)
            return False
        charge.started, charge.again_at = now, None
        self._journal.write(
            "process_restarted", process=charge.child.spec.name, pid=charge.child.pid
        )
        return True

    def _note_end(self, charge: _Charge, code: int, now: float) -> None:
        charge.ends = ends_that_count(charge.ends, now - charge.started)
        wait = delay(charge.ends)
        name = charge.child.spec.name
        if self._restart:
            charge.again_at = now + wait
            self._journal.write("process_ended", process=name, code=code, again_in=wait)
        else:
            charge.left_alone = True
            self._journal.write("process_ended", process=name, code=code)

    def _write_roster(self) -> None:
        entries = [roster.Entry.of(name, pid) for name, pid in self.pids.items()]
        supervisor = roster.Entry.of("supervisor", os.getpid())
        if supervisor is None:
            raise Fatal("process-table-unreadable", "this process has no entry")
        known = tuple(entry for entry in entries if entry is not None)
        roster.write(self._directory, roster.Roster(supervisor=supervisor, children=known))


def _again(spec: ProcessSpec) -> ProcessSpec:
    return spec if spec.again is None else replace(spec, argv=spec.again())
