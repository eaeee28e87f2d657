"""Step 6 and the choice of effects: what a judged record means, given what came before it.

Guarantees: of records with one (sender, id) one has an effect, in this batch or an earlier one;
another content under a known id is never taken for it (I5); a receipt moves only a message that was
sent to its signer, along the table of states; what is early waits within its bounds, everything
else is turned away with its code. Trusts: the store, under the caller's lock; the judge.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from meldeweg.gateway import reopening, withheld
from meldeweg.gateway.desk import Desk
from meldeweg.gateway.judging import Message, Receipt
from meldeweg.gateway.parking import keep_until
from meldeweg.gateway.settings import ParkingSettings
from meldeweg.gateway.settling import Arrival, Settlement
from meldeweg.gateway.states import SentMove, SentState, after_sent
from meldeweg.gateway.store import Store, outbox, parked, received, seen, sent
from meldeweg.gateway.store.received import Received
from meldeweg.gateway.verification import Proof, Proven, Rejected, rejected
from meldeweg.kernel import logs, topics
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest, MessageId
from meldeweg.kernel.metrics import counter
from meldeweg.kernel.policy import Original
from meldeweg.kernel.schemas.vocabulary import MessageType

_CLOCK_EVERY = timedelta(hours=1)  # a warning per partner
# Refusals that are not answered: whoever could put such a record here is not whom the answer would
# reach, or has no way to receive it.
_UNANSWERED = frozenset({"sender-revoked", "duplicate-differs"})
_TYPES = {kind.value: kind for kind in MessageType}

log = logs.get()
_codes = counter("records_quarantined", "Records that could not be processed", "code")

Key = tuple[AgencyId, MessageId]
Outcome = Message | Receipt | Proven | Rejected


class Placing:
    """One batch: what it has done so far, which the store will know after the commit."""

    def __init__(
        self,
        store: Store,
        desk: Desk,
        parking: ParkingSettings,
        tolerance: timedelta,
        warned: dict[AgencyId, datetime],
        now: datetime,
    ) -> None:
        """`tolerance`: by how much clocks may differ; `warned`: when we last said so, kept."""
        self._store, self._desk, self._parking = store, desk, parking
        self._tolerance, self._warned, self._now = tolerance, warned, now
        self._seen: dict[Key, Digest] = {}
        self._fresh: dict[Key, Original] = {}  # accepted in this batch
        self._states: dict[Digest, SentState] = {}
        self._parked: dict[AgencyId, tuple[int, int]] = {}  # records, bytes
        self._differing: set[AgencyId] = set()
        self.counts: Counter[str] = Counter()

    def is_new(self, proven: Proven) -> bool:
        """Say whether this id of this sender was never accepted: the costly steps may come (6)."""
        return self._before(_key(proven)) is None

    def expect(self, message: Message) -> None:
        """Note a message that will be accepted, before later records of the batch refer to it."""
        context = message.proven.context
        self._fresh[_key(message.proven)] = Original(
            sender=context.sender,
            recipient=self._desk.me,
            type=message.covered.type,
            exercise=context.exercise,
        )
        self._seen[_key(message.proven)] = message.proven.digest

    def original(self, sender: AgencyId, kind: MessageType, message: MessageId) -> Original | None:
        """Find what a reply (to ours) or an amendment (of the sender's own) refers to."""
        if kind is MessageType.REPLY:
            ours = self._store.peek(lambda db: sent.by_id(db, message))
            if ours is None:
                return None
            return Original(
                sender=self._desk.me,
                recipient=ours.recipient,
                type=_TYPES[ours.type],
                exercise=ours.exercise,
            )
        if (fresh := self._fresh.get((sender, message))) is not None:
            return fresh
        rows = self._store.peek(lambda db: received.by_id(db, message))
        row = next((row for row in rows if row.sender == sender), None)
        if row is None:
            return None
        return Original(
            sender=sender,
            recipient=self._desk.me,
            type=self._type_of(row),
            exercise=row.exercise,
        )

    def place(self, settlement: Settlement, arrival: Arrival, outcome: Outcome) -> None:
        """Choose the effect of one outcome; in the order of arrival."""
        self.counts[self._placed(settlement, arrival, outcome)] += 1

    def _placed(self, settlement: Settlement, arrival: Arrival, outcome: Outcome) -> str:
        if isinstance(outcome, Receipt) and _key(outcome.proven) in self._seen:
            outcome = outcome.proven  # its twin came earlier in this batch
        if isinstance(outcome, Proven):
            if self._before(_key(outcome)) == outcome.digest:
                self._repeat(settlement, arrival, outcome)
                return "again"
            outcome = _rejected(outcome, Refused("duplicate-differs", "one id, two contents"))
        if isinstance(outcome, Receipt):
            try:
                answered = self._answered(outcome)
            except Refused as exc:
                outcome = _rejected(outcome.proven, exc)
            else:
                settlement.receive(arrival, outcome, answered)
        elif isinstance(outcome, Message):
            settlement.accept(arrival, outcome)
        if isinstance(outcome, Rejected):
            return self._turn_away(settlement, arrival, outcome)
        self._note(settlement, outcome.proven)
        return outcome.proven.context.kind

    def _repeat(self, settlement: Settlement, arrival: Arrival, proven: Proven) -> None:
        kept = self._store.peek(lambda db: outbox.has_receipts(db, proven.digest))
        settlement.repeat(arrival, proven, kept=kept or _key(proven) in self._seen)

    def _type_of(self, row: Received) -> MessageType | None:
        """What kind a stored message is stands in its sealed part alone; None once it is gone."""
        try:
            return reopening.unsealed(self._store, self._desk, row)[1].type
        except Refused:  # erased, or its key is gone
            return None

    def _answered(self, receipt: Receipt) -> sent.Sent:
        """Return the message that a receipt answers, if its signer may and it makes sense."""
        context, of = receipt.context, receipt.receipt.of
        answered = self._store.peek(lambda db: sent.by_digest(db, of))
        if answered is None:
            raise Refused("receipt-unmatched", "not for a message that we sent")
        if answered.recipient != context.sender:
            raise Refused("receipt-foreign", "for a message that we sent to another agency")
        if receipt.receipt.topic != topics.inbox(context.sender, self._desk.me):
            raise Refused("receipt-unmatched", "not where we sent it")
        state = self._states.get(of, answered.state)
        try:
            self._states[of] = after_sent(state, SentMove(receipt.receipt.kind.value))
        except Refused as exc:
            raise Refused("receipt-impossible", f"from {state}") from exc
        if answered.created - context.created > self._tolerance:
            self._differing.add(context.sender)  # answered before it was sent
        return answered

    def _turn_away(self, settlement: Settlement, arrival: Arrival, why: Rejected) -> str:
        """Park what may only be early and has not waited long enough; quarantine the rest."""
        if why.early:
            until = keep_until(why, arrival.parked, self._now, self._parking)
            if until is None or until > self._now:
                if arrival.parked is not None or self._has_room(arrival.record):
                    settlement.park(arrival, why, until)
                    return "parked"
                why = replace(why, code="parking-full", detail=why.code)
        settlement.reject(arrival, why, answer=self._is_answered(why))
        _codes.labels(why.code).inc()
        log.warning(
            "record_quarantined", topic=why.record.topic, offset=why.record.offset, code=why.code
        )
        return "quarantined"

    def _is_answered(self, why: Rejected) -> bool:
        """Say whether the sender is told: never about a message that it was told is delivered."""
        if why.statement is None or why.proof is not Proof.AUTHENTIC or why.code in _UNANSWERED:
            return False
        context = why.statement.context
        return context.kind == "message" and self._before((context.sender, context.id)) is None

    def _has_room(self, record: Record) -> bool:
        sender = withheld.topic_sender(record)
        if sender not in self._parked:
            self._parked[sender] = self._store.peek(lambda db: parked.size(db, sender))
        count, size = self._parked[sender]
        count, size = count + 1, size + len(record.value or b"")
        self._parked[sender] = (count, size)
        return count <= self._parking.records_max and size <= self._parking.bytes_max

    def _note(self, settlement: Settlement, proven: Proven) -> None:
        """Remember within the batch; warn once an hour of a clock that differs."""
        context = proven.context
        self._seen[_key(proven)] = proven.digest
        if context.created - self._now > self._tolerance:
            self._differing.add(context.sender)
        if context.sender in self._differing:
            last = self._warned.get(context.sender)
            if last is None or self._now - last >= _CLOCK_EVERY:
                self._warned[context.sender] = self._now
                settlement.clock_differs(context.sender)
                log.warning("clock_differs", agency=context.sender)

    def _before(self, key: Key) -> Digest | None:
        return self._seen.get(key) or self._store.peek(lambda db: seen.digest(db, *key))


def _key(proven: Proven) -> Key:
    return (proven.context.sender, proven.context.id)


def _rejected(proven: Proven, why: Refused) -> Rejected:
    return rejected(proven.record, why, Proof.AUTHENTIC, proven.statement)
