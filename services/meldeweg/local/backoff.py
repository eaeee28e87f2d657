"""How long to wait before a process that ended is started again: a pure decision."""

FIRST = 0.5  # seconds
LONGEST = 30.0
FORGIVEN_AFTER = 60.0  # seconds of life after which earlier ends no longer count


def ends_that_count(before: int, lived: float) -> int:
    """Return the length of the series this end belongs to; `lived`: seconds since its start."""
    return 1 if lived >= FORGIVEN_AFTER else before + 1


def delay(ends: int) -> float:
    """Return the seconds to wait after `ends` ends in a row: 0.5, 1, 2 … 30."""
    return min(LONGEST, FIRST * 2.0 ** min(ends - 1, 10))
