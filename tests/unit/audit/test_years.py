"""Across New Year's Eve: the new log goes on from the old one, or the verifier says where not."""

import json
import sys
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meldeweg.audit.sources import open_source
from meldeweg.audit.verify import verify
from meldeweg.cli import __main__ as command_line
from meldeweg.cli import commands
from meldeweg.kernel import note
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
)

THIRD = "events.zentrum-musterstadt"


def check(place, before=None, **given):
    with open_source(str(place)) as source:
        if before is None:
            return verify(source, **given)
        with open_source(str(before)) as old:
            return verify(source, before=old, **given)


def codes(report):
    return [finding.code for finding in report.broken + report.missing]


@pytest.fixture
def old():
    log = Log()
    log.messages(20)
    log.messages(5, TO_POLICE, OFFICE, POLICE)
    log.add(EVENTS, heartbeat([(OFFICE, 22)]))  # numbered, and on its way into the new year
    return log


@pytest.fixture
def write(tmp_path):
    def write(log):
        return log.write(tmp_path / f"{log.year}-{len(log.leaves)}")

    return write


@pytest.fixture
def new(old):
    log = old.next_year()
    log.messages(10)
    for _ in range(3):
        log.add(EVENTS, heartbeat([(OFFICE, 30)], [(OFFICE, 5)]))
    return log


def test_a_log_that_goes_on_from_the_year_before_is_accepted(old, new, write):
    vkeys = [log.signer.verifier().vkey() for log in (old, new)]
    report = check(write(new), write(old), vkeys=vkeys)
    assert report.ok
    assert (codes(report), codes(report.before)) == ([], [])
    assert report.notices == []
    assert report.before.notices == []  # what was on its way has come
    assert (report.origin, report.before.origin) == (new.origin, ORIGIN)
    assert report.as_json()["before"]["ok"] is True


def test_the_year_before_is_read_with_its_own_keys_where_none_of_it_is_known(old, new, write):
    report = check(write(new), write(old), vkeys=[new.signer.verifier().vkey()])
    assert report.ok
    assert [notice.code for notice in report.before.notices] == ["key-from-export"]
    foreign = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    known = [new.signer.verifier().vkey(), note.Signer.of(ORIGIN, foreign).verifier().vkey()]
    report = check(write(new), write(old), vkeys=known)
    assert codes(report.before) == ["note-unsigned"]
    assert not report.ok


@pytest.mark.parametrize("previous", [b"p" * 32, bytes(32)])
def test_a_genesis_that_commits_to_another_checkpoint_is_found(old, write, previous):
    new = old.next_year(previous)
    for topic in (TO_OFFICE, EVENTS):
        new.next[topic] = 0 if previous == bytes(32) else new.next[topic]
    new.add(TO_OFFICE, message(1 if previous == bytes(32) else 21))
    assert check(write(new)).ok  # as long as nobody has the year before
    report = check(write(new), write(old))
    assert codes(report) == ["genesis-commits-to-another"]
    assert report.broken[0].where == "entry 0"
    assert "26 entries" not in report.broken[0].detail
    assert "27 entries" in report.broken[0].detail


def test_a_year_before_that_is_shorter_than_leaf_0_commits_to_is_found(old, new, write):
    shorter = Log()
    shorter.messages(20)
    report = check(write(new), write(shorter))
    assert codes(report) == ["genesis-commits-to-another"]
    assert report.before.ok
    old.messages(1)
    assert codes(check(write(new), write(old))) == ["genesis-commits-to-another"]  # a longer one


def test_a_record_that_is_left_out_at_the_turn_is_found(old, write):
    new = old.next_year()
    new.next[TO_OFFICE] += 1
    new.messages(2)
    assert check(write(new)).ok
    report = check(write(new), write(old))
    assert codes(report) == ["record-omitted", "number-missing"]
    assert report.broken[0].where == f"entry 1, topic {TO_OFFICE}"
    assert report.broken[0].detail == "offset 21 where 20 must come"
    assert report.missing[0].detail == "21 to 21"
    assert report.before.ok


def test_a_record_of_the_old_year_that_comes_again_in_the_new_one_is_found(old, write):
    new = old.next_year()
    new.next[TO_OFFICE] -= 1
    new.messages(2)
    assert codes(check(write(new), write(old))) == ["record-omitted"]


def test_a_topic_that_is_new_in_the_new_year_begins_at_0(old, write):
    new = old.next_year()
    new.add(THIRD, None, offset=3)
    assert check(write(new)).ok
    assert codes(check(write(new), write(old))) == ["record-omitted"]


def test_what_is_new_may_be_older_than_a_year_before_that_is_not_the_first(old, new, write):
    third = new.next_year()
    third.next[THIRD] = 7  # silent all the second year
    third.add(THIRD, None)
    assert check(write(third), write(new)).ok
    third.add(TO_OFFICE, message(32), offset=31)
    report = check(write(third), write(new))
    assert codes(report) == ["record-omitted", "number-missing"]


def test_a_number_that_never_came_is_missing_whichever_year_has_the_later_one(old, write):
    new = old.next_year()
    new.add(TO_OFFICE, message(22))
    assert check(write(new)).ok
    report = check(write(new), write(old))
    assert codes(report) == ["number-missing"]
    assert report.missing[0].detail == "21 to 21"


def test_a_number_that_was_given_up_in_the_old_year_is_no_hole_of_the_new_one(old, write):
    old.add(EVENTS, given_up(OFFICE, 21))
    new = old.next_year()
    new.add(TO_OFFICE, message(22))
    report = check(write(new), write(old))
    assert report.ok
    assert ("number-given-up", "21 to 21") in [(one.code, one.detail) for one in report.notices]


def test_a_hole_of_the_old_year_is_told_once(old, write):
    old.add(TO_OFFICE, message(25))
    new = old.next_year()
    new.add(TO_OFFICE, message(26))
    report = check(write(new), write(old))
    assert codes(report) == ["number-missing"]
    assert report.before.missing == []
    shorter = old.next_year(b"p" * 32)
    report = check(write(shorter), write(old))
    assert [each.code for each in report.before.missing] == ["number-missing"]


def test_a_topic_that_changes_its_name_at_the_turn_is_found(old, write):
    new = old.next_year()
    new.messages(3)
    new.lines = [line.replace(TO_OFFICE.encode(), THIRD.encode()) for line in new.lines]
    new.where = [each and (THIRD, *each[1:]) for each in new.where]
    assert check(write(new)).ok
    assert "topic-renamed" in codes(check(write(new), write(old)))


def test_a_log_of_another_year_than_the_one_before_is_found(old, write):
    new = Log("audit.example/kreis-musterstadt/2028", 2028, old.next_year().previous)
    assert codes(check(write(new), write(old))) == ["year-not-before"]


def test_what_is_broken_in_the_year_before_is_named_there(old, new, write):
    old_export = write(old)
    (old_export / "tile/entries/000.p/27").unlink()
    report = check(write(new), old_export)
    assert not report.ok
    assert "file-missing" in codes(report.before)
    report = check(write(new), old_export.parent)
    assert codes(report.before) == ["file-missing"]
    assert not report.ok
    assert report.broken == []


def test_without_lines_offsets_go_on_all_the_same(old, new, write):
    exports = write(new), write(old)
    assert check(*exports, shown=False).ok
    skipped = old.next_year()
    skipped.next[TO_OFFICE] += 1
    skipped.messages(1)
    assert codes(check(write(skipped), exports[1], shown=False)) == ["record-omitted"]


def empty(at):
    """A log that not even began, signed all the same."""
    log = Log()
    log.write(at)
    head = note.Checkpoint(ORIGIN, 0, sha256(b"").digest())
    (at / "checkpoint").write_bytes(note.sign(head.text(), SIGNER))
    return at


def test_an_empty_log_is_no_year_before_from_which_another_goes_on(new, write, tmp_path):
    nothing = empty(tmp_path / "empty")
    assert codes(check(nothing, shown=False)) == ["genesis-misplaced"]
    for shown in (True, False):
        assert not check(write(new), nothing, shown=shown).ok


def test_a_link_that_was_not_looked_at_is_never_taken_for_one_that_is_right(
    old, new, write, monkeypatch
):
    monkeypatch.setattr("meldeweg.audit.verify.Walk.ended", lambda _: None)
    assert codes(check(write(new), write(old))) == ["genesis-commits-to-another"]


def signed(log, **changed):
    return note.sign(replace(log.head(), **changed).text(), log.signer)


def test_the_last_checkpoint_of_the_year_before_is_what_leaf_0_commits_to(old, new, write):
    assert check(write(new), earlier=[signed(old)]).ok
    other = check(write(new), earlier=[signed(old, size=9)])
    assert codes(other) == ["checkpoint-of-another-log"]
    assert other.broken[0].where == "earlier checkpoint"
    hostile = old.next_year(b"p" * 32)
    assert codes(check(write(hostile), earlier=[signed(old)])) == ["checkpoint-of-another-log"]


def test_any_checkpoint_of_the_year_before_is_held_against_its_export(old, new, write):
    early = Log()
    early.messages(20)
    exports = write(new), write(old)
    assert check(*exports, earlier=[signed(early), signed(old), signed(new)]).ok
    assert codes(check(*exports, earlier=[signed(early, root=b"r" * 32)])) == ["log-forked"]
    assert codes(check(*exports, earlier=[signed(early, size=900)])) == ["log-shorter"]
    third = signed(new.next_year())
    assert codes(check(*exports, earlier=[third])) == ["checkpoint-of-another-log"]


def test_the_year_that_was_asked_for_is_the_one_that_leaf_0_begins(new, write):
    assert check(write(new), year=2027).ok
    report = check(write(new), year=2026)
    assert [(each.code, each.where, each.detail) for each in report.broken] == [
        ("log-not-asked-for", "entry 0", "of 2027")
    ]


def test_the_command_shows_both_years_and_says_in_german_what_is_wrong(
    old, new, write, monkeypatch, capsys
):
    monkeypatch.setattr(commands, "quieten", lambda: None)  # it is for a process of its own

    def run(*given):
        words = ["meldeweg", "audit", "verify", *map(str, given)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        return ended.value.code or 0, capsys.readouterr()

    old_export, new_export = write(old), write(new)
    code, said = run(new_export, "--before", old_export, "--year", "2027")
    assert code == 0
    assert said.out.index(old.origin) < said.out.index(new.origin)
    shorter = Log()
    code, said = run(new_export, "--before", write(shorter))
    assert code == 1
    (told,) = [line for line in said.out.splitlines() if line.startswith("broken:")]
    assert told.startswith("broken: genesis-commits-to-another entry 0 ")
    assert told.endswith("Es fehlt dessen Ende, oder es ist ein anderes Protokoll.)")
    code, said = run(new_export, "--before", write(shorter), "--json")
    assert (code, json.loads(said.out)["before"]["ok"]) == (1, True)
    for place in ("https://audit.example", old_export / "none"):
        code, said = run(new_export, "--before", place)
        assert (code, said.err.split(":")[0]) == (1, "export-missing")


def test_the_synthetic_log_of_the_first_year_signs_as_ever():
    assert Log().signer.verifier() == SIGNER.verifier()
