"""A set of numbers that nearly all follow each other.

Guarantees: memory goes with the gaps and not with the numbers, up to a bound: a number that would
begin one range too many is left out, and so counts as missing. Pure.
"""

from bisect import bisect_right

RANGES_MAX = 10_000


class Ranges:
    """A set of numbers above `base`, kept as ranges: memory goes with its gaps."""

    __slots__ = ("_ends", "_starts", "base")

    def __init__(self, base: int = 0) -> None:
        self.base = base
        self._starts: list[int] = []
        self._ends: list[int] = []

    @property
    def last(self) -> int:
        return self._ends[-1] if self._ends else self.base

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number <= self._ends[at]

    def add(self, number: int) -> None:
        starts, ends = self._starts, self._ends
        if ends and number == ends[-1] + 1:  # nearly always
            ends[-1] = number
            return
        at = bisect_right(starts, number)  # of the range behind it
        if number <= self.base or (at and number <= ends[at - 1]):
            return
        before = at > 0 and ends[at - 1] + 1 == number
        behind = at < len(starts) and starts[at] == number + 1
        if before and behind:
            ends[at - 1] = ends.pop(at)
            del starts[at]
        elif before:
            ends[at - 1] = number
        elif behind:
            starts[at] = number
        elif len(starts) < RANGES_MAX:
            starts.insert(at, number)
            ends.insert(at, number)

    def missing(self, last: int) -> list[tuple[int, int]]:
        """Ranges from behind `base` to `last` that are not there."""
        found, next_ = [], self.base + 1
        for start, end in zip(self._starts, self._ends, strict=True):
            if start > last:
                break
            if start > next_:
                found.append((next_, start - 1))
            next_ = end + 1
        if next_ <= last:
            found.append((next_, last))
        return found

    def within(self, first: int, last: int) -> list[tuple[int, int]]:
        """Ranges of these numbers between `first` and `last`."""
        at = max(bisect_right(self._starts, first) - 1, 0)
        found = []
        for start, end in zip(self._starts[at:], self._ends[at:], strict=True):
            if start > last:
                break
            if end >= first:
                found.append((max(start, first), min(end, last)))
        return found
