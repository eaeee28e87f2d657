"""One process of the stack: started in a session of its own, watched, ended for certain.

Guarantees: after `stop` neither the process nor anything it started is running; if this process
dies first, its keeper sees to that. No environment of the caller reaches a child but what is named
here. Trusts the readiness probe of the specification.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from meldeweg.kernel import logfile
from meldeweg.kernel.clock import Clock, SystemClock
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.local.keeper import Keeper
from meldeweg.local.keeper_process import await_end
from meldeweg.local.output import Wrapper, last_lines, log_path

# A stack must behave alike in every shell; what else a process needs is in its specification.
_INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH",
    "PYTHONWARNINGS", "VIRTUAL_ENV", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH",
)  # fmt: skip
_PROBE_EVERY = 0.1  # seconds
_KILLED_WITHIN = 10.0  # seconds; a busy machine is slow also in this

Probe = Callable[[], None]
"""Returns when the process is ready, raises `Unavailable` while it is not.

Raises `Held` where the process is well and lacks nothing but a decision of somebody else, or time.
"""


class Held(Unavailable):
    """Well, and not ready as long as somebody else wants, or it reads: no reason to end a start."""


def wait_until(
    ready: Probe, name: str, timeout: float, meanwhile: Callable[[], None] = lambda: None
) -> float:
    """Wait until `ready` passes, at most `timeout` seconds; return how many it took.

    Raises `Unavailable(process-not-ready)`, and whatever `meanwhile` raises.
    """
    started = time.monotonic()
    while True:
        try:
            ready()
        except Unavailable as exc:
            reason = str(exc)
        else:
            return time.monotonic() - started
        meanwhile()
        if time.monotonic() - started > timeout:
            raise Unavailable("process-not-ready", f"{name}: {reason}")
        time.sleep(_PROBE_EVERY)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """What to start and how to tell that it is ready. Times in seconds."""

    name: str
    argv: tuple[str, ...]
    ready: Probe
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    foreign_output: bool = False  # does not write JSON lines: wrapped, line by line
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 20.0
    ready_timeout: float = 60.0
    # What to start when it has ended, where that must be looked at anew each time. Raises `Fatal`.
    again: Callable[[], tuple[str, ...]] | None = None


class Child:
    """A started process. Not thread-safe: its owner starts, polls and stops it."""

    def __init__(
        self, spec: ProcessSpec, logs: Path, keeper: Keeper, clock: Clock | None = None
    ) -> None:
        self.spec = spec
        self._keeper = keeper
        self._log = log_path(logs, spec.name)
        self._wrapper: Wrapper | None = None
        self._settled = False
        self._asked = False
        keeper.ensure_alive()
        self._process = self._start(clock or SystemClock())
        try:
            keeper.watch(self._process.pid, spec.stop_signal)
        except Unavailable:  # without a keeper it could be left behind, so it does not stay
            self._process.send_signal(signal.SIGSTOP)  # nor starts anybody meanwhile
            self._kill(self._family())
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code once it has ended (negative: the signal that ended it)."""
        code = self._process.poll()
        if code is not None:
            self._after_end()
        return code

    def wait_ready(self) -> float:
        """Wait until the probe passes; return the seconds it took.

        Raises `Fatal(process-ended)` when the process ends instead, and
        `Unavailable(process-not-ready)` when it takes longer than its specification allows.
        """
        spec = self.spec
        return wait_until(spec.ready, spec.name, spec.ready_timeout, self.raise_if_ended)

    def raise_if_ended(self) -> None:
        """Raise `Fatal(process-ended)` with the last lines of its log, if it has ended."""
        code = self.poll()
        if code is not None:
            raise Fatal("process-ended", self._ended(code))

    def ask_to_stop(self) -> None:
        """Send the stop signal, without waiting; once, because a second one means "at once"."""
        if not self._asked and self._process.poll() is None:
            self._asked = True
            self._process.send_signal(self.spec.stop_signal)

    def stop(self) -> int:
        """Ask, wait `stop_timeout`, kill; return the exit code. Idempotent."""
        family = self._family()
        self.ask_to_stop()
        try:
            self._process.wait(self.spec.stop_timeout)
        except subprocess.TimeoutExpired:
            family |= self._family()
        self._kill(family)
        return self._process.wait()

    def _kill(self, family: set[psutil.Process]) -> None:
        """End it, if it has not ended, and whoever of its descendants outlived it."""
        self._process.kill()  # nothing, where it was waited for
        self._process.wait()
        for left in family:
            with contextlib.suppress(psutil.Error):
                left.kill()  # psutil checks the start time
        await_end(family, _KILLED_WITHIN)
        self._after_end()

    def _start(self, clock: Clock) -> subprocess.Popen[bytes]:
        spec = self.spec
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        if not spec.foreign_output:
            environment[logfile.VARIABLE] = str(self._log.absolute())
        try:
            logfile.set_aside(self._log)
            with self._log.open("ab") as log:
                self._log.chmod(0o600)
                process = subprocess.Popen(  # noqa: S603 - argv from our own plan, no shell
                    spec.argv,
                    env=environment | dict(spec.env) | self._keeper.environment,
                    cwd=spec.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE if spec.foreign_output else log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # a terminal's Ctrl-C reaches the supervisor alone
                )
        except OSError as exc:  # also where its log can't be made: the disk is full
            raise Unavailable("process-not-started", f"{spec.name}: {exc}") from exc
        if process.stdout is not None:
            self._wrapper = Wrapper(process.stdout, self._log, spec.name, clock)  # type: ignore[arg-type]  # Popen says IO[bytes]
            self._wrapper.start()
        return process

    def _family(self) -> set[psutil.Process]:
        try:
            return set(psutil.Process(self.pid).children(recursive=True))
        except psutil.Error:
            return set()

    def _after_end(self) -> None:
        if self._settled:
            return
        self._settled = True  # once: the number may be another's later
        # Others of its session may have outlived the head.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._keeper.forget(self.pid)
        if self._wrapper is not None:
            self._wrapper.join(timeout=2)

    def _ended(self, code: int) -> str:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"{self.spec.name}: {how}; end of {self._log}:\n{last_lines(self._log)}"
