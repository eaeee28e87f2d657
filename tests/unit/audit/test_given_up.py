"""A number that its sender gave up is told and not missing; nobody else's word gives one up."""

import pytest

from meldeweg.audit.numbering import Numbering
from meldeweg.kernel.strictjson import b64u_encode
from unit.audit.offline import check
from unit.audit.synthetic import (
    EVENTS,
    OFFICE,
    POLICE,
    TO_OFFICE,
    Log,
    given_up,
    heartbeat,
    message,
    token,
)


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


@pytest.mark.parametrize(
    ("head", "payload"),
    [
        (b"meldeweg.event.v1+jws", b"undeliverabl\\u0065"),
        (b"meldeweg.\\u0065vent.v1+jws", b"undeliverable"),
    ],
)
def test_a_word_counts_however_it_is_written(tmp_path, head, payload):
    log = Log()
    for n in (1, 3):
        log.add(TO_OFFICE, message(n))
    body = b'{"agency":"%b","kind":"%b","partner":"%b","seq":{"outbox":"0123456789abcdef","n":2}}'
    payload = body % (POLICE.encode(), payload, OFFICE.encode())
    parts = b'{"alg":"EdDSA","typ":"%b"}' % head, payload, b"x"
    log.add(EVENTS, ".".join(map(b64u_encode, parts)).encode())
    report = check(log.write(tmp_path))
    assert not report.missing
    assert [n.detail for n in report.notices if n.code == "number-given-up"] == ["2 to 2"]


def test_an_escaped_heartbeat_counts():
    numbering = Numbering()
    numbering.feed(TO_OFFICE, message(1))
    sent = b'{"agency":"%b","sent":{"%b":{"outbox":"0123456789abcdef","n":2}},"received":{}}'
    head = b'{"alg":"EdDSA","typ":"meldeweg.heart\\u0062eat.v1+jws"}'
    parts = head, sent % (POLICE.encode(), OFFICE.encode()), b"x"
    numbering.feed(EVENTS, ".".join(map(b64u_encode, parts)).encode())
    assert [(hole.first, hole.last, hole.open) for hole in numbering.holes()] == [(2, 2, True)]
