"""The cursor of a list in order of arrival: how far a caller has read, as decimal text."""

from meldeweg.kernel.errors import Refused

_MAX = 2**53


def position(after: str | None) -> int:
    """Return the last number that the caller has; 0 from the start. `cursor-malformed`."""
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= 16 and int(after) < _MAX):
        raise Refused("cursor-malformed", "")
    return int(after)
