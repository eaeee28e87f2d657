"""Records as services see them."""

import re

import pytest

from meldeweg.kernel.bus.records import Record, header_name_bytes
from meldeweg.kernel.bus.subscription import pattern


def record(*headers):
    return Record("t", 0, 0, 0, None, None, headers)


def test_a_header_has_one_value_or_none():
    assert record(("a", b"1"), ("b", b"2")).header("b") == b"2"
    assert record(("a", None)).header("a") is None
    assert record().header("a") is None


def test_a_repeated_header_has_no_value():
    """The first for one reader, the last for another: two statements in one record."""
    assert record(("a", b"1"), ("a", b"2")).header("a") is None
    assert record(("a", b"1"), ("a", b"1")).header("a") is None


def test_names_keep_their_bytes():
    raw = b"\xff\xfe\x80a"
    assert header_name_bytes(raw.decode("utf-8", "surrogateescape")) == raw


@pytest.mark.parametrize(
    ("topic", "read"),
    [
        ("keys.a-b", True),
        ("keys.a-bc", False),
        ("keysXa-b", False),
        ("inbox.me.other", True),
        ("inbox.me.", False),
        ("inbox.me2.other", False),
        ("inboxXme.other", False),
        ("x.inbox.me.other", False),
    ],
)
def test_a_subscription_reads_exactly_its_topics_and_prefixes(topic, read):
    regex = pattern(("keys.a-b",), ("inbox.me.",))
    assert bool(re.match(regex, topic)) is read
