"""The SQL of each matter: what is written is read back equal, and each query keeps its word."""

import sqlite3
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from meldeweg.gateway.states import ReceivedMove, ReceivedState, SentMove, SentState
from meldeweg.gateway.store import (
    headers,
    idempotency,
    numbers,
    offsets,
    opened,
    outbox,
    parked,
    quarantine,
    receipt_in,
    seen,
    tokens,
    trust,
)
from meldeweg.gateway.store import received as received_rows
from meldeweg.gateway.store import sent as sent_rows
from meldeweg.kernel.bus.positions import Position
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.ids import Digest, new_message_id
from meldeweg.kernel.statement import ReceiptKind, Seq, Urgency
from unit.gateway.gateway_rows import NOW, OFFICE, POLICE, queued, received, sent

ODD = (("statement", b"jws"), ("caf\udce9", None), ("empty", b""), ("statement", b"\xff"))


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


def test_a_sent_message_is_read_back_equal(db):
    new = sent(exercise=True, thread=b"sealed", linked_to=new_message_id())
    n = sent_rows.insert(db, new)
    found = sent_rows.by_id(db, new.id)
    assert found == sent_rows.by_digest(db, new.digest)
    assert found.n == n
    assert {name: getattr(found, name) for name in new.__slots__} == {
        name: getattr(new, name) for name in new.__slots__
    }
    assert sent_rows.by_id(db, new_message_id()) is None


def test_sent_pages_are_newest_first_and_go_on_where_they_ended(db):
    ids = [sent_rows.insert(db, sent()) for _ in range(5)]
    first = sent_rows.page(db, None, 3)
    second = sent_rows.page(db, first[-1].n, 3)
    assert [row.n for row in (*first, *second)] == ids[::-1]
    assert sent_rows.page(db, None, 3, SentState.OVERDUE) == []


def test_a_kennzeichen_is_taken_while_its_message_is_open(db):
    new = sent()
    sent_rows.insert(db, new)
    assert sent_rows.kennzeichen_taken(db, new.kennzeichen)
    sent_rows.move(db, sent_rows.by_id(db, new.id), SentMove.ACKNOWLEDGED, NOW)
    assert not sent_rows.kennzeichen_taken(db, new.kennzeichen)


def test_moves_follow_the_table_and_are_noted_once(db):
    new = sent()
    sent_rows.insert(db, new)
    steps = [SentMove.PRODUCED, SentMove.DELIVERED, SentMove.PRODUCED, SentMove.REFUSED]
    for step in steps:
        sent_rows.move(db, sent_rows.by_id(db, new.id), step, NOW, "not-responsible")
    message = sent_rows.by_id(db, new.id)
    assert message.state is SentState.REFUSED
    assert [step.kind for step in sent_rows.timeline(db, message.n)] == [
        "sent",
        "delivered",
        "refused",
    ]


def test_a_delivered_that_comes_again_does_not_undo_a_refusal(db):
    new = sent()
    sent_rows.insert(db, new)
    for step in (SentMove.DELIVERED, SentMove.REFUSED, SentMove.DELIVERED):
        sent_rows.move(db, sent_rows.by_id(db, new.id), step, NOW)
    assert sent_rows.by_id(db, new.id).state is SentState.REFUSED


def test_an_impossible_move_is_refused_and_leaves_no_trace(db):
    new = sent()
    sent_rows.insert(db, new)
    sent_rows.move(db, sent_rows.by_id(db, new.id), SentMove.ACKNOWLEDGED, NOW)
    message = sent_rows.by_id(db, new.id)
    with pytest.raises(Refused):
        sent_rows.move(db, message, SentMove.REFUSED, NOW)
    assert len(sent_rows.timeline(db, message.n)) == 1


def test_marking_many_as_sent_is_the_same_as_the_table(db):
    rows = {state: sent(state=state) for state in SentState}
    for row in rows.values():
        sent_rows.insert(db, row)
    sent_rows.mark_sent(db, [(row.digest, NOW) for row in rows.values()] * 2)
    for state, row in rows.items():
        found = sent_rows.by_id(db, row.id)
        one_by_one = sent(state=state)
        sent_rows.insert(db, one_by_one)
        expected = sent_rows.move(db, sent_rows.by_id(db, one_by_one.id), SentMove.PRODUCED, NOW)
        assert found.state is expected
        assert [step.kind for step in sent_rows.timeline(db, found.n)] == ["sent"]


def test_past_deadline_finds_each_message_until_it_is_marked(db):
    late, in_time = sent(ack_by=NOW - timedelta(milliseconds=1)), sent(ack_by=NOW)
    for row in (late, in_time):
        sent_rows.insert(db, row)
    (found,) = sent_rows.past_deadline(db, NOW)
    assert found.id == late.id
    assert sent_rows.mark_overdue(db, found, NOW) is SentState.OVERDUE
    assert sent_rows.past_deadline(db, NOW) == []


def test_a_silent_immediate_message_alarms_once_and_only_without_delivered(db):
    silent, delivered = sent(urgency=Urgency.IMMEDIATE), sent(urgency=Urgency.IMMEDIATE)
    for row in (silent, delivered, sent()):
        sent_rows.insert(db, row)
    at = sent_rows.by_id(db, delivered.id)
    sent_rows.mark_overdue(db, at, NOW)
    sent_rows.move(db, sent_rows.by_id(db, delivered.id), SentMove.DELIVERED, NOW)
    (found,) = sent_rows.silent_immediate(db, NOW)
    assert found.id == silent.id
    assert sent_rows.silent_immediate(db, NOW - timedelta(seconds=1)) == []
    sent_rows.mark_alarmed(db, found, NOW)
    assert sent_rows.silent_immediate(db, NOW) == []


def test_forgetting_removes_what_says_too_much_and_keeps_the_rest(db):
    new = sent(thread=b"sealed", delete_after="2026-12-01")
    sent_rows.insert(db, new)
    assert sent_rows.expired(db, "2026-11-30") == []
    (due,) = sent_rows.expired(db, "2026-12-01")
    sent_rows.forget(db, due.n)
    assert sent_rows.expired(db, "2026-12-01") == []
    found = sent_rows.by_id(db, new.id)
    assert (found.answer, found.actor, found.thread) == (None, None, None)
    assert found.digest == new.digest


def test_the_outbox_gives_rows_in_order_without_topics_that_rest(db):
    topics = ["inbox.a.me", "inbox.b.me", "inbox.a.me"]
    seqs = [outbox.insert(db, queued(topic=topic)) for topic in topics]
    assert [row.seq for row in outbox.unproduced(db, 10, 10**6)] == seqs
    assert [row.seq for row in outbox.unproduced(db, 10, 10**6, ["inbox.a.me"])] == [seqs[1]]
    assert [row.seq for row in outbox.unproduced(db, 2, 10**6)] == seqs[:2]
    assert [row.seq for row in outbox.unproduced(db, 10, 12)] == seqs[:2]  # six bytes each
    row = outbox.unproduced(db, 1, 10**6)[0]
    new = queued(topic=topics[0])
    assert (row.key, row.headers, row.value, row.urgency) == (
        new.key,
        new.headers,
        new.value,
        new.urgency,
    )


def _produced(seq, at=NOW, next_at=NOW + timedelta(minutes=10), offset=3):
    return outbox.Produced(seq, None, offset, at, next_at)


def test_a_message_without_delivered_becomes_late_and_goes_again(db):
    seq = outbox.insert(db, queued())
    outbox.mark_produced(db, [_produced(seq)])
    assert outbox.unproduced(db, 10, 10**6) == []
    assert outbox.late(db, NOW + timedelta(minutes=9)) == []
    (late,) = outbox.late(db, NOW + timedelta(minutes=10))
    outbox.again(db, [late.seq])
    (row,) = outbox.unproduced(db, 10, 10**6)
    assert (row.seq, row.attempts) == (seq, 1)
    assert outbox.late(db, NOW + timedelta(days=1)) == []


def test_what_is_settled_is_never_late_whichever_came_first(db):
    before, after = queued(ref=Digest.of(b"1")), queued(ref=Digest.of(b"2"))
    seqs = [outbox.insert(db, row) for row in (before, after)]
    outbox.settle(db, before.ref, NOW)  # `delivered` overtook our own mark
    outbox.mark_produced(db, [_produced(seq) for seq in seqs])
    outbox.settle(db, after.ref, NOW)
    assert outbox.late(db, NOW + timedelta(days=1)) == []
    assert outbox.waiting_bytes(db) == 0


def test_receipts_and_events_are_not_late_and_count_not_as_waiting(db):
    for kind in ("receipt", "event"):
        seq = outbox.insert(db, queued(kind=kind, ref=None, open_until=None))
        outbox.mark_produced(db, [_produced(seq)])
    assert outbox.late(db, NOW + timedelta(days=1)) == []
    assert outbox.waiting_bytes(db) == 0


def test_waiting_bytes_are_those_of_unsettled_messages(db):
    outbox.insert(db, queued(size=100))
    outbox.insert(db, queued(size=20, ref=Digest.of(b"2")))
    assert outbox.waiting_bytes(db) == 120
    outbox.settle(db, Digest.of(b"2"), NOW)
    assert outbox.waiting_bytes(db) == 100


def test_the_same_receipt_goes_again_as_the_same_row(db):
    of = Digest.of(b"theirs")
    seq = outbox.insert(
        db, queued(kind="receipt", answers=of, receipt=ReceiptKind.DELIVERED, ref=Digest.of(b"r"))
    )
    outbox.mark_produced(db, [_produced(seq)])
    assert not outbox.repeat_receipt(db, of, ReceiptKind.ACKNOWLEDGED)
    assert outbox.repeat_receipt(db, of, ReceiptKind.DELIVERED)
    assert [row.seq for row in outbox.unproduced(db, 10, 10**6)] == [seq]


def test_a_dropped_row_is_gone_from_the_queue_for_good(db):
    seq = outbox.insert(db, queued())
    outbox.drop(db, seq, NOW)
    assert outbox.unproduced(db, 10, 10**6) == []
    assert outbox.late(db, NOW + timedelta(days=365)) == []
    assert outbox.waiting_bytes(db) == 0


def test_a_dropped_row_that_the_log_has_is_not_kept_for_ever(db):
    seq = outbox.insert(db, queued())
    outbox.mark_produced(db, [_produced(seq)])
    outbox.include(db, [seq], NOW)
    assert outbox.place(db, queued().ref) is not None  # nobody said `delivered` yet
    outbox.drop(db, seq, NOW)
    assert outbox.place(db, queued().ref) is None


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


def _parked(**changes):
    row = parked.NewParked(
        at=NOW,
        until=NOW + timedelta(hours=1),
        topic="inbox.jugendamt-kreis-viersen.polizei-viersen",
        topic_offset=1,
        timestamp=1,
        code="signer-unknown",
        sender=POLICE,
        urgency=None,
        verified=False,
        key=None,
        headers=ODD,
        value=b"12345",
        digest=None,
    )
    return replace(row, **changes)


def test_parked_records_wait_for_their_time_or_without_limit(db):
    row = _parked()
    seq = parked.insert(db, row)
    held = parked.insert(db, _parked(topic_offset=2, until=None))
    assert parked.page(db, 0, 10)[0] == parked.Parked(
        seq=seq, **{name: getattr(row, name) for name in row.__slots__}
    )
    assert [p.seq for p in parked.past(db, NOW + timedelta(hours=1))] == [seq]
    parked.hold(db, held, NOW, "agreement-unknown")
    assert [p.seq for p in parked.past(db, NOW)] == [held]
    assert parked.size(db, POLICE) == (2, 10)
    parked.remove(db, seq)
    assert parked.count(db) == 1


def test_the_same_record_is_quarantined_once_and_found_by_code_and_sender(db):
    row = quarantine.NewQuarantined(
        at=NOW,
        topic="inbox.jugendamt-kreis-viersen.polizei-viersen",
        topic_offset=1,
        timestamp=1,
        code="signature-invalid",
        sender=POLICE,
        verified=False,
        urgency=None,
        key=b"k",
        headers=ODD,
        value=None,
        digest=Digest.of(b"record"),
    )
    assert quarantine.insert(db, row)
    assert not quarantine.insert(db, row)
    assert quarantine.insert(db, replace(row, digest=Digest.of(b"another")))  # topic recreated
    assert quarantine.count(db) == 2
    (found,) = quarantine.page(db, None, 1)
    assert quarantine.record(db, found.seq) == replace(row, digest=Digest.of(b"another"))
    assert quarantine.by_seq(db, found.seq) == found
    assert len(quarantine.page(db, None, 9, code="signature-invalid", sender=POLICE)) == 2
    assert quarantine.page(db, None, 9, code="value-mismatch") == []
    assert quarantine.page(db, None, 9, sender=OFFICE) == []
    assert len(quarantine.page(db, found.seq, 9)) == 1


def test_the_same_record_that_comes_again_is_counted_in_its_one_entry(db):
    row = quarantine.NewQuarantined(
        at=NOW,
        topic="inbox.polizei-viersen.jugendamt-kreis-viersen",
        topic_offset=1,
        timestamp=1,
        code="receipt-unmatched",
        sender=OFFICE,
        verified=True,
        urgency=None,
        key=b"k",
        headers=ODD,
        value=None,
        digest=Digest.of(b"record"),
    )
    for n in range(5):
        again = replace(row, topic_offset=1 + n, at=NOW + timedelta(hours=n))
        assert quarantine.insert(db, again)
        assert not quarantine.insert(db, again)  # read twice from one place, it came once
    (entry,) = quarantine.page(db, None, 9)
    assert (entry.topic_offset, entry.at) == (1, NOW)
    assert (entry.times, entry.last_offset, entry.last_at) == (5, 5, NOW + timedelta(hours=4))
    for other in (
        replace(row, topic_offset=9, digest=Digest.of(b"another")),
        replace(row, topic_offset=10, code="receipt-foreign"),
        replace(row, topic_offset=11, topic="inbox.polizei-viersen.jugendamt-nettetal"),
    ):
        assert quarantine.insert(db, other)
    assert [one.times for one in quarantine.page(db, None, 9)] == [1, 1, 1, 5]


def test_what_is_quarantined_goes_at_its_own_term_or_after_ours_and_stays_known(db):
    signed = quarantine.NewQuarantined(
        at=NOW,
        topic="inbox.jugendamt-kreis-viersen.polizei-viersen",
        topic_offset=1,
        timestamp=1,
        code="schema-invalid",
        sender=POLICE,
        verified=True,
        urgency=None,
        key=b"k",
        headers=ODD,
        value=b"sealed",
        digest=Digest.of(b"one"),
        delete_after="2027-03-01",
    )
    unsigned = replace(signed, topic_offset=2, digest=Digest.of(b"two"), delete_after=None)
    quarantine.insert(db, signed)
    quarantine.insert(db, unsigned)
    keep = timedelta(days=30)
    assert quarantine.erase(db, NOW + keep, NOW) == 0
    later = NOW + keep + timedelta(seconds=1)
    assert quarantine.erase(db, later, later - keep) == 1
    erased, kept = quarantine.page(db, None, 9)
    assert (erased.erased_at, kept.erased_at) == (later, None)
    gone = replace(unsigned, key=None, headers=(), value=None)
    assert quarantine.record(db, erased.seq) == gone
    assert quarantine.record(db, kept.seq) == signed
    term = datetime(2027, 3, 1, tzinfo=UTC)
    assert quarantine.erase(db, term - timedelta(seconds=1), NOW) == 0
    assert quarantine.erase(db, term, NOW) == 1
    assert quarantine.erase(db, term, term) == 0  # nothing twice
    assert quarantine.count(db) == 2
    assert not quarantine.insert(db, unsigned)  # read again from the topic, it is known


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
