"""The lines of an export's leaves.jsonl, asked for one entry after the other.

Guarantees: a line that is missing, stands twice, or comes behind the last entry is named once; what
a line says is `lines`' to judge. Trusts nothing: numbers may be anything, in any order.
"""

import re
from collections.abc import Iterator

from meldeweg.audit.report import Report
from meldeweg.audit.sources import Source
from meldeweg.kernel.errors import Refused

_SURPLUS_MAX = 100  # lines that no entry has: a small file can hold very many of them
_INDEX = re.compile(rb'\{"index":(0|[1-9][0-9]{0,18}),')


class Lines:
    """leaves.jsonl, one line per entry; a line that is missing or too many is named once."""

    def __init__(self, source: Source, report: Report) -> None:
        self._report = report
        self._lines = self._read(source)
        self._held: tuple[int, bytes] | None = None
        self._surplus = 0
        self._over = False

    def take(self, index: int) -> bytes | None:
        """Return the line of entry `index`, or None."""
        while not self._over:
            if self._held is None:
                line = next(self._lines, None)
                if line is None:
                    self._stop("line-missing", f"leaves.jsonl, entry {index}", "and all behind it")
                    break
                if line.startswith(b'{"index":%d,' % index):
                    return line
                found = _INDEX.match(line)
                self._held = (int(found[1]) if found else index, line)
            number, line = self._held
            if number > index:
                self._report.breaks("line-missing", f"leaves.jsonl, entry {index}")
                return None
            self._held = None
            if number == index:
                return line
            self._surplus += 1
            if self._surplus > _SURPLUS_MAX:
                self._stop("given-up", f"leaves.jsonl, entry {index}", "too many lines before it")
            else:
                self._report.breaks("line-too-many", f"leaves.jsonl, a second {number}")
        return None

    def finish(self) -> None:
        if not self._over and (self._held is not None or next(self._lines, None) is not None):
            self._stop("line-too-many", "leaves.jsonl", "behind the last entry")

    def _read(self, source: Source) -> Iterator[bytes]:
        try:
            yield from source.lines("leaves.jsonl")
        except Refused as exc:
            self._stop(exc.code, "leaves.jsonl", exc.detail)

    def _stop(self, code: str, where: str, detail: str) -> None:
        if not self._over:
            self._report.breaks(code, where, detail)
        self._over = True
