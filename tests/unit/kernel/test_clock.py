"""Times have one written form, and nothing else is read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from meldeweg.kernel.clock import FixedClock, SystemClock, from_rfc3339, to_rfc3339
from meldeweg.kernel.errors import Refused

AT = datetime(2026, 11, 22, 18, 19, 43, 7_999, tzinfo=UTC)


def test_time_is_written_in_utc_with_three_decimals_cut_not_rounded():
    assert to_rfc3339(AT) == "2026-11-22T18:19:43.007Z"
    berlin = timezone(timedelta(hours=1))
    assert to_rfc3339(AT.astimezone(berlin)) == "2026-11-22T18:19:43.007Z"
    assert to_rfc3339(AT.replace(year=987, microsecond=0)) == "0987-11-22T18:19:43.000Z"


def test_what_is_written_is_read_back():
    assert from_rfc3339("2026-11-22T18:19:43.007Z") == AT.replace(microsecond=7_000)
    assert from_rfc3339("2026-11-22T18:19:43.007Z").tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22T18:19:43Z",
        "2026-11-22T18:19:43.0000Z",
        "2026-11-22T18:19:43.000+00:00",
        "2026-11-22T18:19:43.000z",
        "2026-11-22 18:19:43.000Z",
        "2026-11-22T18:19:43,000Z",
        "2026-W47-7T18:19:43.000Z",
        "2026-11-22T24:00:00.000Z",
        "2026-11-22T23:59:60.000Z",
        "2026-02-30T00:00:00.000Z",
        "0000-01-01T00:00:00.000Z",
        "1999-12-31T23:59:59.999Z",
        "2200-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.999Z",
        "٢٠٢٦-11-22T18:19:43.000Z",
        "2026-11-22T18:19:43.000Z\n",
    ],
)
def test_every_other_form_is_refused(text):
    with pytest.raises(Refused) as refused:
        from_rfc3339(text)
    assert refused.value.code == "time-malformed"
    assert text.strip() not in refused.value.detail or not text


def test_clocks_can_be_bent():
    off = SystemClock(timedelta(days=1)).now() - SystemClock().now()
    assert abs(off - timedelta(days=1)) < timedelta(seconds=5)
    clock = FixedClock(AT)
    clock.advance(timedelta(seconds=1))
    assert clock.now() == AT + timedelta(seconds=1)
