"""What a corpus keeps when it is too large: what reaches the most, not what is shortest."""

from fuzz.coverage import covering, features

LONG, MIDDLE = b"long one", b"middle"


def test_what_reaches_more_is_kept_before_what_is_shorter():
    reached = {b"a": {1}, b"b": {2}, LONG: {1, 2, 3, 4}}
    assert covering(reached, limit=1) == [LONG]
    assert covering(reached, limit=9) == [LONG]  # the others add nothing


def test_each_is_counted_for_what_it_adds_to_those_before_it():
    reached = {LONG: {1, 2, 3, 4}, MIDDLE: {2, 3, 4}, b"c": {5}}
    assert covering(reached, limit=2) == [LONG, b"c"]


def test_of_two_that_add_the_same_the_shorter_is_kept():
    assert covering({LONG: {1, 2}, MIDDLE: {1, 2}}) == [MIDDLE]
    assert covering({b"b": {1}, b"a": {1}}) == [b"a"]


def test_what_the_seeds_reach_is_kept_by_them():
    assert covering({LONG: {1, 2}, b"c": {3}}, known={1, 2}) == [b"c"]


def test_the_control_file_of_a_merge_is_read():
    control = (
        "3\n1\n/old/a\n/new/b\n/new/c c\nSTARTED 0 1\nFT 0 7 9\nCOV 0 7\nSTARTED 2 4\nFT 2 9\n"
    )
    assert features(control + "STARTED 1 9\n") == {
        "/old/a": frozenset({7, 9}),
        "/new/c c": frozenset({9}),
    }
