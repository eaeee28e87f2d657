"""Heads and records against a log that may lie: nothing counts that is not proven."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meldeweg.gateway.inclusion.proving import (
    ProvenTree,
    advance,
    check_consistent,
    included,
    included_up_to,
)
from meldeweg.gateway.store.arrived import Run
from meldeweg.gateway.store.log import Head, Sought, Span
from meldeweg.kernel.errors import Refused, Unavailable
from unit.gateway.inclusion.logstage import TOPIC_ID, Audit, forked

few = settings(max_examples=25)
NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
TOPIC = "inbox.jugendamt.polizei"
HEADERS = (("statement", b"jws"), ("ce_id", b"id"))


def head_of(audit, size=None):
    made = audit.checkpoint(size)
    return Head(made.origin, made.size, made.root, b"", 0, 0)


def sought(index, offset=0, value=b"sealed", headers=HEADERS, topic_id=TOPIC_ID.bytes):
    return Sought(1, index, index, topic_id, offset, b"key", headers, value)


def grown(before, after, ours=1):
    audit = Audit()
    audit.noise(before)
    for offset in range(ours):
        audit.append(TOPIC, offset, b"key", HEADERS, b"sealed")
    audit.noise(after)
    return audit


@pytest.mark.parametrize(
    ("before", "after"), [(0, 0), (4, 250), (254, 0), (255, 0), (300, 700), (700, 5)]
)
def test_a_record_is_included_where_it_stands_and_nowhere_else(before, after):
    audit = grown(before, after)
    tree = ProvenTree(head_of(audit), audit.tile)
    place = before + 1
    assert included([sought(place)], tree) == [1]
    for other in {0, max(place - 1, 0), min(place + 1, before + after)} - {place}:
        assert included([sought(other)], tree) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"value": b"sealee"},
        {"value": None},
        {"offset": 1},
        {"headers": (*HEADERS, ("more", b""))},
        {"headers": HEADERS[::-1]},
        {"topic_id": bytes(16)},
    ],
)
def test_a_record_with_other_bytes_is_not_included(changed):
    audit = grown(5, 5)
    tree = ProvenTree(head_of(audit), audit.tile)
    assert included([sought(6)], tree) == [1]
    assert included([sought(6, **changed)], tree) == []


@few
@given(st.integers(0, 600), st.integers(1, 600), st.data())
def test_no_changed_tile_makes_a_record_included(before, after, data):
    """Whoever serves the tiles puts our leaf where the signed log has another."""
    audit, liar = grown(before, after, ours=0), grown(before, after - 1)
    place = before + 1
    number = place // 256
    level = data.draw(st.integers(0, 1))
    audit.bent[0, number] = lambda good: b"".join(liar.hashes[number * 256 :])[: len(good)]
    if level:
        audit.bent[1, 0] = lambda good: bytes(len(good))
    with pytest.raises(Unavailable, match="tiles-unproven"):
        included([sought(place)], ProvenTree(head_of(audit), audit.tile))


@few
@given(st.integers(1, 700), st.data())
def test_every_hash_of_a_tile_is_proven_by_one_proof(size, data):
    audit = Audit()
    audit.noise(size - 1)
    asked = data.draw(st.integers(0, size - 1))
    bent = data.draw(st.integers(asked // 256 * 256, min(asked // 256 * 256 + 255, size - 1)))

    def flip(good):
        at = bent % 256 * 32 + 7
        return good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]

    audit.bent[0, asked // 256] = flip
    with pytest.raises(Unavailable, match="tiles-unproven"):
        ProvenTree(head_of(audit), audit.tile).hashes(asked, asked + 1)


def test_a_tile_is_fetched_once_for_all_its_records():
    audit = grown(600, 300, ours=200)
    tree = ProvenTree(head_of(audit), audit.tile)
    found = included([sought(601 + n, offset=n) for n in range(200)], tree)
    assert len(found) == 200
    assert len(audit.asked) == len(set(audit.asked))
    assert sum(tile.level == 0 for tile in audit.asked) <= 3


@pytest.mark.parametrize("cut", [b"", b"x", bytes(31)])
def test_a_malformed_tile_proves_nothing_and_is_no_fork(cut):
    audit = grown(5, 5)
    audit.bent[0, 0] = lambda good: cut
    with pytest.raises(Unavailable, match="tiles-unproven"):
        ProvenTree(head_of(audit), audit.tile).hashes(0, 1)
    with pytest.raises(Unavailable, match="tiles-unproven"):
        check_consistent(head_of(audit, 3), head_of(audit), audit.tile)


SIZES = st.integers(1, 600)


@few
@given(SIZES, SIZES)
def test_a_log_that_grew_is_consistent(one, other):
    audit = grown(600, 0)
    check_consistent(head_of(audit, one), head_of(audit, other), audit.tile)


@few
@given(st.integers(2, 300), st.integers(0, 300), st.data())
def test_a_fork_is_proven_by_the_two_heads(size, more, data):
    audit = grown(size - 1, 0, ours=0)
    other = forked(audit)
    other.hashes[data.draw(st.integers(0, size - 1))] = bytes(32)
    other.noise(more)
    with pytest.raises(Refused, match="log-forked"):
        check_consistent(head_of(audit), head_of(other), other.tile)
    with pytest.raises(Refused, match="log-forked"):
        check_consistent(head_of(other), head_of(audit), other.tile)


@few
@given(st.integers(2, 300), st.integers(1, 300), st.data())
def test_wrong_tiles_of_an_honest_log_are_never_called_a_fork(size, more, data):
    audit = grown(size - 1 + more, 0, ours=0)
    level = data.draw(st.integers(0, 1))
    at = data.draw(st.integers(0, 8191))

    def flip(good):
        place = at % len(good)
        return good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]

    audit.bent[level, 0] = flip
    with suppress(Unavailable):  # or the flipped bit was in no node that was needed
        check_consistent(head_of(audit, size), head_of(audit), audit.tile)


def test_the_largest_consistent_head_takes_the_place_of_the_last():
    audit = grown(20, 0)
    heads = [head_of(audit, size) for size in (5, 12, 9)]
    assert advance(None, heads, audit.tile) == (heads[1], [])
    assert advance(heads[0], heads, audit.tile) == (heads[1], [])
    assert advance(heads[1], heads[:1], audit.tile) == (heads[1], [])
    assert advance(heads[1], [], audit.tile) == (heads[1], [])


def test_a_forked_head_is_told_and_the_good_ones_go_on():
    audit = grown(20, 0)
    other = forked(audit)
    other.hashes[3] = bytes(32)
    before, good, bad = head_of(audit, 8), head_of(audit, 12), head_of(other, 10)
    head, forks = advance(before, [bad, good], audit.tile)
    assert head == good
    assert [(fork.known, fork.seen) for fork in forks] == [(good, bad)]


def test_a_head_that_forgets_what_was_seen_never_takes_its_place():
    audit = grown(20, 0)
    other = forked(audit)
    other.hashes[3] = bytes(32)
    other.noise(30)
    before, bad = head_of(audit, 8), head_of(other)
    head, forks = advance(before, [bad], other.tile)
    assert head == before
    assert [fork.seen for fork in forks] == [bad]


def run_of(audit, indices, first=0):
    return Run(TOPIC, TOPIC_ID.bytes, first, b"".join(audit.hashes[i] for i in indices), NOW)


def span(first, start, stop, origin=None):
    return Span(origin or Audit().origin, first, TOPIC, TOPIC_ID.bytes, start, stop, NOW)


def test_what_arrived_is_found_over_tiles_and_ranges_as_far_as_it_is_dense():
    audit = grown(200, 10, ours=400)
    tree = ProvenTree(head_of(audit), audit.tile)
    run = run_of(audit, range(201, 601))
    whole = [span(201, 0, 250), span(451, 250, 400)]
    assert included_up_to(run, whole, lambda _: tree) == 400
    assert included_up_to(run, whole[:1], lambda _: tree) == 250
    assert included_up_to(run, whole[1:], lambda _: tree) == 0
    assert included_up_to(run, [], lambda _: tree) == 0


def test_what_arrived_with_other_bytes_than_the_log_has_stays():
    audit = grown(200, 10, ours=400)
    tree = ProvenTree(head_of(audit), audit.tile)
    indices = list(range(201, 601))
    indices[123] = 5
    assert included_up_to(run_of(audit, indices), [span(201, 0, 400)], lambda _: tree) == 123


def test_what_lies_beyond_the_proven_head_stays():
    audit = grown(200, 10, ours=400)
    tree = ProvenTree(head_of(audit, 301), audit.tile)
    run = run_of(audit, range(201, 601))
    assert included_up_to(run, [span(201, 0, 400)], lambda _: tree) == 100
    assert included_up_to(run, [span(351, 0, 400)], lambda _: tree) == 0
