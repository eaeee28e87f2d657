from meldeweg.local.backoff import FORGIVEN_AFTER, LONGEST, delay, ends_that_count


def test_waits_double_up_to_half_a_minute():
    assert [delay(n) for n in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, LONGEST, LONGEST]
    assert delay(10_000) == LONGEST


def test_a_long_life_is_forgiven_a_short_one_counts():
    assert ends_that_count(5, lived=FORGIVEN_AFTER) == 1
    assert ends_that_count(5, lived=FORGIVEN_AFTER - 0.1) == 6
