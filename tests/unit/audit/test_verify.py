"""The offline verifier: accepts a whole log, and finds and names anything else."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interop.sumdb_judge import judge  # noqa: F401 - a fixture
from meldeweg.audit.report import FINDINGS_MAX
from meldeweg.kernel import note
from meldeweg.kernel.leaf import Leaf, genesis
from meldeweg.kernel.merkle import leaf_hash, root_of
from meldeweg.kernel.tiles import ENTRIES, Tile, encode_bundle
from unit.audit.offline import check, codes, flip, rewritten, sample
from unit.audit.synthetic import (
    EVENTS,
    OFFICE,
    ORIGIN,
    POLICE,
    SIGNER,
    TO_OFFICE,
    TO_POLICE,
    Log,
    heartbeat,
    message,
    topic_id,
)


def test_a_whole_log_is_accepted(whole):
    report = check(whole, vkeys=[SIGNER.verifier().vkey()])
    assert codes(report) == []
    assert report.ok
    assert report.notices == []
    assert report.size == report.entries == 698
    assert report.topics == {TO_OFFICE: 492, TO_POLICE: 200, EVENTS: 5}
    assert report.as_json()["ok"] is True


def test_the_report_says_when_the_key_came_from_the_export_itself(whole):
    report = check(whole)
    assert report.ok
    assert [notice.code for notice in report.notices] == ["key-from-export"]


def test_a_log_signed_by_another_key_than_the_one_that_is_known_is_refused(whole):
    other = note.Signer.of(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"o" * 32)).verifier()
    assert codes(check(whole, vkeys=[other.vkey()])) == [("note-unsigned", "checkpoint")]


def test_the_go_checksum_database_verifies_the_same_export(whole, out, judge):  # noqa: F811
    asked = {"Vkey": SIGNER.verifier().vkey(), "Origin": ORIGIN}
    assert judge.ask("log", Dir=str(whole), **asked) == {"ok": True, "size": 698}
    flip(out / "tile/entries/001", 1000)
    assert not judge.ask("log", Dir=str(out), **asked)["ok"]
    assert not check(out).ok


def test_one_changed_byte_anywhere_is_found_and_its_file_or_entry_named(whole, out):
    rng = random.Random(1)
    files = sorted(path for path in whole.rglob("*") if path.is_file())
    for path in files:
        here = out / path.relative_to(whole)
        size = path.stat().st_size
        ends = {0, 1, size // 2, size - 2, size - 1}
        for at in ends | {rng.randrange(size) for _ in range(12)}:
            flip(here, at, 1 << rng.randrange(8))
            report = check(out)
            assert not report.ok, (here, at)
            assert named(report, path.relative_to(whole), at, path.read_bytes()), (path, at, report)
            here.write_bytes(path.read_bytes())
    assert check(out).ok


def named(report, path, at, data):
    """Does the report lead to the place?"""
    where = " ".join(f"{f.code} {f.where} {f.detail}" for f in report.broken)
    match str(path).split("/"):
        case ["checkpoint"] | ["vkey"]:
            return "checkpoint" in where
        case ["manifest"]:
            return "manifest" in where
        case ["manifests.jsonl"]:  # a manifest, or the entry that it names wrongly
            return "manifest" in where or "entry" in where
        case ["leaves.jsonl"]:
            number = data[: at + 1].count(b"\n") - (data[at : at + 1] == b"\n")
            return f"entry {number}" in where or "leaves.jsonl" in where
        case ["tile", "entries", name, *_]:
            first = int(name.removesuffix(".p")) * 256
            return str(path) in where or any(
                f"entry {index} " in where for index in range(first, first + 256)
            )
        case ["tile", *_]:
            return str(path) in where or "entry" in where


@pytest.mark.parametrize("name", ["checkpoint", "vkey", "manifest", "manifests.jsonl",
                                  "leaves.jsonl", "tile/0/001", "tile/1/000.p/2",
                                  "tile/entries/002.p/186"])  # fmt: skip
def test_a_missing_file_is_found_and_named(out, name):
    (out / name).unlink()
    report = check(out)
    assert not report.ok
    assert any(name in f"{f.where} {f.detail}" for f in report.broken)


@pytest.mark.parametrize("name", ["checkpoint", "vkey", "manifest", "manifests.jsonl",
                                  "leaves.jsonl", "tile/0/001", "tile/1/000.p/2",
                                  "tile/entries/001"])  # fmt: skip
@pytest.mark.parametrize(
    "change",
    [lambda d: d[:-1], lambda d: d + b"\n", lambda d: b"", lambda d: d + d],
    ids=["short", "long", "empty", "twice"],
)
def test_a_file_of_another_length_is_found(out, name, change):
    data = (out / name).read_bytes()
    (out / name).write_bytes(change(data))
    assert not check(out).ok


def test_an_omitted_line_is_named_once(out):
    rewritten(out, "leaves.jsonl", lambda lines: lines[:250] + lines[251:])
    assert codes(check(out)) == [
        ("line-missing", "leaves.jsonl, entry 250"),
        ("number-missing", f"{POLICE} to {OFFICE}, outbox 0123456789abcdef"),
    ]


def test_omitted_lines_at_the_end_are_named_once(out):
    rewritten(out, "leaves.jsonl", lambda lines: lines[:-2])
    assert codes(check(out)) == [("line-missing", "leaves.jsonl, entry 696")]


def test_a_repeated_line_is_named(out):
    rewritten(out, "leaves.jsonl", lambda lines: [*lines[:9], *lines[8:]])
    assert codes(check(out)) == [("line-too-many", "leaves.jsonl, a second 8")]


def test_a_line_of_another_entry_is_named(out):
    def swap(lines):
        one, two = lines[5].split(b'"statement"'), lines[6].split(b'"statement"')
        lines[5], lines[6] = b'"statement"'.join([one[0], two[1]]), lines[6]
        return lines

    rewritten(out, "leaves.jsonl", swap)
    assert ("line-differs-from-leaf", "entry 5") in codes(check(out))


@pytest.mark.parametrize(
    "respelt",
    [
        lambda line: line.replace(b'"index":5,', b'"index": 5,'),
        lambda line: line.replace(b'"index":5,', b'"index":5.0,'),
        lambda line: line.replace(b'"statement":"e', b'"statement":"\\u0065'),
        lambda line: line[:-1] + b',"more":1}',
        lambda line: line.replace(b'"topic":', b'"topic":"x","topic":'),
        lambda line: line.replace(b"inbox.", b"outbx."),
        lambda line: line.replace(b"inbox.", b"inbox\x01"),
        lambda line: b"[" * 100_000,
        lambda line: b"{}",
        lambda line: b"null",
        lambda line: b"\xff",
    ],
    ids=range(11),
)
def test_a_line_in_any_other_spelling_is_found(out, respelt):
    rewritten(out, "leaves.jsonl", lambda lines: [*lines[:5], respelt(lines[5]), *lines[6:]])
    report = check(out)
    assert any("entry 5" in finding.where for finding in report.broken)


def test_a_record_that_the_log_left_out_is_found_by_its_offset_though_all_is_signed(tmp_path):
    log = Log()
    log.messages(10)
    log.add(TO_OFFICE, message(12), offset=11)
    log.messages(2, TO_POLICE, OFFICE, POLICE)
    report = check(log.write(tmp_path))
    assert [(f.code, f.detail) for f in report.broken] == [
        ("record-omitted", "offset 11 where 10 must come")
    ]
    assert TO_OFFICE in report.broken[0].where


def test_a_topic_that_begins_late_is_found(tmp_path):
    log = Log()
    log.add(TO_OFFICE, message(1), offset=3)
    assert [f.code for f in check(log.write(tmp_path)).broken] == ["record-omitted"]


def test_a_record_that_stands_twice_is_found(tmp_path):
    log = Log()
    log.messages(3)
    log.add(TO_OFFICE, message(3), offset=2)
    assert [f.code for f in check(log.write(tmp_path)).broken] == ["record-omitted"]


def test_a_genesis_in_the_middle_or_of_another_log_is_found(tmp_path):
    log = Log()
    log.leaf(genesis(ORIGIN, 2026), b"{}")
    log.where[-1] = None
    report = check(log.write(tmp_path))
    assert ("genesis-misplaced", "entry 1") in codes(report)


def test_a_log_that_begins_with_a_record_is_found(tmp_path):
    log = Log()
    log.leaves[0] = Leaf(topic_id("x"), 0, b"r" * 32).encode()
    assert ("genesis-misplaced", "entry 0") in codes(check(log.write(tmp_path)))


def test_an_unreadable_leaf_that_is_signed_all_the_same_is_named(tmp_path):
    log = Log()
    log.messages(3)
    log.leaves[2] = b"not a leaf"
    assert ("leaf-malformed", "entry 2") in codes(check(log.write(tmp_path)))


def test_an_erased_entry_keeps_its_proof_and_is_missing(tmp_path):
    log = Log()
    log.messages(3)
    from meldeweg.audit.lines import write_line

    log.lines[2] = write_line(2, log.leaves[2], TO_OFFICE, None)
    report = check(log.write(tmp_path))
    assert report.broken == []
    assert ("erased", "entry 2") in [(each.code, each.where) for each in report.missing]
    assert not report.ok


def test_a_later_year_goes_on_with_the_offsets_of_the_year_before(tmp_path):
    log = Log()
    log.leaves[0] = genesis(ORIGIN, 2026, b"p" * 32).encode()
    from meldeweg.audit.lines import write_line

    log.lines[0] = write_line(0, log.leaves[0], None, None)
    log.previous = b"p" * 32
    log.add(TO_OFFICE, message(41), offset=40)
    log.add(TO_OFFICE, message(42))
    for _ in range(3):
        log.add(EVENTS, heartbeat([(OFFICE, 42)], [(OFFICE, 7)]))
    report = check(log.write(tmp_path))
    assert codes(report) == []
    log.add(TO_OFFICE, message(44), offset=43)
    assert [f.code for f in check(log.write(tmp_path)).broken] == ["record-omitted"]
    assert [f.detail for f in check(log.write(tmp_path)).missing] == ["43 to 43"]


def earlier(log, size, signer=SIGNER):
    root = root_of(leaf_hash(leaf) for leaf in log.leaves[:size])
    return note.sign(note.Checkpoint(ORIGIN, size, root).text(), signer)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 698])
def test_a_log_extends_what_it_signed_before(whole, size):
    assert check(whole, earlier=[earlier(sample(), size)]).ok


def test_a_fork_and_a_shortened_log_are_found(whole):
    other = Log()
    other.messages(300)
    other.add(TO_OFFICE, b"another")
    other.messages(600)
    assert codes(check(whole, earlier=[earlier(other, 302)])) == [("log-forked", "checkpoint")]
    assert codes(check(whole, earlier=[earlier(other, 900)])) == [("log-shorter", "checkpoint")]


def test_a_checkpoint_of_an_absurd_size_ends_at_once(out):
    head = note.Checkpoint(ORIGIN, 2**62, b"r" * 32)
    (out / "checkpoint").write_bytes(note.sign(head.text(), SIGNER))
    assert codes(check(out))[-1] == ("given-up", "entry 13312")


def test_findings_are_all_counted_and_a_thousand_listed(out):
    log = Log()
    log.messages(2500)
    log.lines[:] = [line.replace(b'"offset"', b'"offsex"') for line in log.lines]
    report = check(log.write(out))
    assert len(report.broken) == FINDINGS_MAX
    assert report.count == 2500


def test_tiles_alone_can_be_verified(out):
    for name in ("leaves.jsonl", "manifests.jsonl", "manifest"):
        (out / name).unlink()
    assert check(out, shown=False).ok
    (out / Tile(ENTRIES, 0).path()).write_bytes(encode_bundle([b"x"] * 256))
    assert not check(out, shown=False).ok
