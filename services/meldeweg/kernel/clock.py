"""Time enters here and nowhere else: UTC, milliseconds, RFC 3339 with `Z`."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from meldeweg.kernel.errors import Refused

_RFC3339 = re.compile(
    r"2[01][0-9]{2}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{3}Z",
)


class Clock(Protocol):
    """What services ask for the time; passed in, so that tests and faults can bend it."""

    def now(self) -> datetime:
        """Return the current time, timezone-aware, UTC."""
        ...


class SystemClock:
    """The machine's clock, optionally wrong by a known offset (a fault to inject)."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self._offset = offset

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC) + self._offset  # noqa: TID251 - the one place


class FixedClock:
    """A clock that a pure function's test sets by hand."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, delta: timedelta) -> None:
        self.at += delta


def to_rfc3339(at: datetime) -> str:
    """`2026-11-22T18:19:43.000Z`: the one form of time in everything that is signed or served."""
    utc = at.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='milliseconds')}Z"  # cuts, does not round


def from_rfc3339(text: str) -> datetime:
    """Read exactly the form that `to_rfc3339` writes, of the years 2000 to 2199; else refuse.

    The bounds keep what is reckoned from a foreign time (deadlines, months) away from the ends of
    the calendar.
    """
    if not _RFC3339.fullmatch(text):
        raise Refused("time-malformed", "expected YYYY-MM-DDTHH:MM:SS.mmmZ")
    try:
        # Not strptime: this is on every record's way, several times, and fifty times faster.
        return datetime.fromisoformat(text)
    except ValueError as exc:
        raise Refused("time-malformed", "not a date") from exc
