"""What processes write, as JSON lines in `DIR/logs/NAME.jsonl`.

Guarantees: each line of the file is one JSON object; a line that is none already (a JVM's last
words, PostgreSQL's messages) is wrapped into one. A file above 16 MiB is set aside as `.1`, one
generation is kept: by whoever writes it, while it runs. For broker and database that is this
module; our services write their lines themselves and need nobody for the turn (`kernel.logfile`).
Trusts services not to write content: that is settled where they log.
"""

import json
import threading
from pathlib import Path
from typing import BinaryIO

from meldeweg.kernel.clock import Clock, to_rfc3339
from meldeweg.kernel.logfile import LIMIT, set_aside

_LONGEST = 64 * 1024  # bytes of one line; the rest of a longer one becomes a line of its own


def log_path(logs: Path, name: str) -> Path:
    return logs / f"{name}.jsonl"


def as_json_line(line: bytes, name: str, clock: Clock) -> bytes:
    """Pass a JSON object unchanged; wrap anything else."""
    text = line.rstrip(b"\r\n")
    if text.startswith(b"{"):
        try:
            json.loads(text)
        except ValueError:
            pass
        else:
            return text + b"\n"
    wrapped = {
        "timestamp": to_rfc3339(clock.now()),
        "level": "info",
        "service": name,
        "event": "output",
        "line": text.decode("utf-8", "backslashreplace"),
    }
    return json.dumps(wrapped, ensure_ascii=False).encode() + b"\n"


class Wrapper(threading.Thread):
    """Copies one process's output into its log until the process closes it."""

    def __init__(self, source: BinaryIO, path: Path, name: str, clock: Clock) -> None:
        super().__init__(name=f"output-{name}", daemon=True)
        self._source = source
        self._path = path
        self._name = name
        self._clock = clock

    def run(self) -> None:
        with self._source:
            while chunk := self._copy_until_full():
                self._append(chunk)

    def _copy_until_full(self) -> bytes:
        """Fill one file; return the line that no longer fitted, or nothing at the end."""
        set_aside(self._path)
        with self._path.open("ab", buffering=0) as log:
            size = log.tell()
            while line := self._source.readline(_LONGEST):
                entry = as_json_line(line, self._name, self._clock)
                if size + len(entry) > LIMIT:
                    return entry
                log.write(entry)
                size += len(entry)
        return b""

    def _append(self, entry: bytes) -> None:
        set_aside(self._path, limit=0)
        with self._path.open("ab") as log:
            log.write(entry)


def last_lines(path: Path, count: int = 5) -> str:
    """Return the last `count` lines of a log, for the message about a process that ended."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 16 * 1024))
        lines = file.read().decode("utf-8", "replace").splitlines()[-count:]
    return "\n".join(lines)
