"""The history of a run, as JSON lines: written while it runs, by many threads; read afterwards.

Guarantees: a call stands in the file before it is made, so that one that never answered is there.
Digests of contents alone, never a content.
"""

import hashlib
import itertools
import json
import threading
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from faults.evidence import Entry, Phase
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.ids import AgencyId

_DEFAULTS = {each.name: each.default for each in fields(Entry)}


def digest_of(content: Mapping[str, Any]) -> str:
    """Name a content without showing it: the same for what was sent and what was opened."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class History:
    """Appends; `entries` returns what was written so far."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._ops = itertools.count(1)
        self._entries: list[Entry] = []

    def invoke(self, call: str, agency: AgencyId, **asked: Any) -> int:
        """Note that a call is about to be made; returns its number."""
        op = next(self._ops)
        self._add(op, Phase.INVOKED, call, agency, asked)
        return op

    def end(self, op: int, phase: Phase, call: str, agency: AgencyId, **told: Any) -> None:
        """Note how it ended."""
        self._add(op, phase, call, agency, told)

    def entries(self) -> tuple[Entry, ...]:
        with self._lock:
            return tuple(self._entries)

    def close(self) -> None:
        self._file.close()

    def _add(self, op: int, phase: Phase, call: str, agency: AgencyId, more: Any) -> None:
        with self._lock:
            at = SystemClock().now().timestamp()
            entry = Entry(at=at, op=op, phase=phase, call=call, agency=agency, **more)
            self._entries.append(entry)
            self._file.write(json.dumps(_shown(entry)) + "\n")
            self._file.flush()


def read(path: Path) -> tuple[Entry, ...]:
    """Read a history again; a last line that was cut short is none."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return tuple(_read(json.loads(line)) for line in lines)


def _shown(entry: Entry) -> dict[str, Any]:
    found = {name: getattr(entry, name) for name in _DEFAULTS}
    return {name: value for name, value in found.items() if value != _DEFAULTS[name]}


def _read(line: dict[str, Any]) -> Entry:
    items = tuple((AgencyId(sender), message) for sender, message in line.pop("items", ()))
    if line.get("linked") is not None:
        line["linked"] = tuple((AgencyId(to), message) for to, message in line["linked"])
    phase, agency = Phase(line.pop("phase")), AgencyId(line.pop("agency"))
    return Entry(phase=phase, agency=agency, items=items, **line)
