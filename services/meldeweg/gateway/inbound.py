"""Receiving: records of `inbox.<me>.*` become messages, receipts, or rows that say why not.

Guarantees: each record of a batch has its effect, and the topic's offset moves, in one transaction
(I1); effects happen once (I5); what can't be processed is quarantined with its code and audited,
and what may only be early is parked, while everything around it goes on (I6); an `immediate`
message that does not get through alarms at once (I8). Plaintext exists between steps 7 and 10, in
memory. Trusts: the view for keys and agreements, the store for what was seen; the broker for order
within a topic, and for nothing else.

Steps: 1 parse strictly; 2 signature by a key certified for the sender; 3 place and headers agree;
4 value; 5 not past `delete_after` (verification); 6 unique (here); 7 open; 8 the record that was
committed to (opening); 9 agreement; 10 schema (covering); 11 one transaction (settling).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from meldeweg.gateway import reopening
from meldeweg.gateway.desk import Desk
from meldeweg.gateway.judging import Judge, Message, Receipt
from meldeweg.gateway.parking import as_record, keep_until
from meldeweg.gateway.settings import ParkingSettings
from meldeweg.gateway.settling import Arrival, Settlement, topic_sender
from meldeweg.gateway.states import SentMove, SentState, after_sent
from meldeweg.gateway.store import Store, outbox, parked, received, seen, sent
from meldeweg.gateway.store.parked import Parked
from meldeweg.gateway.store.received import Received
from meldeweg.gateway.verification import Proof, Proven, Rejected, rejected
from meldeweg.kernel import failpoints, logs, topics
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest, MessageId
from meldeweg.kernel.metrics import counter
from meldeweg.kernel.policy import Original
from meldeweg.kernel.schemas.vocabulary import MessageType

_SLICE = 8  # records judged before others get their turn on the loop: about 3 ms
_CLOCK_EVERY = timedelta(hours=1)  # a warning per partner
# Refusals that are not answered: whoever could put such a record here is not whom it would reach,
# or has no way to receive it.
_UNANSWERED = frozenset({"sender-revoked", "duplicate-differs"})

failpoints.declare("inbound.before_commit", "inbound.after_commit")
log = logs.get()
_outcomes = counter("records_in", "Records received", "outcome")
_codes = counter("records_quarantined", "Records that could not be processed", "code")

_TYPES = {kind.value: kind for kind in MessageType}
_Key = tuple[AgencyId, MessageId]
_Outcome = Message | Receipt | Proven | Rejected


class Inbound:
    """`handle` for the bus, `retry` for parking; one at a time."""

    def __init__(
        self,
        store: Store,
        desk: Desk,
        lock: asyncio.Lock,
        parking: ParkingSettings,
        clock_differs: float,
    ) -> None:
        """`lock`: held by whoever changes what was received, `Inbox` and `Overdue` too.

        `clock_differs`: seconds from which a partner's clock is worth a warning.
        """
        self._store, self._desk, self._lock, self._parking = store, desk, lock, parking
        self._tolerance = timedelta(seconds=clock_differs)
        self._warned: dict[AgencyId, datetime] = {}

    async def handle(self, records: Sequence[Record]) -> None:
        """Settle a batch; on return all of it is durable. Raises Unavailable: nothing was kept."""
        async with self._lock:
            await self._settle([Arrival(record) for record in records])

    async def retry(self, rows: Sequence[Parked]) -> None:
        """Judge parked records again, the normal way."""
        async with self._lock:
            await self._settle([Arrival(as_record(row), row) for row in rows])

    async def _settle(self, arrivals: Sequence[Arrival]) -> None:
        desk, batch = self._desk, _Batch(self._desk.clock.now())
        originals = partial(self._original, batch)
        judge = Judge(desk.me, desk.view, desk.opening(), originals, batch.now)
        outcomes = await self._judged(judge, batch, arrivals)
        await failpoints.reach("inbound.before_commit")
        settlement = Settlement(desk.me, desk.signer(), desk.numbering, batch.now)
        try:
            # From here to `write` nothing awaits: rows are queued in the order of their numbers.
            for arrival, outcome in zip(arrivals, outcomes, strict=True):
                batch.counts[self._place(judge, settlement, batch, arrival, outcome)] += 1
                if arrival.parked is None:
                    settlement.read_up_to(arrival.record)
            # 11 one transaction
            await self._store.write(settlement.commit)
        except BaseException:
            desk.numbering.restart()  # numbers were taken that perhaps nothing was kept under
            raise
        # From here a crash loses nothing, and repeats nothing.
        await failpoints.reach("inbound.after_commit")
        for name, count in batch.counts.items():
            _outcomes.labels(name).inc(count)
        desk.queued()

    async def _judged(
        self, judge: Judge, batch: "_Batch", arrivals: Sequence[Arrival]
    ) -> list[_Outcome]:
        """Take steps 1 to 10; what stays `Proven` came before, in this batch or an earlier one."""
        outcomes: list[_Outcome] = []
        fresh: set[_Key] = set()
        for n, arrival in enumerate(arrivals):
            if n % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
            found: _Outcome = judge.prove(arrival.record)  # 1 to 5
            if isinstance(found, Proven):
                key = (found.context.sender, found.context.id)
                if key not in fresh and self._seen(key) is None:  # 6, before the costly steps
                    found = judge.open(found)  # 7 to 10
                    if isinstance(found, Message):
                        batch.types[key] = found.covered.type
                    if not isinstance(found, Rejected):
                        fresh.add(key)
            outcomes.append(found)
        return outcomes

    def _place(
        self,
        judge: Judge,
        settlement: Settlement,
        batch: "_Batch",
        arrival: Arrival,
        outcome: _Outcome,
    ) -> str:
        """Choose the effect of one outcome; return its name for the metrics."""
        if isinstance(outcome, Proven):
            key = (outcome.context.sender, outcome.context.id)
            before = batch.seen.get(key) or self._seen(key)
            if before == outcome.digest:
                kept = self._store.peek(lambda db: outbox.has_receipts(db, before))
                settlement.repeat(arrival, outcome, kept=kept or key in batch.seen)
                return "again"
            if before is not None:
                why = Refused("duplicate-differs", "the same id, another content")
                outcome = _rejected(outcome, why)
            else:  # its twin in this batch fits nothing we sent
                outcome = judge.open(outcome)
        if isinstance(outcome, Receipt):
            try:
                answered = self._answered(batch, outcome)
            except Refused as exc:
                outcome = _rejected(outcome.proven, exc)
            else:
                settlement.receive(arrival, outcome, answered)
        elif isinstance(outcome, Message):
            settlement.accept(arrival, outcome)
        if isinstance(outcome, Rejected):
            return self._turn_away(settlement, batch, arrival, outcome)
        self._note(settlement, batch, outcome.proven)
        return outcome.proven.context.kind

    def _original(
        self, batch: "_Batch", sender: AgencyId, kind: MessageType, message: MessageId
    ) -> Original | None:
        """Find what a reply (to ours) or an amendment (of the sender's own) refers to."""
        if kind is MessageType.REPLY:
            ours = self._store.peek(lambda db: sent.by_id(db, message))
            if ours is None:
                return None
            return Original(sender=self._desk.me, recipient=ours.recipient, type=_TYPES[ours.type])
        found = batch.types.get((sender, message))
        if found is None:
            rows = self._store.peek(lambda db: received.by_id(db, message))
            row = next((row for row in rows if row.sender == sender), None)
            if row is None:
                return None
            found = self._type_of(row)
        return Original(sender=sender, recipient=self._desk.me, type=found)

    def _type_of(self, row: Received) -> MessageType:
        """What kind a stored message is stands in its sealed part alone."""
        try:
            return reopening.unsealed(self._store, self._desk, row)[1].type
        except Refused:  # erased, or its key is gone; what matters is that it was no retraction
            return MessageType.NOTIFICATION

    def _answered(self, batch: "_Batch", receipt: Receipt) -> sent.Sent:
        """Return the message that a receipt answers, if its sender may and it makes sense."""
        context, of = receipt.context, receipt.receipt.of
        answered = self._store.peek(lambda db: sent.by_digest(db, of))
        place = topics.inbox(context.sender, self._desk.me)
        if answered is None or answered.recipient != context.sender:
            raise Refused("receipt-unmatched", "not for a message that we sent to this agency")
        if receipt.receipt.topic != place:
            raise Refused("receipt-unmatched", "not where we sent it")
        state = batch.states.get(of, answered.state)
        try:
            batch.states[of] = after_sent(state, SentMove(receipt.receipt.kind.value))
        except Refused as exc:
            raise Refused("receipt-impossible", f"from {state}") from exc
        if answered.created - context.created > self._tolerance:
            batch.differing.add(context.sender)  # answered before it was sent
        return answered

    def _turn_away(
        self, settlement: Settlement, batch: "_Batch", arrival: Arrival, why: Rejected
    ) -> str:
        """Park what may only be early and has not waited long enough; quarantine the rest."""
        if why.early:
            until = keep_until(why, arrival.parked, batch.now, self._parking)
            if until is None or until > batch.now:
                if arrival.parked is not None or self._has_room(batch, arrival.record):
                    settlement.park(arrival, why, until)
                    return "parked"
                why = replace(why, code="parking-full", detail=why.code)
        statement = why.statement
        answer = (
            statement is not None
            and statement.context.kind == "message"
            and why.code not in _UNANSWERED
            and self._seen((statement.context.sender, statement.context.id)) is None
        )
        settlement.reject(arrival, why, answer=answer)
        _codes.labels(why.code).inc()
        log.warning(
            "record_quarantined", topic=why.record.topic, offset=why.record.offset, code=why.code
        )
        return "quarantined"

    def _has_room(self, batch: "_Batch", record: Record) -> bool:
        sender = topic_sender(record)
        if sender not in batch.parked:
            batch.parked[sender] = self._store.peek(lambda db: parked.size(db, sender))
        count, size = batch.parked[sender]
        count, size = count + 1, size + len(record.value or b"")
        batch.parked[sender] = (count, size)
        return count <= self._parking.records_max and size <= self._parking.bytes_max

    def _note(self, settlement: Settlement, batch: "_Batch", proven: Proven) -> None:
        """Remember within the batch; warn once an hour of a clock that differs."""
        context = proven.context
        batch.seen[context.sender, context.id] = proven.digest
        if context.created - batch.now > self._tolerance:
            batch.differing.add(context.sender)
        if context.sender in batch.differing:
            last = self._warned.get(context.sender)
            if last is None or batch.now - last >= _CLOCK_EVERY:
                self._warned[context.sender] = batch.now
                settlement.clock_differs(context.sender)
                log.warning("clock_differs", agency=context.sender)

    def _seen(self, key: _Key) -> Digest | None:
        return self._store.peek(lambda db: seen.digest(db, *key))


@dataclass(slots=True)
class _Batch:
    """What this batch has done so far; the store will know it after the commit."""

    now: datetime
    seen: dict[_Key, Digest] = field(default_factory=dict)
    types: dict[_Key, MessageType] = field(default_factory=dict)
    states: dict[Digest, SentState] = field(default_factory=dict)
    parked: dict[AgencyId, tuple[int, int]] = field(default_factory=dict)  # records, bytes
    differing: set[AgencyId] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)


def _rejected(proven: Proven, why: Refused) -> Rejected:
    return rejected(proven.record, why, Proof.AUTHENTIC, proven.statement)
