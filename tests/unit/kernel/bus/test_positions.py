"""Where reading goes on; a log that changed is never passed by."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meldeweg.kernel.bus.positions import Log, Position, Reset, ResetKind, decide

OLD, NEW = UUID(int=1), UUID(int=2)
PLACE = ("inbox.a.b", 0)


@pytest.mark.parametrize(
    ("offset", "start", "end", "expected", "kind"),
    [
        (0, 0, 0, 0, None),
        (5, 0, 5, 5, None),  # everything read
        (5, 5, 9, 5, None),  # just in time
        (4, 5, 9, 5, ResetKind.EXPIRED),
        (10, 0, 9, 0, ResetKind.SHORTER),
        (10, 3, 9, 3, ResetKind.SHORTER),
    ],
)
def test_reading_goes_on_where_the_store_is_or_is_reported(offset, start, end, expected, kind):
    found, reset = decide(PLACE, Position(offset, OLD), Log(OLD, start, end))
    assert found == expected
    if kind is None:
        assert reset is None
    else:
        assert reset == Reset(*PLACE, kind, offset, start, end, OLD)


def test_a_place_never_read_begins_at_its_logs_start_without_a_report():
    assert decide(PLACE, None, Log(OLD, 7, 9)) == (7, None)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_another_topic_of_the_same_name_is_always_read_from_its_start(offset, start, length):
    found, reset = decide(PLACE, Position(offset, OLD), Log(NEW, start, start + length))
    assert found == start
    assert (reset.kind, reset.topic_id) == (ResetKind.RECREATED, NEW)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_nothing_is_skipped_without_a_report(offset, start, length):
    found, reset = decide(PLACE, Position(offset, OLD), Log(OLD, start, start + length))
    assert (found == offset) is (reset is None)
    assert start <= found <= start + length
