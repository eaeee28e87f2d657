"""What operators are told follows from statements, receipts and heartbeats, in whatever order."""

import contextlib
import copy
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from meldeweg.kernel import statement
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.event import Event, EventKind, Heartbeat
from meldeweg.kernel.ids import AgencyId, Digest, new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.statement import Context, ReceiptFor, ReceiptKind, Seq, Urgency
from meldeweg.watch import ledger as ledgers
from meldeweg.watch.ledger import Ledger

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
POLICE, OFFICE, OTHER = (AgencyId(each) for each in ("polizei-x", "jugendamt-x", "jugendamt-y"))
KEY = SigningKey.generate()

SILENT_AFTER = timedelta(minutes=3)


def message(ack_by=NOW + timedelta(minutes=30)):
    return statement.parse(signed(ack_by))


def signed(ack_by=NOW + timedelta(minutes=30)):
    context = Context(
        v=1,
        id=new_message_id(),
        kind="message",
        sender=POLICE,
        to=OFFICE,
        created=NOW,
        urgency=Urgency.IMMEDIATE,
        ack_by=ack_by,
        exercise=False,
        agreement=Digest.of(b"agreement"),
        seq=Seq(outbox="0" * 16, n=1),
        record_sha256=Digest.of(b"record"),
        delete_after="2027-03-01",
    )
    return statement.sign(context.bytes(), b"{}", KEY)


def receipt(about, kind, sender=OFFICE, *, by_gateway=False):
    return Context(
        v=1,
        id=new_message_id(),
        kind="receipt",
        sender=sender,
        to=POLICE,
        created=NOW,
        exercise=False,
        agreement=Digest.of(b"agreement"),
        seq=Seq(outbox="0" * 16, n=1),
        delete_after="2027-03-01",
        record_sha256=None if by_gateway else Digest.of(b"a person's word"),
        receipt=ReceiptFor(
            of=about.digest,
            kind=kind,
            topic="inbox.jugendamt-x.polizei-x",
            offset=0,
            code="schema-invalid" if kind is ReceiptKind.REFUSED else None,
        ),
    )


def test_a_message_is_undelivered_until_its_recipient_says_so():
    ledger, sent = Ledger(SILENT_AFTER), message()
    ledger.message(sent, NOW)
    assert [each.digest for each in ledger.undelivered()] == [sent.digest]
    ledger.receipt(receipt(sent, ReceiptKind.DELIVERED))
    assert ledger.undelivered() == []
    assert sent.digest in ledger.open


def test_a_message_is_overdue_until_a_person_took_it():
    ledger, sent = Ledger(SILENT_AFTER), message()
    ledger.message(sent, NOW)
    ledger.receipt(receipt(sent, ReceiptKind.DELIVERED))
    late = NOW + timedelta(minutes=31)
    assert ledger.overdue(NOW) == []
    assert [each.digest for each in ledger.overdue(late)] == [sent.digest]
    ledger.receipt(receipt(sent, ReceiptKind.ACKNOWLEDGED))
    assert ledger.overdue(late) == []


def test_a_message_that_was_taken_back_and_erased_is_not_overdue():
    ledger, sent = Ledger(SILENT_AFTER), message()
    ledger.message(sent, NOW)
    ledger.receipt(receipt(sent, ReceiptKind.DELIVERED))
    ledger.receipt(receipt(sent, ReceiptKind.ERASED))
    assert ledger.overdue(NOW + timedelta(days=100)) == []


def retracted(about, agency=POLICE):
    return Event(
        v=1,
        id=new_message_id(),
        agency=agency,
        kind=EventKind.RETRACTED,
        at=NOW,
        message=about.digest,
        partner=OFFICE,
    )


@pytest.mark.parametrize("early", [True, False])
def test_what_its_sender_took_back_is_not_overdue(early):
    ledger, sent = Ledger(SILENT_AFTER), message()
    if early:
        ledger.event(retracted(sent))
    ledger.message(sent, NOW)
    ledger.receipt(receipt(sent, ReceiptKind.DELIVERED))
    ledger.event(retracted(sent))
    assert ledger.overdue(NOW + timedelta(days=100)) == []
    ledger.message(sent, NOW)  # produced again
    assert not ledger.open


@pytest.mark.parametrize("early", [True, False])
def test_nobody_else_takes_a_message_back(early):
    ledger, sent = Ledger(SILENT_AFTER), message()
    if early:
        ledger.event(retracted(sent, OTHER))
    ledger.message(sent, NOW)
    for agency in (OTHER, OFFICE):
        ledger.event(retracted(sent, agency))
    assert list(ledger.open) == [sent.digest]


def test_receipts_read_before_their_message_count():
    for kind in (ReceiptKind.ACKNOWLEDGED, ReceiptKind.REFUSED, ReceiptKind.ERASED):
        ledger, sent = Ledger(SILENT_AFTER), message()
        ledger.receipt(receipt(sent, kind))
        ledger.receipt(receipt(sent, ReceiptKind.DELIVERED))
        ledger.message(sent, NOW)
        assert sent.digest not in ledger.open


def test_an_early_delivery_does_not_end_a_message():
    ledger, sent = Ledger(SILENT_AFTER), message()
    ledger.receipt(receipt(sent, ReceiptKind.DELIVERED))
    ledger.message(sent, NOW)
    assert ledger.open[sent.digest].delivered


REFUSED_BY_GATEWAY = (ReceiptKind.REFUSED, True)
DELIVERED, TAKEN = (ReceiptKind.DELIVERED, True), (ReceiptKind.ACKNOWLEDGED, False)


@pytest.mark.parametrize("read", ["before", "after", "between"])
@pytest.mark.parametrize(
    ("words", "waits"),
    [
        ([REFUSED_BY_GATEWAY], False),
        ([REFUSED_BY_GATEWAY, DELIVERED], True),
        ([DELIVERED, REFUSED_BY_GATEWAY], True),  # an old word, again
        ([REFUSED_BY_GATEWAY, DELIVERED, REFUSED_BY_GATEWAY], True),
        ([REFUSED_BY_GATEWAY, DELIVERED, (ReceiptKind.REFUSED, False)], False),
        ([REFUSED_BY_GATEWAY, TAKEN, DELIVERED], False),
    ],
)
def test_what_a_gateway_refused_and_then_had_is_waited_for_again(words, waits, read):
    ledger, sent = Ledger(SILENT_AFTER), message()
    place = {"before": 0, "between": 1, "after": len(words)}[read]
    for n, (kind, by_gateway) in enumerate([*words, (None, None)]):
        if n == place:
            ledger.message(sent, NOW)
        if kind:
            ledger.receipt(receipt(sent, kind, by_gateway=by_gateway))
    late = NOW + timedelta(hours=2)
    assert [each.digest for each in ledger.overdue(late)] == [sent.digest] * waits
    assert [each.delivered for each in ledger.open.values()] == [True] * waits


def test_what_a_gateway_refused_may_be_taken_back_is_forgotten_and_is_nobody_elses():
    ledger, sent = Ledger(SILENT_AFTER), message()
    ledger.message(sent, NOW)
    ledger.receipt(receipt(sent, ReceiptKind.REFUSED, by_gateway=True))
    with pytest.raises(Refused, match="receipt-foreign"):
        ledger.receipt(receipt(sent, ReceiptKind.DELIVERED, sender=OTHER))
    ledger.message(sent, NOW)  # produced again, and still refused
    assert not ledger.open
    taken_back = copy.deepcopy(ledger)
    taken_back.event(retracted(sent))
    taken_back.receipt(receipt(sent, ReceiptKind.DELIVERED))
    assert not taken_back.open
    assert ledger.forget(NOW + timedelta(days=200)) == 0  # it was not open
    ledger.receipt(receipt(sent, ReceiptKind.DELIVERED))
    assert not ledger.open


def test_a_message_produced_again_stays_ended():
    ledger, sent = Ledger(SILENT_AFTER), message()
    ledger.message(sent, NOW)
    ledger.receipt(receipt(sent, ReceiptKind.ACKNOWLEDGED))
    ledger.message(sent, NOW)
    assert not ledger.open


def test_an_open_message_that_has_no_room_is_told_and_the_others_stay(monkeypatch):
    monkeypatch.setattr(ledgers, "_OPEN_MAX", 2)
    ledger, kept = Ledger(SILENT_AFTER), [message(), message()]
    for each in kept:
        ledger.message(each, NOW)
    with pytest.raises(Refused, match="open-too-many"):
        ledger.message(message(), NOW)
    ledger.message(kept[0], NOW)  # again, and there already
    assert list(ledger.open) == [each.digest for each in kept]
    ledger.receipt(receipt(kept[0], ReceiptKind.ACKNOWLEDGED))
    ledger.message(message(), NOW)  # there is room again
    assert len(ledger.open) == 2


def test_an_open_message_costs_little_memory():
    """A hundred thousand that nobody took made the process 340 MB larger."""
    ledger, sent = Ledger(SILENT_AFTER), [signed() for _ in range(2000)]
    tracemalloc.start()
    for n, token in enumerate(sent):
        ledger.message(statement.parse(token), NOW + timedelta(seconds=n))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / len(sent) < 800  # bytes


def test_nobody_but_the_recipient_ends_a_message():
    for early in (True, False):
        ledger, sent = Ledger(SILENT_AFTER), message()
        if early:
            ledger.receipt(receipt(sent, ReceiptKind.ACKNOWLEDGED, sender=OTHER))
        ledger.message(sent, NOW)
        with contextlib.suppress(Refused):
            ledger.receipt(receipt(sent, ReceiptKind.ACKNOWLEDGED, sender=OTHER))
        with contextlib.suppress(Refused):
            ledger.receipt(receipt(sent, ReceiptKind.DELIVERED, sender=OTHER))
        assert not ledger.open[sent.digest].delivered


def test_a_gateway_is_silent_after_three_missed_heartbeats_or_if_never_heard():
    ledger = Ledger(SILENT_AFTER, caught_up_at=NOW - SILENT_AFTER - timedelta(seconds=1))
    beat = Heartbeat(
        v=1,
        id=new_message_id(),
        agency=OFFICE,
        at=NOW,
        sent={},
        received={},
        parked=0,
        quarantined=0,
        waiting=0,
    )
    ledger.heartbeat(beat, NOW)
    assert ledger.silent({OFFICE, POLICE}, NOW) == {POLICE}
    later = NOW + SILENT_AFTER + timedelta(seconds=1)
    assert ledger.silent({OFFICE, POLICE}, later) == {OFFICE, POLICE}
    ledger.caught_up_at = later - SILENT_AFTER
    assert ledger.silent({OFFICE, POLICE}, later) == {OFFICE}, "the other may yet be heard"


def test_what_operators_see_says_nothing_of_the_case():
    ledger, sent = Ledger(SILENT_AFTER), message()
    ledger.message(sent, NOW)
    (each,) = ledger.open.values()
    assert set(each.shown(NOW)) == {
        "digest",
        "from",
        "to",
        "urgency",
        "exercise",
        "since",
        "ack_by",
        "delivered",
        "overdue",
    }


def test_past_its_delete_after_a_message_is_forgotten_and_stays_forgotten():
    ledger = Ledger(SILENT_AFTER)
    kept = message()
    ledger.message(kept, NOW)
    assert ledger.forget(datetime(2027, 2, 28, 23, 59, tzinfo=UTC)) == 0
    assert ledger.forget(datetime(2027, 3, 1, tzinfo=UTC)) == 1
    ledger.message(kept, NOW)  # produced again
    assert ledger.open == {}
    assert ledger.overdue(datetime(2027, 3, 1, tzinfo=UTC)) == []
