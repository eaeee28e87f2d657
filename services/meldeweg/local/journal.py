"""What the supervisor did, as JSON lines in `DIR/logs/supervisor.jsonl`: names, pids, codes."""

import json
from pathlib import Path

from meldeweg.kernel.clock import Clock, to_rfc3339
from meldeweg.kernel.logfile import set_aside
from meldeweg.local.output import log_path


class Journal:
    """Appends one line per event; each is on its way to the disk when `write` returns."""

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
        set_aside(self._path)
        with self._path.open("a", encoding="utf-8") as file:
            self._path.chmod(0o600)
            file.write(json.dumps(line) + "\n")
