"""The SQL of each matter: what is written is read back equal, and each query keeps its word."""

import sqlite3
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from meldeweg.gateway.states import ReceivedMove, ReceivedState
from meldeweg.gateway.store import (
    headers,
    idempotency,
    numbers,
    offsets,
    opened,
    receipt_in,
    seen,
    tokens,
    trust,
)
from meldeweg.gateway.store import received as received_rows
from meldeweg.kernel.bus.positions import Position
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.kernel.ids import Digest, new_message_id
from meldeweg.kernel.statement import ReceiptKind, Seq
from unit.gateway.gateway_rows import NOW, ODD, OFFICE, POLICE, received


def test_headers_keep_their_exact_bytes_and_order():
    assert headers.unpack(headers.pack(ODD)) == ODD
    assert headers.unpack(b"") == ()


@pytest.mark.parametrize("cut", range(1, len(headers.pack(ODD))))
def test_cut_headers_are_damage_or_fewer_but_never_others(cut):
    found = ()
    with suppress(Fatal):
        found = headers.unpack(headers.pack(ODD)[:cut])
    assert found == ODD[: len(found)]
    assert found != ODD


def test_a_received_message_is_read_back_and_its_bytes_are_as_they_came(db):
    new = received()
    seq = received_rows.insert(db, new)
    (found,) = received_rows.by_id(db, new.id)
    assert found == received_rows.by_digest(db, new.digest)
    assert (found.seq, found.state, found.overdue_at) == (seq, ReceivedState.RECEIVED, None)
    assert received_rows.sealed(db, seq) == (new.statement, new.value)


def test_the_same_id_of_the_same_sender_is_stored_once(db):
    new = received()
    received_rows.insert(db, new)
    with pytest.raises(sqlite3.IntegrityError):
        received_rows.insert(db, replace(new, digest=Digest.of(b"other")))
    received_rows.insert(db, replace(new, sender=OFFICE, digest=Digest.of(b"third")))
    assert [row.sender for row in received_rows.by_id(db, new.id)] == [POLICE, OFFICE]


def test_the_inbox_goes_on_where_the_cursor_is(db):
    seqs = [received_rows.insert(db, received()) for _ in range(5)]
    first = received_rows.page(db, 0, 3)
    assert [row.seq for row in first] == seqs[:3]
    assert [row.seq for row in received_rows.page(db, first[-1].seq, 3)] == seqs[3:]
    assert received_rows.count(db) == 5


def test_erasing_removes_the_sealed_bytes(db):
    new = received(delete_after="2026-12-01")
    seq = received_rows.insert(db, new)
    (message,) = received_rows.expired(db, "2026-12-01")
    assert received_rows.expired(db, "2026-11-30") == []
    assert received_rows.move(db, message, ReceivedMove.EXPIRED, NOW) is ReceivedState.ERASED
    assert received_rows.sealed(db, seq) == (new.statement, None)
    assert received_rows.expired(db, "2026-12-01") == []
    assert [step.kind for step in received_rows.timeline(db, seq)] == ["expired"]


def test_received_past_deadline_is_found_until_marked(db):
    received_rows.insert(db, received(ack_by=NOW - timedelta(milliseconds=1)))
    (found,) = received_rows.past_deadline(db, NOW)
    received_rows.mark_overdue(db, found, NOW)
    assert received_rows.past_deadline(db, NOW) == []


def test_seen_remembers_the_digest_until_the_term_is_over(db):
    message, of = new_message_id(), Digest.of(b"m")
    assert seen.digest(db, POLICE, message) is None
    seen.add(db, POLICE, message, of, "2026-12-01")
    assert seen.digest(db, POLICE, message) == of
    assert seen.digest(db, OFFICE, message) is None
    assert (seen.forget(db, "2026-11-30"), seen.forget(db, "2026-12-01")) == (0, 1)


def test_looks_and_their_persons(db):
    look = opened.Look(1, "a" * 32, b"sealed", NOW)
    opened.add(db, look)
    assert opened.of(db, 1) == [look]
    opened.forget_persons(db, 1)
    assert opened.of(db, 1) == [replace(look, person=None)]


def test_receipts_in_are_kept_sealed(db):
    receipt = receipt_in.ReceiptIn(
        OFFICE, new_message_id(), 1, ReceiptKind.REFUSED, NOW, b"jws", b"sealed"
    )
    receipt_in.add(db, receipt)
    assert receipt_in.of(db, 1) == [receipt]


def test_offsets_know_their_topic_and_may_go_back(db):
    one, other = UUID(int=1), UUID(int=2)
    offsets.save(db, {"a": Position(5, one), "b": Position(1, one)})
    offsets.save(db, {"a": Position(0, other)})
    assert offsets.load(db) == {"a": Position(0, other), "b": Position(1, one)}
    assert offsets.places(db, [("a", 0), ("c", 0)]) == {
        ("a", 0): Position(0, other),
        ("c", 0): None,
    }


def test_trust_records_are_kept_once_in_the_order_of_their_coming(db):
    for topic, value in (("x", b"2"), ("y", b"1"), ("x", b"2"), ("x", b"1")):
        trust.add(db, topic, value)
    assert list(trust.load(db)) == [("x", b"2"), ("y", b"1"), ("x", b"1")]
    trust.replace(db, "x", b"3")
    assert list(trust.load(db)) == [("y", b"1"), ("x", b"3")]


def test_tokens_are_revoked_once_and_names_never_used_twice(db):
    token = tokens.Token("fachverfahren", bytes(32), "send read", NOW, None)
    tokens.add(db, token)
    assert tokens.revoke(db, token.name, NOW)
    assert not tokens.revoke(db, token.name, NOW)
    assert tokens.load(db) == [replace(token, revoked_at=NOW)]
    with pytest.raises(sqlite3.IntegrityError):
        tokens.add(db, replace(token, hash=bytes(31) + b"1"))


def test_idempotency_keys_are_found_and_forgotten_after_their_days(db):
    used = idempotency.Used(b"k", b"b", new_message_id(), NOW)
    idempotency.add(db, used)
    assert idempotency.find(db, b"k") == used
    with pytest.raises(sqlite3.IntegrityError):
        idempotency.add(db, used)
    assert idempotency.forget(db, NOW) == 0
    assert idempotency.forget(db, NOW + timedelta(seconds=1)) == 1


def test_numbers_are_kept_per_partner_and_direction(db):
    for n in (1, 2):
        numbers.note_sent(db, OFFICE, n, Seq(outbox="0" * 16, n=n))
    numbers.note_received(db, POLICE, Seq(outbox="1" * 16, n=9))
    assert numbers.load(db, "sent") == {OFFICE: Seq(outbox="0" * 16, n=2)}
    assert numbers.load(db, "received") == {POLICE: Seq(outbox="1" * 16, n=9)}


def test_a_number_is_kept_only_behind_the_one_before_it(db):
    numbers.note_sent(db, OFFICE, 1, Seq(outbox="0" * 16, n=3))
    for first, outbox_id in ((5, "0"), (3, "0"), (4, "1")):
        with pytest.raises(Unavailable, match="store-busy"):
            numbers.note_sent(db, OFFICE, first, Seq(outbox=outbox_id * 16, n=9))
    with pytest.raises(Unavailable):
        numbers.note_sent(db, POLICE, 2, Seq(outbox="0" * 16, n=2))
    numbers.note_sent(db, OFFICE, 4, Seq(outbox="0" * 16, n=6))
    numbers.note_sent(db, OFFICE, 1, Seq(outbox="1" * 16, n=1))  # begun anew
    assert numbers.load(db, "sent") == {OFFICE: Seq(outbox="1" * 16, n=1)}
