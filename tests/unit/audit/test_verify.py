"""The offline verifier: accepts a whole log, and finds and names anything else."""

import json
import os
import random
import shutil
import sys
import zipfile
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interop.sumdb_judge import judge  # noqa: F401 - a fixture
from meldeweg.audit.lines import write_line, write_text
from meldeweg.audit.numbering import Numbering
from meldeweg.audit.report import FINDINGS_MAX
from meldeweg.audit.sources import open_source
from meldeweg.audit.verify import verify
from meldeweg.cli import __main__ as command_line
from meldeweg.cli import audit as command
from meldeweg.cli import commands
from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.leaf import Leaf, genesis
from meldeweg.kernel.merkle import leaf_hash, root_of
from meldeweg.kernel.strictjson import b64u_encode
from meldeweg.kernel.tiles import ENTRIES, Tile, encode_bundle
from unit.audit.synthetic import (
    EVENTS,
    OFFICE,
    ORIGIN,
    POLICE,
    SIGNER,
    TO_OFFICE,
    TO_POLICE,
    Log,
    given_up,
    heartbeat,
    message,
    token,
    topic_id,
)


def sample():
    """700 entries: three topics, garbage, heartbeats."""
    log = Log()
    log.messages(300)
    log.add(EVENTS, heartbeat([(OFFICE, 300)]))
    log.messages(200, TO_POLICE, OFFICE, POLICE)
    log.add(TO_OFFICE, None)
    log.add(TO_OFFICE, b"\xff\xfe not a statement", headers=((b"\xff", None),))
    log.add(TO_OFFICE, b'quoted " and \\ and \x01', key=None)
    for n in range(301, 490):
        log.add(TO_OFFICE, message(n))
    for _ in range(4):
        log.add(EVENTS, heartbeat([(OFFICE, 489)], [(OFFICE, 200)]))
    return log


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return sample().write(tmp_path_factory.mktemp("whole"), every=97)


@pytest.fixture
def out(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "log")


def check(place, **given):
    with open_source(str(place)) as source:
        return verify(source, **given)


def codes(report):
    return [(finding.code, finding.where) for finding in report.broken + report.missing]


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


def flip(path, at, bit=1):
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(data)


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


def rewritten(out, name, change):
    lines = (out / name).read_bytes().split(b"\n")[:-1]
    (out / name).write_bytes(b"".join(line + b"\n" for line in change(lines)))


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


def test_a_number_that_never_reached_the_bus_is_missing(tmp_path):
    log = Log()
    for n in (1, 2, 5, 6, 6, 9):
        log.add(TO_OFFICE, message(n))
    report = check(log.write(tmp_path))
    assert report.broken == []
    assert [f.detail for f in report.missing] == ["3 to 4", "7 to 8"]
    assert not report.ok


def test_a_number_that_its_sender_gave_up_is_told_and_not_missing(tmp_path):
    log = Log()
    for n in (1, 3, 6):
        log.add(TO_OFFICE, message(n))
    for n in (2, 3, 5, 7):
        log.add(EVENTS, given_up(OFFICE, n))
    log.add(EVENTS, heartbeat([(OFFICE, 8)]))
    report = check(log.write(tmp_path))
    assert [f.detail for f in report.missing] == ["4 to 4"]
    told = [(notice.code, notice.detail) for notice in report.notices]
    gone = [detail for code, detail in told if code == "number-given-up"]
    assert gone == ["2 to 2", "5 to 5", f"7 to 7, claimed by {POLICE}"]
    assert ("not-yet-in-log", f"8 to 8, claimed by {POLICE}") in told


@pytest.mark.parametrize(
    ("topic", "forged"),
    [
        (f"events.{OFFICE}", given_up(OFFICE, 2)),  # somebody else
        (EVENTS, given_up(OFFICE, 2, outbox="f" * 16)),
        (EVENTS, given_up("jugendamt-andernorts", 2)),
        (EVENTS, token("meldeweg.heartbeat.v1+jws", {"kind": "undeliverable"})),
        (EVENTS, token("meldeweg.event.v1+jws", {"kind": "undeliverable", "seq": None})),
    ],
)
def test_nobody_elses_word_gives_a_number_up(tmp_path, topic, forged):
    log = Log()
    for n in (1, 3):
        log.add(TO_OFFICE, message(n))
    log.add(topic, forged)
    assert [f.detail for f in check(log.write(tmp_path)).missing] == ["2 to 2"]


def test_what_its_recipient_has_was_not_given_up(tmp_path):
    log = Log()
    log.messages(3)
    log.add(EVENTS, given_up(OFFICE, 4))
    log.add(EVENTS, given_up(OFFICE, 5))
    for _ in range(3):
        log.add(f"events.{OFFICE}", heartbeat([], [(POLICE, 5)], agency=OFFICE))
    report = check(log.write(tmp_path))
    assert [f.detail for f in report.missing] == [f"5 to 5, claimed by {OFFICE}"]


def test_a_gap_that_is_excused_costs_nothing_however_many_numbers_follow():
    """One number given up early in a year in which ten thousand others follow."""
    numbering = Numbering()
    for n in (1, *range(3, 12_000)):
        numbering.feed(TO_OFFICE, message(n))
    numbering.feed(EVENTS, given_up(OFFICE, 2))
    for _ in range(3):
        numbering.feed(f"events.{OFFICE}", heartbeat([], [(POLICE, 11_999)], agency=OFFICE))
    assert [(hole.first, hole.last, hole.given_up) for hole in numbering.holes()] == [(2, 2, True)]


def test_a_long_queue_that_was_given_up_is_one_notice():
    numbering = Numbering()
    for n in range(1, 12_000):
        numbering.feed(EVENTS, given_up(OFFICE, n))
    numbering.feed(TO_OFFICE, message(12_000))
    assert [(h.first, h.last, h.given_up) for h in numbering.holes()] == [(1, 11_999, True)]


def test_what_its_recipient_has_was_not_given_up_though_later_ones_are_there(tmp_path):
    log = Log()
    log.messages(4)
    log.add(EVENTS, given_up(OFFICE, 5))
    for _ in range(3):
        log.add(f"events.{OFFICE}", heartbeat([], [(POLICE, 5)], agency=OFFICE))
    log.add(TO_OFFICE, message(6))
    for _ in range(3):
        log.add(f"events.{OFFICE}", heartbeat([], [(POLICE, 6)], agency=OFFICE))
    assert [missed.detail for missed in check(log.write(tmp_path)).missing] == ["5 to 5"]


def second_year(*said):
    """A log that goes on from one which is not here: numbers as messages, ("beat", n) or lists."""
    log = Log(year=2027, previous=b"p" * 32)
    log.next = {TO_OFFICE: 70, EVENTS: 9}
    for each in said:
        if isinstance(each, int):
            log.add(TO_OFFICE, message(each))
        else:
            log.add(EVENTS, heartbeat([(OFFICE, each[1])]))
    return log


BEAT = "beat"


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        # 6 lies in the log of the year before; 5 was not delivered there and comes again
        ((5, (BEAT, 6), 7, (BEAT, 7), 8, (BEAT, 8), 9), []),
        ((7, 5, (BEAT, 6), (BEAT, 7), 8, (BEAT, 8)), []),
        ((5, (BEAT, 6), 7, (BEAT, 7), 8, (BEAT, 8), (BEAT, 10), 10), ["9 to 9"]),
        (((BEAT, 3), (BEAT, 3), (BEAT, 3), 5, (BEAT, 5)), ["4 to 4"]),
        ((1, 3), []),  # nobody says of when they are
    ],
)
def test_in_a_later_year_what_may_be_in_the_old_log_is_not_missing(tmp_path, said, missing):
    report = check(second_year(*said).write(tmp_path))
    assert [found.detail for found in report.missing] == missing
    assert report.broken == []


def test_a_line_that_began_in_a_later_year_counts_from_one(tmp_path):
    log = second_year((BEAT, 3), (BEAT, 3), (BEAT, 3))
    for n in (1, 3):
        log.add(TO_OFFICE, message(n, outbox="f" * 16))
    log.add(EVENTS, heartbeat([(OFFICE, 3)], outbox="f" * 16))
    assert [found.detail for found in check(log.write(tmp_path)).missing] == ["2 to 2"]


@pytest.mark.parametrize(
    "payload",
    [
        b'{"v":1,"v":1,%b}', b"\xef\xbb\xbf{%b}", b'{"x":NaN,%b}', b'{"x":"\\ud800",%b}',
        b'{"x":[[[[[[[[[]]]]]]]]],%b}', b'{"x":99999999999999999999,%b}',
    ],
)  # fmt: skip
def test_an_event_that_is_no_strict_json_gives_no_number_up(tmp_path, payload):
    log = Log()
    for n in (1, 3):
        log.add(TO_OFFICE, message(n))
    body = b'"agency":"%b","kind":"undeliverable","partner":"%b","seq":{"outbox":"%b","n":2}'
    inner = body % (POLICE.encode(), OFFICE.encode(), b"0123456789abcdef")
    head = b64u_encode(b'{"alg":"EdDSA","typ":"meldeweg.event.v1+jws"}')
    log.add(EVENTS, f"{head}.{b64u_encode(payload % inner)}.x".encode())
    assert [found.detail for found in check(log.write(tmp_path)).missing] == ["2 to 2"]


def test_numbers_begin_again_with_each_outbox_and_come_late_without_harm(tmp_path):
    log = Log()
    for n in (1, 3, 2):
        log.add(TO_OFFICE, message(n))
    log.add(TO_OFFICE, message(1, outbox="f" * 16))
    assert check(log.write(tmp_path)).ok


def test_a_number_counts_wherever_it_stands_in_the_context(tmp_path):
    log = Log()
    for n in (1, 2, 4):
        body = {"from": POLICE, "to": OFFICE, "id": "x" * 700 if n != 1 else "x"}
        body["seq"] = {"outbox": "0123456789abcdef", "n": n}
        log.add(TO_OFFICE, token("meldeweg.statement.v1+jws", body))
    assert [missed.detail for missed in check(log.write(tmp_path)).missing] == ["3 to 3"]


def test_a_withheld_tail_is_shown_by_the_senders_heartbeat(tmp_path):
    log = Log()
    log.messages(5)
    for _ in range(3):
        log.add(EVENTS, heartbeat([(OFFICE, 7)]))
    report = check(log.write(tmp_path))
    assert report.missing == []  # it may wait at the sender
    assert ("claimed-not-in-log", f"6 to 7, claimed by {POLICE}") in [
        (notice.code, notice.detail) for notice in report.notices
    ]
    log.add(TO_OFFICE, message(8))
    report = check(log.write(tmp_path))
    assert [f.detail for f in report.missing] == ["6 to 7"]


def test_what_the_recipient_received_and_the_log_lacks_is_shown(tmp_path):
    log = Log()
    for _ in range(3):
        log.add(EVENTS, heartbeat([], [(OFFICE, 2)]))
    report = check(log.write(tmp_path))
    assert [f.where for f in report.missing] == [f"{OFFICE} to {POLICE}, outbox 0123456789abcdef"]


@pytest.mark.parametrize("partner", ["\ud800", "\x1b[2J", "x\u202e", "", "A"])
@pytest.mark.parametrize("outbox", ["0123456789abcdef", "\x1b[2J\x1b[2J\x1b[2J\x1b[2J"])
def test_a_heartbeats_words_reach_no_report_and_no_terminal(tmp_path, capsys, partner, outbox):
    """Whoever may send heartbeats could else steer, or end, the screen of who verifies the log."""
    log = Log()
    for _ in range(3):
        log.add(EVENTS, heartbeat([(partner, 9)], [(partner, 9)], outbox=outbox))
    report = check(log.write(tmp_path / "log"))
    command._show(report.as_json(), 0.0)
    shown = capsys.readouterr().out
    assert all(one.isprintable() or one == "\n" for one in shown)
    assert report.ok


def test_a_topics_name_in_a_forged_export_cannot_steer_the_terminal(tmp_path, capsys):
    log = Log()
    log.messages(2)
    out = log.write(tmp_path / "log")
    lines = (out / "leaves.jsonl").read_bytes()
    (out / "leaves.jsonl").write_bytes(
        lines.replace(b'"topic":"inbox', b'"topic":"\\ud800\\u001b[2J', 1)
    )
    report = check(out)
    assert not report.ok
    command._show(report.as_json(), 0.0)
    shown = capsys.readouterr().out
    assert "topic-renamed" in shown
    assert all(one.isprintable() or one == "\n" for one in shown)


def test_the_newest_heartbeats_may_run_ahead_of_the_log(tmp_path):
    log = Log()
    log.messages(5)
    for n in (5, 6, 7):
        log.add(EVENTS, heartbeat([(OFFICE, n)]))
    report = check(log.write(tmp_path))
    assert report.ok
    assert ("not-yet-in-log", f"6 to 7, claimed by {POLICE}") in [
        (notice.code, notice.detail) for notice in report.notices
    ]


def test_numbers_count_only_in_the_topic_that_their_sender_may_write(tmp_path):
    log = Log()
    log.add(TO_POLICE, message(50))  # written by the office in the name of the police
    log.add(TO_POLICE, b"a.b.c")
    log.add(EVENTS, b"e30.bnVsbA.x")
    assert check(log.write(tmp_path)).ok


def test_a_manifest_that_names_another_order_is_found(out):
    log = sample()
    log.where[5], log.where[6] = log.where[6], log.where[5]
    last = None
    with (out / "manifests.jsonl").open("wb") as file:
        for last in log.manifests(97):
            file.write(write_text(last.text()) + b"\n")
    (out / "manifest").write_bytes(note.sign(last.text(), SIGNER))
    assert codes(check(out)) == [("order-differs", "entry 5")]


def test_a_manifest_whose_digest_is_not_that_of_its_entries_is_found_though_it_is_signed(out):
    previous, last = bytes(32), None
    with (out / "manifests.jsonl").open("wb") as file:
        for made in sample().manifests(97):
            ranges = list(made.ranges)
            if made.number == 2:
                ranges[0] = replace(ranges[0], digest=bytes(32))
            last = replace(made, ranges=tuple(ranges), previous=previous)
            previous = last.digest()
            file.write(write_text(last.text()) + b"\n")
    (out / "manifest").write_bytes(note.sign(last.text(), SIGNER))
    ((code, where),) = codes(check(out))
    assert (code, where) == ("digest-differs", "entry 290")


def test_a_manifest_that_is_left_out_is_found(out):
    rewritten(out, "manifests.jsonl", lambda lines: [*lines[:3], *lines[4:]])
    assert codes(check(out)) == [("manifest-out-of-order", "manifest 3")]


def test_manifests_that_end_early_or_late_are_found(out):
    rewritten(out, "manifests.jsonl", lambda lines: lines[:-1])
    assert codes(check(out)) == [("manifest-missing", "entry 679")]
    sample().write(out, every=97)
    longer = sample()
    longer.messages(60)
    last = None
    with (out / "manifests.jsonl").open("wb") as file:
        for last in longer.manifests(97):
            file.write(write_text(last.text()) + b"\n")
    assert codes(check(out)) == [("manifest-too-long", "manifests.jsonl")]


def test_a_manifest_that_another_key_signed_is_found(out):
    data = (out / "manifest").read_bytes()
    other = note.Signer(ORIGIN, SIGNER.public, lambda text: bytes(64))
    signed = note.parse(data).text + "\n"
    line = note.sign(note.parse(data).text, other).decode().removeprefix(signed)
    (out / "manifest").write_text(signed + line)
    assert codes(check(out)) == [("note-signature-invalid", "manifest")]


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


def test_an_erased_entry_keeps_its_proof_and_is_told(tmp_path):
    log = Log()
    log.messages(3)
    from meldeweg.audit.lines import write_line

    log.lines[2] = write_line(2, log.leaves[2], TO_OFFICE, None)
    report = check(log.write(tmp_path))
    assert report.broken == []
    assert ("erased", "entry 2") in [(n.code, n.where) for n in report.notices]


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


def test_a_manifest_that_begins_another_year_than_the_log_is_found(tmp_path):
    log = Log()
    log.messages(2)
    log.previous = b"p" * 32
    assert codes(check(log.write(tmp_path))) == [("genesis-differs", "manifest 0")]


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


def zipped(root, to, prefix=""):
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                file.write(path, prefix + str(path.relative_to(root)))
    return to


@pytest.mark.parametrize("prefix", ["", "audit-2026/"])
def test_a_zip_is_verified_without_unpacking_it(whole, tmp_path, prefix):
    before = set(tmp_path.iterdir())
    made = zipped(whole, tmp_path / "log.zip", prefix)
    assert check(made).ok
    assert set(tmp_path.iterdir()) - before == {made}


def test_every_broken_byte_of_a_zip_is_refused_or_without_effect(whole, tmp_path):
    made = zipped(whole, tmp_path / "log.zip")
    data, rng = made.read_bytes(), random.Random(2)
    for _ in range(150):
        at = rng.randrange(len(data))
        made.write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])
        try:
            report = check(made)
        except Refused:
            continue  # no longer a zip file, or one without a checkpoint
        # Dates and attributes are not the log's; what it gives is whole, or named.
        assert report.ok or report.broken
    made.write_bytes(data[: len(data) // 2])
    with pytest.raises(Refused, match="zip-malformed"):
        check(made)


def test_a_zip_with_names_that_leave_it_or_stand_twice_is_harmless(whole, tmp_path):
    made = zipped(whole, tmp_path / "log.zip")
    with zipfile.ZipFile(made, "a") as file:
        file.writestr("../../outside", b"x")
        file.writestr("/etc/outside", b"x")
    assert check(made).ok
    with zipfile.ZipFile(made, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("checkpoint", b"x")
    with pytest.raises(Refused, match="zip-malformed"):
        check(made)


STRANGERS = [
    "notes.txt",
    "leaves.jsonl.old",
    "tile/0/005",
    "tile/0/000.p/3",
    "tile/entries/x001/000",
]


def test_a_file_that_is_no_part_of_the_log_is_told_and_breaks_nothing(out, tmp_path):
    for name in STRANGERS:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"x")
    (out / "linked").symlink_to("/etc/passwd")
    (out / "tile" / "elsewhere").symlink_to("/etc")
    os.mkfifo(os.fsencode(out) + b"/tile/\xff")
    expected = {"linked", "tile/elsewhere", "tile/\\xff", *STRANGERS}
    no_files = {"tile/elsewhere", "tile/\\xff"}  # which a zip of it does not have
    for place, left_out in [(out, set()), (zipped(out, tmp_path / "x.zip"), no_files)]:
        report = check(place, vkeys=[SIGNER.verifier().vkey()])
        assert report.ok
        assert {each.code for each in report.notices} == {"file-unknown"}
        assert [each.where for each in report.notices] == sorted(expected - left_out)


def test_many_strange_files_leave_room_for_other_notices_and_are_counted(out):
    for number in range(1200):
        (out / f"strange-{number:04}").touch()
    report = check(out)
    assert report.ok
    told = [each for each in report.notices if each.code == "file-unknown"]
    assert [each.where for each in told[:100]] == [f"strange-{n:04}" for n in range(100)]
    assert [(each.where, each.detail[:9]) for each in told[100:]] == [("", "1100 more")]


def test_notices_of_other_kinds_do_not_crowd_out_a_strange_file(tmp_path, monkeypatch):
    _, verified = erased_log(tmp_path, [1, 2, 5])
    verified()
    (tmp_path / "erased" / "strange").touch()
    monkeypatch.setattr("meldeweg.audit.report.FINDINGS_MAX", 2)
    report = check(tmp_path / "erased", vkeys=[SIGNER.verifier().vkey()])
    assert [each.code for each in report.notices] == ["file-unknown", "erased"]


def test_the_command_tells_a_strange_file_in_both_forms_and_ends_as_the_log_is(
    out, monkeypatch, capsys
):
    monkeypatch.setattr(commands, "quieten", lambda: None)  # it is for a process of its own
    (out / "strange\x1b[2J").touch()

    def run(*more):
        monkeypatch.setattr(sys, "argv", ["meldeweg", "audit", "verify", str(out), *more])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        return ended.value.code or 0, capsys.readouterr().out

    code, said = run()
    assert code == 0
    assert "notices: file-unknown strange" in said
    assert "\x1b" not in said
    code, said = run("--json")
    (told,) = [one for one in json.loads(said)["notices"] if one["code"] == "file-unknown"]
    assert (code, told["where"]) == (0, "strange\x1b[2J")
    flip(out / "tile/0/000", 5)
    code, said = run("--json")
    assert (code, "file-unknown" in said) == (1, True)


def test_a_zip_bomb_is_not_inflated(whole, out, tmp_path):
    for name in ("tile/0/000", "leaves.jsonl"):
        (out / name).write_bytes(bytes(200_000_000))
        report = check(zipped(out, tmp_path / "bomb.zip"))
        assert ("file-too-large" if name.startswith("tile") else "line-too-long") in {
            finding.code for finding in report.broken
        }
        shutil.copy(whole / name, out / name)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(out):
    for name in ("leaves.jsonl", "tile/0/000"):
        (out / name).unlink()
        os.mkfifo(out / name)
    assert ("file-unreadable", "leaves.jsonl") in codes(check(out))


def test_what_is_no_export_is_refused(tmp_path):
    (tmp_path / "text").write_text("x")
    for place, code in [
        (tmp_path / "none", "export-missing"),
        (tmp_path / "text", "zip-malformed"),
    ]:
        with pytest.raises(Refused, match=code):
            check(place)
    report = check(tmp_path)
    assert [finding.code for finding in report.broken] == ["file-missing"]


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


def erased_log(tmp_path, erased):
    """Ten numbered messages, of which the entries `erased` lost their bytes."""
    log = Log()
    log.messages(10)
    for index in erased:
        log.lines[index] = write_line(index, log.leaves[index], TO_OFFICE, None)
    for _ in range(3):
        log.add(f"events.{OFFICE}", heartbeat([], [(POLICE, 10)], agency=OFFICE))
    return log, lambda: check(log.write(tmp_path / "erased"), vkeys=[SIGNER.verifier().vkey()])


@pytest.mark.parametrize("erased", [[5], [1, 2, 10]])
def test_an_erased_entry_is_no_missing_number(tmp_path, erased):
    _, verified = erased_log(tmp_path, erased)
    report = verified()
    assert codes(report) == []
    assert {"erased", "number-erased"} <= {each.code for each in report.notices}


def test_an_erased_entry_excuses_one_number_and_not_two(tmp_path):
    log, verified = erased_log(tmp_path, [5])
    log.add(TO_OFFICE, message(12))
    assert [code for code, _ in codes(verified())] == ["number-missing", "number-missing"]
