"""Nothing stays behind: a helper process that ends a stack's processes when their parent can't.

Guarantees: whatever was started with this keeper's environment ends when this process does, however
it dies. The pipe to the helper is the only link: the kernel closes it, even on kill -9.
Trusts: nothing kills both at the same moment (both are in sessions of their own).
"""

import contextlib
import subprocess
import sys
import threading
from pathlib import Path
from secrets import token_hex

from meldeweg.kernel.errors import Unavailable
from meldeweg.local import keeper_process

GRACE = 10.0  # seconds between asking and killing, once the parent is gone
_TRIES = 3  # a helper may be killed before it has read a line: by hand, or for want of memory


class Keeper:
    """One helper process per stack; started before the first child, started again if it dies."""

    def __init__(self, grace: float = GRACE, holds: tuple[int, ...] = ()) -> None:
        """`holds`: file handles it keeps open to its end, for instance a lock's."""
        self._holds = holds
        self._mark = token_hex(8)
        self._grace = grace
        self._lock = threading.Lock()
        self._watched: dict[int, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the stack must carry, so that it can be found in any case."""
        return {keeper_process.MARK_VARIABLE: self._mark}

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def watch(self, pid: int, stop_signal: int) -> None:
        """Have `pid` ended by `stop_signal`, and killed if that does not help, when we are gone.

        Raises `Unavailable(keeper-not-running)`; it is told of `pid` with the next helper then.
        """
        with self._lock:
            self._watched[pid] = stop_signal
            self._tell(f"watch {pid} {stop_signal}\n")

    def forget(self, pid: int) -> None:
        """`pid` has ended and was waited for: its number may soon be another's."""
        with self._lock:
            if self._watched.pop(pid, None) is not None:
                with contextlib.suppress(Unavailable):  # the next helper never hears of it
                    self._tell(f"forget {pid}\n")

    def ensure_alive(self) -> None:
        """Start the helper (again) if it is not running. Cheap; to be called often, and before
        each child: one that is started while there is no helper could be left behind.

        Raises `Unavailable(keeper-not-running)`.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()

    def close(self) -> None:
        """End what is still watched, then the helper; returns when both are done."""
        with self._lock:
            self._end()
            self._watched.clear()

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.poll() is not None:
            self._start()  # tells all that is watched, this line's process among them
            return
        try:
            self._write(line)
        except BrokenPipeError:
            self._start()

    def _write(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()

    def _start(self) -> None:
        """Start a helper that knows all that is watched; one that dies meanwhile is replaced."""
        for _ in range(_TRIES):
            self._end()
            self._process = self._spawned()
            try:
                for pid, stop_signal in self._watched.items():
                    self._write(f"watch {pid} {stop_signal}\n")
            except BrokenPipeError:
                continue
            return
        self._end()
        raise Unavailable("keeper-not-running", f"ended {_TRIES} times before it could listen")

    def _end(self) -> None:
        """Close the pipe of the helper that there is, if any, and wait until it has ended."""
        if self._process is None:
            return
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):  # killed: nobody is left to tell
                self._process.stdin.close()
        self._process.wait()
        self._process = None

    def _spawned(self) -> subprocess.Popen[bytes]:
        script = str(Path(keeper_process.__file__))
        try:
            return subprocess.Popen(  # noqa: S603 - our own script, no shell
                [sys.executable, "-I", script, self._mark, str(self._grace)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=self._holds,
                start_new_session=True,  # a terminal's Ctrl-C must not reach it
                cwd="/",
            )
        except OSError as exc:  # no memory, no more processes
            raise Unavailable("keeper-not-running", str(exc)) from exc
