"""Manifests: one text each, a chain, and nothing that could be taken for a checkpoint."""

import contextlib
import itertools
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.manifest import Genesis, Manifest, Range, Ranges, is_manifest, parse_manifest

ID = bytes(range(16))
TEXT = """meldeweg.manifest.v1
audit.example/2026
0
0 6
0000000000000000000000000000000000000000000000000000000000000000
genesis 2026 0000000000000000000000000000000000000000000000000000000000000000
range inbox.b.a 000102030405060708090a0b0c0d0e0f 0 3 {d}
range events.a 000102030405060708090a0b0c0d0e0f 7 9 {d}
""".format(d="ab" * 32)
MADE = Manifest(
    "audit.example/2026", 0, 0, 6, bytes(32), Genesis(2026, bytes(32)),
    (Range("inbox.b.a", ID, 0, 3, b"\xab" * 32), Range("events.a", ID, 7, 9, b"\xab" * 32)),
)  # fmt: skip


def test_a_manifest_is_this_text():
    assert MADE.text() == TEXT
    assert parse_manifest(TEXT) == MADE
    assert MADE.digest() == sha256(TEXT.encode()).digest()


def test_a_manifest_is_no_checkpoint_and_a_checkpoint_no_manifest():
    with pytest.raises(Refused, match="checkpoint-malformed"):
        note.parse_checkpoint(TEXT)
    head = note.Checkpoint("meldeweg.manifest.v1x", 1, bytes(32)).text()
    assert is_manifest(TEXT)
    assert not is_manifest(head)


@pytest.mark.parametrize(
    "change",
    [
        ("0 6\n", "0 7\n"), ("0 6\n", "1 7\n"), ("0 6\n", "00 6\n"), ("0 6\n", "0  6\n"),
        ("v1\n", "v2\n"), ("v1\n", "v1 \n"), ("\n0\n", "\n1\n"), ("genesis", "Genesis"),
        ("range inbox.b.a", "range inbox/b/a"), ("range inbox.b.a", "range  inbox.b.a"),
        ("0 3 ", "3 3 "), ("0 3 ", "3 0 "), ("0a0b", "0A0B"), ("abab", "ab"),
        ("range events", "\nrange events"), ("7 9 ", "-7 9 "), ("7 9 ", "7 \u0669 "),
        ("7 9 ", f"{2**63 - 1} {2**63 + 1} "),
    ],
    ids=range(18),
)  # fmt: skip
def test_any_other_spelling_is_refused(change):
    changed = TEXT.replace(*change, 1)
    assert changed != TEXT
    with pytest.raises(Refused, match="manifest-malformed"):
        parse_manifest(changed)


@pytest.mark.parametrize("end", ["", "\n", "range", TEXT])
def test_nothing_may_follow(end):
    if end:
        with pytest.raises(Refused, match="manifest-malformed"):
            parse_manifest(TEXT + end)
    with pytest.raises(Refused, match="manifest-malformed"):
        parse_manifest(TEXT[:-1])


@given(st.data())
def test_whatever_is_read_is_written_the_same(data):
    at = data.draw(st.integers(0, len(TEXT) - 1))
    text = TEXT[:at] + data.draw(st.characters(codec="utf-8")) + TEXT[at + 1 :]
    with contextlib.suppress(Refused):
        assert parse_manifest(text).text() == text


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 4)), max_size=8))
def test_ranges_are_the_runs_of_a_topic_in_the_order_of_the_log(runs):
    ranges, offsets, fed = Ranges(), {"a": 0, "b": 0}, []
    for topic, count in runs:
        for _ in range(count):
            hashed = sha256(f"{topic}{offsets[topic]}".encode()).digest()
            ranges.add(topic, topic.encode() * 16, offsets[topic], hashed)
            fed.append((topic, offsets[topic], hashed))
            offsets[topic] += 1
    expected = []
    for topic, grouped in itertools.groupby(fed, key=lambda each: each[0]):
        run = list(grouped)
        digest = sha256(b"".join(hashed for _, _, hashed in run)).digest()
        expected.append(Range(topic, topic.encode() * 16, run[0][1], run[-1][1] + 1, digest))
    assert len(ranges) == len(expected)
    assert ranges.finish() == tuple(expected)


def test_a_jump_of_offsets_begins_another_range():
    ranges = Ranges()
    for offset in (0, 1, 5):
        ranges.add("t", ID, offset, bytes(32))
    assert [(r.start, r.end) for r in ranges.finish()] == [(0, 2), (5, 6)]
