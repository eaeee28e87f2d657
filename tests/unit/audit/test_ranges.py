"""Ranges say of every number what a set would, and no more than so many are kept."""

from hypothesis import given
from hypothesis import strategies as st

from meldeweg.audit.ranges import RANGES_MAX, Ranges


@given(st.lists(st.integers(1, 40)), st.integers(0, 5))
def test_ranges_say_what_a_set_would(numbers, base):
    found, plain = Ranges(base), {n for n in numbers if n > base}
    for n in numbers:
        found.add(n)
    assert found.last == max(plain, default=base)
    assert {n for n in range(1, 50) if n in found} == plain
    gaps = {n for a, b in found.missing(45) for n in range(a, b + 1)}
    assert gaps == set(range(base + 1, 46)) - plain
    for first in (1, 7, 20):
        inside = {n for a, b in found.within(first, 30) for n in range(a, b + 1)}
        assert inside == plain & set(range(first, 31))


def test_memory_is_bounded_and_what_has_no_room_counts_as_missing():
    found = Ranges()
    for n in range(2, 2 * RANGES_MAX + 10, 2):
        found.add(n)
    assert found.last == 2 * RANGES_MAX
    found.add(3)  # joins two
    found.add(2 * RANGES_MAX + 2)
    assert found.last == 2 * RANGES_MAX + 2
