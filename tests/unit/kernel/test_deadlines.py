"""Deadlines: minutes at any hour, working days of NRW, across the changes of the clocks."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from districts import standing
from meldeweg.kernel import deadlines
from meldeweg.kernel.agreement import BERLIN, Calendar, Deadline
from meldeweg.kernel.statement import Urgency
from vectors import make_holidays

NRW = Calendar(land="NW", closed=("12-24", "12-31"))
MINUTES = Deadline(minutes=15)
TODAY = Deadline(working_days=0, by="16:00", lead_minutes=60)
ROUTINE = Deadline(working_days=3, by="16:00")
MOMENTS = st.datetimes(datetime(2022, 1, 1), datetime(2035, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def berlin(text):
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("start", "deadline", "expected"),
    [
        # Minutes count at night, at weekends and over a change of the clocks.
        ("2026-11-21T23:40", MINUTES, "2026-11-21T23:55"),
        ("2026-12-24T23:50", MINUTES, "2026-12-25T00:05"),
        # Today: Monday morning, just in time, a minute too late, Friday evening, Saturday night.
        ("2026-11-23T08:00", TODAY, "2026-11-23T16:00"),
        ("2026-11-23T15:00", TODAY, "2026-11-23T16:00"),
        ("2026-11-23T15:01", TODAY, "2026-11-24T16:00"),
        ("2026-11-20T18:00", TODAY, "2026-11-23T16:00"),
        ("2026-11-21T23:40", TODAY, "2026-11-23T16:00"),
        # The day of sending does not count; weekends and holidays don't either.
        ("2026-11-23T08:00", ROUTINE, "2026-11-26T16:00"),
        ("2026-11-19T23:59", ROUTINE, "2026-11-24T16:00"),
        ("2026-04-02T09:00", ROUTINE, "2026-04-09T16:00"),  # Good Friday, Easter Monday
        ("2026-06-03T09:00", TODAY, "2026-06-03T16:00"),
        ("2026-06-03T16:00", TODAY, "2026-06-05T16:00"),  # Corpus Christi: NRW, not everywhere
        ("2026-12-23T16:30", TODAY, "2026-12-28T16:00"),  # the 24th is closed by agreement
        ("2026-12-30T16:30", TODAY, "2027-01-04T16:00"),
        # After midnight in Berlin, still the day before in UTC.
        ("2026-07-07T00:30", TODAY, "2026-07-07T16:00"),
        ("2026-07-07T00:30", ROUTINE, "2026-07-10T16:00"),
    ],
)
def test_a_deadline_ends_when_people_expect_it(start, deadline, expected):
    assert deadlines.due(berlin(start), deadline, NRW) == berlin(expected)
    assert deadlines.due(berlin(start).astimezone(UTC), deadline, NRW) == berlin(expected)


def test_minutes_are_minutes_when_the_clocks_change():
    spring = datetime(2027, 3, 28, 0, 55, tzinfo=UTC)  # 01:55 CET; five minutes later it is 03:00
    autumn = datetime(2026, 10, 25, 0, 55, tzinfo=UTC)  # 02:55 CEST; then 02:00 again
    for start in (spring, autumn):
        assert deadlines.due(start, MINUTES, NRW) - start == timedelta(minutes=15)


def test_the_time_of_day_is_that_of_the_wall_when_the_clocks_change():
    before = berlin("2028-03-24T20:00")  # Friday, CET
    due = deadlines.due(before, TODAY, NRW)
    assert due == datetime(2028, 3, 27, 14, 0, tzinfo=UTC)  # Monday 16:00 CEST
    assert deadlines.due(berlin("2026-10-23T20:00"), TODAY, NRW) == datetime(
        2026, 10, 26, 15, 0, tzinfo=UTC
    )


# Feiertagsgesetz NW § 2, written down by hand, so that the library is not its own witness.
HOLIDAYS = {
    2026: "01-01 04-03 04-06 05-01 05-14 05-25 06-04 10-03 11-01 12-25 12-26",
    2027: "01-01 03-26 03-29 05-01 05-06 05-17 05-27 10-03 11-01 12-25 12-26",
    2028: "01-01 04-14 04-17 05-01 05-25 06-05 06-15 10-03 11-01 12-25 12-26",
}


@pytest.mark.parametrize("year", HOLIDAYS)
def test_working_days_are_those_of_north_rhine_westphalia(year):
    day, closed = date(year, 1, 1), {*HOLIDAYS[year].split(), "12-24", "12-31"}
    while day.year == year:
        open_ = day.weekday() < 5 and day.strftime("%m-%d") not in closed
        assert deadlines.is_working_day(day, NRW) == open_, day
        day += timedelta(days=1)


def test_the_agreement_says_which_further_days_are_closed():
    assert deadlines.is_working_day(date(2026, 12, 24), Calendar(land="NW"))
    assert not deadlines.is_working_day(date(2026, 12, 24), NRW)


CLAUSE = standing().document.clause("haeusliche-gewalt")
IMMEDIATE = berlin("2026-11-21T23:40")


def ack_by(**given):
    return deadlines.ack_by(IMMEDIATE, Urgency.IMMEDIATE, CLAUSE, NRW, **given)


def test_what_was_told_by_phone_may_be_acknowledged_later():
    assert ack_by() == IMMEDIATE + timedelta(minutes=15)
    assert ack_by(handover_at=berlin("2026-11-21T23:20")) == berlin("2026-11-23T12:00")


@pytest.mark.parametrize(
    ("call", "counts"),
    [
        ("2026-11-20T23:39", False),  # a day old: another matter
        ("2026-11-20T23:40", True),
        ("2026-11-21T23:40", True),
        ("2026-11-21T23:45", True),  # two clocks that differ a little
        ("2026-11-21T23:46", False),  # not yet made
    ],
)
def test_a_call_that_cannot_be_true_changes_nothing(call, counts):
    later = ack_by(handover_at=berlin(call)) > ack_by()
    assert later == counts
    assert deadlines.call_counts(IMMEDIATE, berlin(call)) == counts


def test_a_call_never_brings_a_deadline_forward():
    at = berlin("2026-11-23T13:00")
    plain = deadlines.ack_by(at, Urgency.TODAY, CLAUSE, NRW)
    short = CLAUSE.model_copy(update={"handover_deadline": Deadline(minutes=1)})
    assert deadlines.ack_by(at, Urgency.TODAY, short, NRW, at) == plain


def test_a_clause_without_a_handover_deadline_knows_no_calls():
    deaf = CLAUSE.model_copy(update={"handover_deadline": None})
    assert deadlines.ack_by(IMMEDIATE, Urgency.IMMEDIATE, deaf, NRW, IMMEDIATE) == ack_by()


def test_overdue_begins_after_the_deadline_and_ends_with_a_person():
    at = berlin("2026-11-21T23:55")
    second = timedelta(seconds=1)
    assert not deadlines.overdue(at, None, at)
    assert deadlines.overdue(at, None, at + second)
    assert not deadlines.overdue(at, at + 5 * second, at + 9 * second)


@given(MOMENTS, st.sampled_from([MINUTES, TODAY, ROUTINE]))
def test_a_deadline_lies_ahead_and_ends_on_a_working_day(start, deadline):
    due = deadlines.due(start, deadline, NRW)
    assert due > start
    assert due - start <= timedelta(days=14)  # three working days around Christmas
    assert due.tzinfo is UTC
    if deadline.minutes is None:
        local = due.astimezone(BERLIN)
        assert deadlines.is_working_day(local.date(), NRW)
        assert (local.hour, local.minute) == (16, 0)


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=9)), st.sampled_from([TODAY, ROUTINE]))
def test_who_sends_later_is_never_due_earlier(start, after, deadline):
    assert deadlines.due(start, deadline, NRW) <= deadlines.due(start + after, deadline, NRW)


def test_the_committed_holidays_are_those_of_the_library():
    assert json.loads(make_holidays.FILE.read_text()) == make_holidays.build()


def test_beyond_the_years_of_the_table_only_weekends_and_closed_days_are_known():
    assert deadlines.is_working_day(date(2060, 1, 1), NRW) is False
    assert deadlines.is_working_day(date(2063, 1, 1), NRW) is True  # a Monday


def test_a_land_that_is_none_is_refused():
    with pytest.raises(ValueError, match="land"):
        Calendar(land="XX")
    for land in make_holidays.LAENDER:
        assert Calendar(land=land)
