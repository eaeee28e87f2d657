"""What the supervisor did, as JSON lines in `DIR/logs/supervisor.jsonl`: names, pids, codes.

Guarantees: writing a line never raises where the disk does not take it: what the supervisor does
matters more than what it says. A line that fitted in part leaves none.
"""

import contextlib
import json
import os
from pathlib import Path

from meldeweg.kernel.clock import Clock, to_rfc3339
from meldeweg.kernel.logfile import set_aside
from meldeweg.local.output import log_path


class Journal:
    """Appends one line per event; each is on its way to the disk when `write` returns, or lost."""

    def __init__(self, logs: Path, clock: Clock) -> None:
        self._path = log_path(logs, "supervisor")
        self._clock = clock

    def write(self, event: str, **facts: str | float) -> None:
        line = {
            "timestamp": to_rfc3339(self._clock.now()),
            "level": "info",
            "service": "supervisor",
            "event": event,
            **facts,
        }
        with contextlib.suppress(OSError):
            self._append(json.dumps(line).encode() + b"\n")

    def _append(self, line: bytes) -> None:
        set_aside(self._path)
        with self._path.open("ab", buffering=0) as file:
            self._path.chmod(0o600)
            before = os.fstat(file.fileno()).st_size
            if file.write(line) < len(line):
                file.truncate(before)
