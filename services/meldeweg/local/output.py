"""What processes write, as JSON lines in `DIR/logs/NAME.jsonl`.

Guarantees: each line of the file is one JSON object; a line that is none already (a JVM's last
words, PostgreSQL's messages) is wrapped into one. A file above 16 MiB is set aside as `.1`, one
generation is kept: by whoever writes it, while it runs. For broker and database that is this
module; our services write their lines themselves and need nobody for the turn (`kernel.logfile`).
What a process says is read to its end also where the disk takes nothing: such lines are dropped,
and the next one that fits says how many.
Trusts services not to write content: that is settled where they log.
"""

import contextlib
import errno
import json
import threading
from io import FileIO
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
    return _json_line(name, clock, "output", line=text.decode("utf-8", "backslashreplace"))


def _json_line(name: str, clock: Clock, event: str, **facts: str | int) -> bytes:
    line = {
        "timestamp": to_rfc3339(clock.now()),
        "level": "info",
        "service": name,
        "event": event,
        **facts,
    }
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


class Wrapper(threading.Thread):
    """Copies one process's output into its log until the process closes it."""

    def __init__(self, source: BinaryIO, path: Path, name: str, clock: Clock) -> None:
        super().__init__(name=f"output-{name}", daemon=True)
        self._source = source
        self._path = path
        self._name = name
        self._clock = clock
        self._log: FileIO | None = None
        self._size = 0  # of the file, in bytes
        self._dropped = 0  # lines, since the last that was written

    def run(self) -> None:
        with self._source:
            while line := self._source.readline(_LONGEST):
                self._keep(as_json_line(line, self._name, self._clock))
        self._close()

    def _keep(self, entry: bytes) -> None:
        gap = self._gap() if self._dropped else b""
        try:
            self._append(gap + entry)
        except OSError:
            self._dropped += 1
        else:
            self._dropped = 0

    def _gap(self) -> bytes:
        return _json_line(self._name, self._clock, "output_dropped", count=self._dropped)

    def _append(self, entry: bytes) -> None:
        if self._log is None:
            self._open(LIMIT)
        elif self._size + len(entry) > LIMIT:
            self._open(0)
        assert self._log is not None
        if self._log.write(entry) < len(entry):  # no half line stays
            self._log.truncate(self._size)
            raise OSError(errno.ENOSPC, "no room for a whole line")
        self._size += len(entry)

    def _open(self, limit: int) -> None:
        self._close()
        with contextlib.suppress(OSError):  # the bound is given up before a line is
            set_aside(self._path, limit)
        self._log = FileIO(self._path, "a")
        self._size = self._log.tell()

    def _close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


def last_lines(path: Path, count: int = 5) -> str:
    """Return the last `count` lines of a log, for the message about a process that ended."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 16 * 1024))
        lines = file.read().decode("utf-8", "replace").splitlines()[-count:]
    return "\n".join(lines)
