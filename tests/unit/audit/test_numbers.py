"""Numbers of messages: the verifier finds what is missing, and what a heartbeat says beyond."""

import pytest

from meldeweg.audit.lines import write_line
from unit.audit.offline import check, codes, erased_log
from unit.audit.synthetic import (
    EVENTS,
    OFFICE,
    POLICE,
    TO_OFFICE,
    TO_POLICE,
    Log,
    heartbeat,
    message,
    token,
)


def test_a_number_that_never_reached_the_bus_is_missing(tmp_path):
    log = Log()
    for n in (1, 2, 5, 6, 6, 9):
        log.add(TO_OFFICE, message(n))
    report = check(log.write(tmp_path))
    assert report.broken == []
    assert [f.detail for f in report.missing] == ["3 to 4", "7 to 8"]
    assert not report.ok


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


@pytest.mark.parametrize("erased", [[5], [1, 2, 10]])
def test_an_entry_that_is_said_to_be_erased_is_told_as_missing(tmp_path, erased):
    report = erased_log(tmp_path, erased)
    told = [("erased", f"entry {index}") for index in erased]
    assert codes(report)[: len(told)] == told
    assert {code for code, _ in codes(report)[len(told) :]} == {"number-missing"}


def test_nobody_hides_a_missing_number_behind_erased_heartbeats(tmp_path):
    """Whoever carries an export needs no key to write `erased` into a line."""
    log = Log()
    log.messages(2)
    for _ in range(3):
        log.add(EVENTS, heartbeat([], [(POLICE, 3)], agency=OFFICE))
        index = len(log.lines) - 1
        log.lines[index] = write_line(index, log.leaves[index], EVENTS, None)
    assert [code for code, _ in codes(check(log.write(tmp_path)))] == ["erased"] * 3
