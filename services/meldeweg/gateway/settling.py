"""Step 11: everything that one batch does to the store, made ready before its one transaction.

Guarantees: messages, receipts, quarantine, parking, the events of each, the receipts we give and
the offsets are kept together or not at all. Numbers are taken, signed and queued without a pause
(the caller does not await between the first effect and `store.write`), so that the order of rows is
the order of numbers. Trusts: what the steps before found; the caller's lock, under which what was
read of the store still holds in the transaction.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from meldeweg.gateway import events, receipts, withheld
from meldeweg.gateway.judging import Message, Receipt
from meldeweg.gateway.numbering import Numbering
from meldeweg.gateway.reached import Reached
from meldeweg.gateway.receipts import NOTHING_SEALED, Answered
from meldeweg.gateway.states import SentMove, SentState
from meldeweg.gateway.store import (
    numbers,
    outbox,
    parked,
    quarantine,
    receipt_in,
    received,
    seen,
    sent,
)
from meldeweg.gateway.store.outbox import NewRow
from meldeweg.gateway.store.parked import Parked
from meldeweg.gateway.store.receipt_in import ReceiptIn
from meldeweg.gateway.store.received import NewReceived
from meldeweg.gateway.verification import Proven, Rejected
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import AgencyId, Digest, Kennzeichen, MessageId
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.statement import (
    STATEMENT_HEADER,
    ReceiptKind,
    Seq,
    Urgency,
    single_header,
)

Effect = Callable[[sqlite3.Connection], Any]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record to be judged: fresh from the bus, or parked and tried again."""

    record: Record = field(repr=False)
    parked: Parked | None = None


class Settlement:
    """Collects effects in order; `commit` is the job for `store.write`."""

    def __init__(self, me: AgencyId, key: SigningKey, numbering: Numbering, now: datetime) -> None:
        self._me, self._key, self._numbering, self._now = me, key, numbering, now
        self._effects: list[Effect] = []
        self._reached = Reached()
        self._received: dict[AgencyId, Seq] = {}  # the newest number of each partner
        self._sent: dict[AgencyId, tuple[int, Seq]] = {}  # the first and the last of ours

    def commit(self, db: sqlite3.Connection) -> None:
        """Do everything; runs in one savepoint of one transaction."""
        for effect in self._effects:
            effect(db)
        for partner, seq in self._received.items():
            numbers.note_received(db, partner, seq)
        for partner, (first, last) in self._sent.items():
            numbers.note_sent(db, partner, first, last)
        self._reached.save(db, self._now)

    def read_up_to(self, record: Record) -> None:
        """Move the topic's offset past a record, whatever became of it.

        It is looked for in the audit log from now on (`inclusion`), by the hash of its leaf.
        """
        self._reached.add(record)

    def accept(self, arrival: Arrival, message: Message) -> None:
        """Store a message as it came, give its `delivered` receipt."""
        proven = message.proven
        context, digest, record = proven.context, proven.digest, proven.record
        assert context.urgency is not None
        new = NewReceived(
            id=context.id,
            sender=context.sender,
            digest=digest,
            kennzeichen=Kennzeichen.of(context.id),
            urgency=context.urgency,
            created=context.created,
            received_at=self._now,
            ack_by=message.covered.ack_by,
            exercise=context.exercise,
            agreement=context.agreement,
            topic=record.topic,
            topic_offset=record.offset,
            statement=single_header(record.headers, STATEMENT_HEADER),
            value=record.value,
            state_at=self._now,
            delete_after=message.covered.delete_after,
        )
        self._do(lambda db: received.insert(db, new))
        retracts = message.covered.retracts
        if retracts is not None:
            self._do(lambda db: _take_back(db, context.sender, retracts, context.id, self._now))
        self._remember(proven)
        self.give(proven, ReceiptKind.DELIVERED)
        self._released(arrival, proven)

    def receive(self, arrival: Arrival, receipt: Receipt, answered: sent.Sent) -> None:
        """Let a receipt move the message it answers."""
        proven, kind, code = receipt.proven, receipt.receipt.kind, receipt.receipt.code
        context = proven.context
        move = SentMove(kind.value)
        value = proven.record.value
        came = ReceiptIn(
            context.sender,
            context.id,
            answered.n,
            kind,
            context.created,
            single_header(proven.record.headers, STATEMENT_HEADER),
            None if value == NOTHING_SEALED else value,
        )

        def apply(db: sqlite3.Connection) -> None:
            message = sent.again(db, answered)
            if message.state is SentState.QUEUED:  # it is there before we noted that it went
                sent.mark_sent(db, [(answered.digest, self._now)])
                message = sent.again(db, answered)
            state = sent.move(db, message, move, self._now, code)
            if state is SentState.DELIVERED and message.overdue_at is not None:
                # Refused or given up when it was late, and there after all: late it still is.
                sent.move(db, sent.again(db, message), SentMove.OVERDUE, self._now)
            receipt_in.add(db, came)
            if kind is not ReceiptKind.ERASED:
                outbox.settle(db, answered.digest, self._now)
            if kind is ReceiptKind.DELIVERED and answered.type == "retraction":
                original = _retract(db, answered, self._now)
                if original is not None:  # signed here: only this transaction knows which it is
                    about = {"message": original.digest, "partner": original.recipient}
                    outbox.insert(db, self._event(EventKind.RETRACTED, **about))

        self._do(apply)
        self._remember(proven)
        if kind is ReceiptKind.REFUSED and answered.urgency is Urgency.IMMEDIATE:
            self._alarm(proven.record, code, answered.digest, context.sender, answered.urgency)
            self._do(lambda db: sent.mark_alarmed(db, answered, self._now))
        self._released(arrival, proven)

    def repeat(self, arrival: Arrival, proven: Proven, *, kept: bool) -> None:
        """Send our receipts for a message that came again; `kept`: they are still in the outbox."""
        if proven.context.kind == "message":
            if kept:
                self._do(lambda db: _repeat(db, proven.digest))
            else:
                self.give(proven, ReceiptKind.DELIVERED)
        self._released(arrival, proven)

    def reject(self, arrival: Arrival, why: Rejected, *, answer: bool) -> None:
        """Keep a record that can't be processed; tell the sender if it was really the sender's."""
        record, sender = why.record, withheld.topic_sender(why.record)
        self._do(lambda db: quarantine.insert(db, withheld.to_quarantine(why, self._now)))
        self._tell(EventKind.QUARANTINED, record, why.code, why.digest, sender, why.urgency)
        if why.urgency is Urgency.IMMEDIATE or why.code == "duplicate-differs":
            self._alarm(record, why.code, why.digest, sender, why.urgency)
        if answer:
            statement = why.statement
            assert statement is not None  # only an authentic record is answered
            self.give(Proven(record, statement, statement.digest), ReceiptKind.REFUSED, why.code)
        self._unpark(arrival)

    def park(self, arrival: Arrival, why: Rejected, until: datetime | None) -> None:
        """Keep a record that may only be early; a parked one goes on waiting."""
        if arrival.parked is not None:
            held = arrival.parked
            if (held.until, held.code) != (until, why.code):
                self._do(lambda db: parked.hold(db, held.seq, until, why.code))
            return
        record, sender = why.record, withheld.topic_sender(why.record)
        row = withheld.to_park(why, until, self._now)
        self._do(lambda db: parked.insert(db, row))
        self._tell(EventKind.PARKED, record, why.code, why.digest, sender, why.urgency)
        if why.urgency is Urgency.IMMEDIATE:
            self._alarm(record, why.code, why.digest, sender, why.urgency)

    def clock_differs(self, partner: AgencyId) -> None:
        """Warn that a partner's clock and ours disagree."""
        self.queue(self._event(EventKind.CLOCK_DIFFERS, partner=partner))

    def give(self, to: Proven, kind: ReceiptKind, code: str | None = None) -> None:
        """Queue a receipt of the gateway's own."""
        context, record = to.context, to.record
        answered = Answered(
            to.digest,
            context.sender,
            record.topic,
            record.offset,
            context.agreement,
            context.exercise,
            context.delete_after,
        )
        seq = self._numbering.next(context.sender)
        self.queue(receipts.given(self._me, answered, kind, seq, self._key, self._now, code))
        first, _ = self._sent.get(context.sender, (seq.n, seq))
        self._sent[context.sender] = first, seq

    def queue(self, row: NewRow) -> None:
        """Put a record of ours into the outbox."""
        self._do(lambda db: outbox.insert(db, row))

    def _do(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _remember(self, proven: Proven) -> None:
        context = proven.context
        self._do(
            lambda db: seen.add(db, context.sender, context.id, proven.digest, context.delete_after)
        )
        self._received[context.sender] = context.seq

    def _released(self, arrival: Arrival, proven: Proven) -> None:
        if arrival.parked is not None:
            self._tell(
                EventKind.RELEASED,
                proven.record,
                arrival.parked.code,
                proven.digest,
                proven.context.sender,
                proven.context.urgency,
            )
            self._unpark(arrival)

    def _unpark(self, arrival: Arrival) -> None:
        if arrival.parked is not None:
            seq = arrival.parked.seq
            self._do(lambda db: parked.remove(db, seq))

    def _alarm(
        self,
        record: Record,
        code: str | None,
        digest: Digest | None,
        partner: AgencyId,
        urgency: Urgency | None,
    ) -> None:
        self._tell(EventKind.ALARM, record, code, digest, partner, urgency)

    def _tell(
        self,
        kind: EventKind,
        record: Record,
        code: str | None,
        digest: Digest | None,
        partner: AgencyId,
        urgency: Urgency | None,
    ) -> None:
        self.queue(
            self._event(
                kind,
                code=code,
                message=digest,
                partner=partner,
                urgency=urgency,
                topic=record.topic,
                offset=record.offset,
            )
        )

    def _event(self, kind: EventKind, **facts: Any) -> NewRow:
        return events.row(self._me, self._key, kind, self._now, **facts)


def _retract(db: sqlite3.Connection, retraction: sent.Sent, now: datetime) -> sent.Sent | None:
    """Return what has been taken back by this, if anything."""
    original = sent.by_id(db, retraction.in_reply_to) if retraction.in_reply_to else None
    if original is None or original.recipient != retraction.recipient:
        return None
    try:
        after = sent.move(db, original, SentMove.RETRACTED, now)
    except Refused:
        return None  # it never got there; there is nothing to take back
    return original if after is not original.state else None


def _take_back(
    db: sqlite3.Connection, sender: AgencyId, original: MessageId, by: MessageId, now: datetime
) -> None:
    """Mark what its own sender retracted, also where both came in one batch."""
    rows = [row for row in received.by_id(db, original) if row.sender == sender]
    for row in rows:  # one: step 9 found it, and received rows are never removed
        received.retract(db, row, by, now)


def _repeat(db: sqlite3.Connection, digest: Digest) -> None:
    for kind in ReceiptKind:
        outbox.repeat_receipt(db, digest, kind)
