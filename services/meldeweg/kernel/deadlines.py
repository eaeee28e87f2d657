"""By when a human must have acknowledged: the same pure function at both ends (I8).

Guarantees: given the same clause, calendar and instants, the same answer on every machine; days are
those of Europe/Berlin, also across the changes of the clocks; telling something by phone first
never brings a deadline forward, and a call that cannot be true changes nothing.
Trusts: the clause (checked when the agreement was parsed) and holidays.json, the public holidays
of each Land from 2020 to 2060; beyond these years only weekends and `closed` are known.
"""

import json
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from pathlib import Path

from meldeweg.kernel.agreement.clause import Clause, Deadline
from meldeweg.kernel.agreement.document import Calendar
from meldeweg.kernel.agreement.standing import BERLIN
from meldeweg.kernel.statement import Urgency

_ONE_DAY = timedelta(days=1)
_SATURDAY = 5
_HOLIDAYS = Path(__file__).with_name("holidays.json")  # written by `make vectors`
# A call counts when it was at most a day before the writing, and not after it but for two clocks
# that differ a little.
CALL_BEFORE = timedelta(hours=24)
CALL_AFTER = timedelta(minutes=5)


def ack_by(
    created: datetime,
    urgency: Urgency,
    clause: Clause,
    calendar: Calendar,
    handover_at: datetime | None = None,
) -> datetime:
    """Return the instant (UTC) until which a named person must have acknowledged.

    `created`: when the message was made; `handover_at`: when it was told by phone, if it was.
    """
    normal = due(created, clause.deadlines.of(urgency), calendar)
    if clause.handover_deadline is None or not call_counts(created, handover_at):
        return normal
    return max(normal, due(created, clause.handover_deadline, calendar))


def call_counts(created: datetime, handover_at: datetime | None) -> bool:
    """Say whether a call at `handover_at` can have handed over a message made at `created`."""
    if handover_at is None:
        return False
    return created - CALL_BEFORE <= handover_at <= created + CALL_AFTER


def due(start: datetime, deadline: Deadline, calendar: Calendar) -> datetime:
    """Return when a deadline that starts to run at `start` ends, in UTC."""
    if deadline.minutes is not None:
        return start.astimezone(UTC) + timedelta(minutes=deadline.minutes)
    assert deadline.working_days is not None
    assert deadline.by is not None
    by = time.fromisoformat(deadline.by)
    day = start.astimezone(BERLIN).date()
    if deadline.working_days == 0:
        latest = _at(day, by) - timedelta(minutes=deadline.lead_minutes)
        if is_working_day(day, calendar) and start <= latest:
            return _at(day, by)
        return _at(working_day_after(day, 1, calendar), by)
    return _at(working_day_after(day, deadline.working_days, calendar), by)


def overdue(deadline: datetime, acknowledged: datetime | None, now: datetime) -> bool:
    """Say whether nobody has acknowledged and the deadline has passed; on the dot is in time."""
    return acknowledged is None and now > deadline


def is_working_day(day: date, calendar: Calendar) -> bool:
    """Say whether offices of the Land work on this day (Monday to Friday, no holiday)."""
    return _is_working_day(day, calendar.land, calendar.closed)


def working_day_after(day: date, count: int, calendar: Calendar) -> date:
    """Return the `count`-th working day after `day`; the day itself does not count (§ 187 BGB)."""
    while count:
        day += _ONE_DAY
        count -= is_working_day(day, calendar)
    return day


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, BERLIN).astimezone(UTC)


@lru_cache(maxsize=1024)  # every message asks for the same few days
def _is_working_day(day: date, land: str, closed: tuple[str, ...]) -> bool:
    in_year = day.strftime("%m-%d")
    if day.weekday() >= _SATURDAY or in_year in closed:
        return False
    return in_year not in _holidays(land).get(str(day.year), ())


@cache
def _holidays(land: str) -> dict[str, list[str]]:
    """Return the holidays of each year as month and day."""
    every: dict[str, dict[str, list[str]]] = json.loads(_HOLIDAYS.read_bytes())
    return every[land]
