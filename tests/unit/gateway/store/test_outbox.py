"""The SQL of the outbox: its order, what is late, what is settled, and what goes again."""

from datetime import timedelta

from meldeweg.gateway.store import outbox
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.statement import ReceiptKind
from unit.gateway.gateway_rows import NOW, queued


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
