"""What lay there at the start counts as read once, at the ends that were seen first."""

import pytest

from meldeweg.kernel.bus.backlog import Backlog

A, B = ("t.a", 0), ("t.b", 0)


@pytest.fixture
def told():
    return []


@pytest.fixture
def backlog(told):
    return Backlog(lambda: told.append("read"))


def test_it_is_told_once_when_every_place_stands_at_its_end(backlog, told):
    backlog.placed(A, 10)
    backlog.placed(B, 0)
    backlog.stands({A: 9, B: 0})
    assert not told
    backlog.stands({A: 10, B: 0})
    backlog.stands({A: 12, B: 3})
    assert told == ["read"]


def test_who_sees_nothing_has_read_nothing(backlog, told):
    backlog.stands({})
    assert not told


def test_a_place_that_was_not_compared_with_its_log_is_not_read(backlog, told):
    backlog.placed(A, 10)
    backlog.stands({A: 10, B: 0})
    assert not told


def test_what_comes_meanwhile_does_not_move_the_end(backlog, told):
    backlog.placed(A, 10)
    backlog.placed(A, 500)  # placed again, after a rebalance
    backlog.stands({A: 10})
    assert told


def test_a_topic_that_began_anew_is_read_to_its_own_end(backlog, told):
    backlog.placed(A, 10)
    backlog.placed(A, 2)
    backlog.stands({A: 2})
    assert told


def test_a_topic_that_is_gone_is_not_waited_for(backlog, told):
    backlog.placed(A, 10)
    backlog.placed(B, 3)
    backlog.stands({B: 3})
    assert told
