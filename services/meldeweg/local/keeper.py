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

from meldeweg.kernel.errors import Fatal
from meldeweg.local import keeper_process

_STARTS = 5  # helpers in a row that may die before they read what is watched
GRACE = 10.0  # seconds between asking and killing, once the parent is gone


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
        """Have `pid` ended by `stop_signal`, and killed if that does not help, when we are gone."""
        with self._lock:
            self._watched[pid] = stop_signal
            self._tell(f"watch {pid} {stop_signal}\n")

    def forget(self, pid: int) -> None:
        """`pid` has ended and was waited for: its number may soon be another's."""
        with self._lock:
            if self._watched.pop(pid, None) is not None:
                self._tell(f"forget {pid}\n")

    def ensure_alive(self) -> None:
        """Start the helper (again) if it is not running. Cheap; to be called often, and before
        each child: one that is started while there is no helper could be left behind."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()

    def close(self) -> None:
        """End what is still watched, then the helper; returns when both are done."""
        with self._lock:
            if self._process is None:
                return
            self._ended()
            self._process = None
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
        """Start a helper that knows all that is watched; `Fatal("keeper-dies")` if none stays."""
        for _ in range(_STARTS):
            self._process = self._started()
            try:
                for pid, stop_signal in self._watched.items():
                    self._write(f"watch {pid} {stop_signal}\n")
            except BrokenPipeError:  # killed, or without memory, before it read a line
                self._ended()
            else:
                return
        raise Fatal("keeper-dies", f"{_STARTS} times in a row")

    def _ended(self) -> None:
        """Close the pipe, upon which the helper ends, and wait for it."""
        assert self._process is not None
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):  # killed: nobody is left to tell
                self._process.stdin.close()
        self._process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        script = str(Path(keeper_process.__file__))
        return subprocess.Popen(  # noqa: S603 - our own script, no shell
            [sys.executable, "-I", script, self._mark, str(self._grace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=self._holds,
            start_new_session=True,  # a terminal's Ctrl-C must not reach it
            cwd="/",
        )
