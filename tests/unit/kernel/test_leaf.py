"""Leaves: byte-exact, one for every record, different for every difference."""

import contextlib
import tracemalloc
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meldeweg.kernel import leaf
from meldeweg.kernel.errors import Refused

TOPIC = bytes(range(16))
HEADERS = [("statement", b"eyJ.e30.c2ln"), ("ce_id", b"1"), ("n", None), ("", b"")]


def h(data):
    return sha256(data).digest()


def test_a_leaf_is_these_bytes():
    canonical = (
        b"meldeweg.record.v1\n"
        b"\x01\x00\x00\x00\x01k"
        b"\x00\x00\x00\x04"
        b"\x00\x00\x00\x09statement\x01\x00\x00\x00\x0ceyJ.e30.c2ln"
        b"\x00\x00\x00\x05ce_id\x01\x00\x00\x00\x011"
        b"\x00\x00\x00\x01n\x00"
        b"\x00\x00\x00\x00\x01\x00\x00\x00\x00"
        b"\x01" + h(b"value")
    )
    expected = (
        b"MWLF\x01\x01\x00\x00" + TOPIC + b"\x00\x00\x00\x00\x00\x00\x00\x07"
        + h(canonical) + h(b"eyJ.e30.c2ln")
    )  # fmt: skip
    made = leaf.leaf_of_record(TOPIC, 7, b"k", HEADERS, b"value")
    assert made.encode() == expected
    assert leaf.parse_leaf(expected) == made
    assert leaf.canonical_record(b"k", leaf.raw_headers(HEADERS), h(b"value")) == canonical


def test_null_and_empty_are_different_everywhere():
    made = {
        leaf.leaf_of_record(TOPIC, 0, key, [("h", value)], body).encode()
        for key in (None, b"")
        for value in (None, b"")
        for body in (None, b"")
    }
    assert len(made) == 8


def test_a_name_that_is_not_utf8_enters_with_its_bytes_on_the_wire():
    name = b"\xff\xfe\x80"
    headers = [(name.decode("utf-8", "surrogateescape"), b"v")]
    assert leaf.raw_headers(headers) == ((name, b"v"),)
    assert leaf.leaf_of_record(TOPIC, 0, None, headers, None).record != h(b"")


def test_long_names_of_an_attacker_stay_nowhere_in_memory():
    leaf.canonical_record(None, ((b"statement", b"s"),), None)
    tracemalloc.start()
    try:
        for n in range(64):
            leaf.canonical_record(None, ((b"%d" % n * 100_000, b""),), None)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000


@pytest.mark.parametrize(
    "headers",
    [[], [("statement", None)], [("statement", b"a"), ("statement", b"a")], [("Statement", b"a")]],
)
def test_without_exactly_one_statement_the_leaf_commits_to_none(headers):
    assert leaf.leaf_of_record(TOPIC, 0, None, headers, b"").statement == bytes(32)


def test_the_order_of_headers_is_committed():
    one, two = ("a", b"1"), ("b", b"2")
    leaves = {leaf.leaf_of_record(TOPIC, 0, None, h, b"").record for h in ([one, two], [two, one])}
    assert len(leaves) == 2


def test_the_genesis_commits_to_origin_year_and_the_year_before():
    made = leaf.genesis("log.example/2027", 2027, h(b"last"))
    assert leaf.parse_leaf(made.encode()) == made
    assert (made.kind, made.offset, made.statement) == (leaf.GENESIS, 2027, h(b"last"))
    assert made.record == h(b"log.example/2027")
    assert leaf.genesis("log.example/2026", 2026).statement == bytes(32)


@pytest.mark.parametrize("at", [0, 4, 5, 6, 7])
def test_another_magic_version_kind_or_padding_is_refused(at):
    data = bytearray(leaf.Leaf(TOPIC, 1, h(b"r")).encode())
    data[at] ^= 0x40
    with pytest.raises(Refused, match="leaf-malformed"):
        leaf.parse_leaf(bytes(data))


@pytest.mark.parametrize("size", [0, 95, 97])
def test_a_leaf_of_another_size_is_refused(size):
    with pytest.raises(Refused, match="leaf-malformed"):
        leaf.parse_leaf(leaf.Leaf(TOPIC, 1, h(b"r")).encode().ljust(97, b"\0")[:size])


optional = st.none() | st.binary(max_size=20)
records = st.tuples(
    optional,
    st.lists(st.tuples(st.binary(max_size=9), optional), max_size=4).map(tuple),
    st.none() | st.binary(min_size=32, max_size=32),
)


@given(records)
def test_every_canonical_record_reads_back(record):
    assert leaf.parse_canonical(leaf.canonical_record(*record)) == record


@given(records, records)
def test_different_records_have_different_bytes(one, two):
    assert (leaf.canonical_record(*one) == leaf.canonical_record(*two)) == (one == two)


@given(records, st.data())
def test_whatever_is_read_is_written_back_the_same(record, data):
    made = bytearray(leaf.canonical_record(*record))
    at = data.draw(st.integers(0, len(made) - 1))
    made[at] ^= data.draw(st.integers(1, 255))
    cut = bytes(made[: data.draw(st.integers(0, len(made)))])
    for candidate in (bytes(made), cut):
        with contextlib.suppress(Refused):
            assert leaf.canonical_record(*leaf.parse_canonical(candidate)) == candidate
