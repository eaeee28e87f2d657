"""Programs that end by themselves while a stack is prepared: initdb, the broker's formatting.

Guarantees: like every process of a stack, none outlives whoever started it, not even after kill -9
(the keeper finds it by its mark, and holds the stack's lock meanwhile); a terminal's
Ctrl-C does not hit it, and whoever is asked to end ends it at once and says so.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.local.keeper import Keeper
from meldeweg.local.supervisor import Interrupted

_LOOK_EVERY = 0.1  # seconds
_SHOWN = 2000  # characters of its last words


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Tools:
    """How to run them: under the stack's keeper, or one of their own where there is no stack."""

    keeper: Keeper | None = None
    interrupted: Callable[[], bool] = _never

    def run(
        self,
        argv: Sequence[str],
        *,
        code: str,
        env: Mapping[str, str] | None = None,
        timeout: float = 120.0,
    ) -> None:
        """Run it to its end. Raises `Fatal(code)` with its last words unless it ended well,
        `Interrupted`, and `Unavailable` where there is no keeper.
        """
        keeper = self.keeper or Keeper()
        try:
            self._run(keeper, argv, code, env or {}, timeout)
        finally:
            if self.keeper is None:
                keeper.close()

    def _run(
        self,
        keeper: Keeper,
        argv: Sequence[str],
        code: str,
        env: Mapping[str, str],
        timeout: float,
    ) -> None:
        keeper.ensure_alive()
        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                    argv,
                    env=os.environ | dict(env) | keeper.environment,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as exc:
                raise Unavailable("process-not-started", f"{argv[0]}: {exc}") from exc
            try:
                keeper.watch(process.pid, signal.SIGTERM)
                ended = self._await(process, timeout)
            finally:
                _end(process)
                keeper.forget(process.pid)
            if ended != 0:
                said.seek(0)
                words = said.read().decode("utf-8", "replace")
                raise Fatal(code, words[-_SHOWN:] if ended is not None else f"not in {timeout} s")

    def _await(self, process: subprocess.Popen[bytes], timeout: float) -> int | None:
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if self.interrupted():
                raise Interrupted
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_LOOK_EVERY)
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of its session; nothing, where it ended well: its number is free again."""
    if process.returncode == 0:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
