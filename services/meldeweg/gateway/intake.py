"""From the agency's own system into the outbox: `POST /v1/messages`.

Guarantees: 201 means durable (I1): sealed, signed and queued in one transaction with the answer and
the key under which it was asked, so that a repeat gets the same answer. Every refusal comes before
anything is numbered, and keeps nothing. `check` takes steps 1 to 7 of the same code and stops.
Trusts: the API for who asks, and that a body is at most 1 MiB.

Steps: 1 parse strictly (order); 2 idempotency (here); 3 type and schema; 4 recipient by agreement
and enrolment (addressing); 5 a clause covers it; 6 what it refers to; 7 version and keys
(drafting); 8 number, seal, sign (sealing, posting); 9 one transaction; 10 the answer.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

from meldeweg.gateway import drafting, reopening
from meldeweg.gateway import order as orders
from meldeweg.gateway.api.ports import Accepted
from meldeweg.gateway.api.shapes import LinkedCopy, Preview
from meldeweg.gateway.desk import Desk
from meldeweg.gateway.drafting import Copied, Decision
from meldeweg.gateway.order import Order
from meldeweg.gateway.posting import Posting, answer_place, posting
from meldeweg.gateway.room import Room
from meldeweg.gateway.store import Store, idempotency, received, sent
from meldeweg.gateway.store.received import Received
from meldeweg.gateway.trustfeed import TrustFeed
from meldeweg.kernel import failpoints, logs
from meldeweg.kernel.agreement import standing
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import Kennzeichen, MessageId, new_message_id
from meldeweg.kernel.metrics import counter
from meldeweg.kernel.policy import Original
from meldeweg.kernel.schemas.vocabulary import MessageType

failpoints.declare("intake.before_commit", "intake.after_commit")
log = logs.get()
_accepted = counter("messages_accepted", "Messages accepted for sending", "urgency")


class Intake:
    """The API's port."""

    def __init__(self, store: Store, desk: Desk, trust: TrustFeed, room: Room) -> None:
        self._store, self._desk, self._trust, self._room = store, desk, trust, room
        self._running: dict[bytes, asyncio.Future[None]] = {}
        self._taken: set[Kennzeichen] = set()  # of messages whose commit is under way

    async def accept(self, body: bytes, idempotency_key: str) -> Accepted:
        """Take all steps; on return the message is durable. Raises Refused and Unavailable."""
        # 1 parse strictly
        order = orders.read(body)
        # 2 the same key again gets the same answer; two at once: one wins, the other waits for it
        key = self._desk.vault.hash(idempotency_key.encode(), "idempotency key")
        of_body = self._desk.vault.hash(body, "idempotency body")
        while (running := self._running.get(key)) is not None:
            await asyncio.wait([running])
        if (known := self._known(key, of_body)) is not None:
            return known
        release = self._hold(key)
        try:
            await failpoints.reach("intake.before_commit")
            # 3 to 8, and 9 is under way; no pause in between: rows stand in the order of numbers
            made = self._posting(order, key, of_body, len(body))
            written = self._queue(made)
        except BaseException:
            release()
            raise
        # The job counts also if our caller goes away now: the key is free once it is decided.
        written.add_done_callback(lambda _: release())
        await asyncio.shield(written)
        # From here a crash loses nothing: the relay, and a repeat of the key, find all of it.
        await failpoints.reach("intake.after_commit")
        self._desk.queued()
        self._tell(made)
        # 10 the answer
        return Accepted(made.used.message, made.answer, again=False)

    async def check(self, body: bytes) -> Preview:
        """Take steps 1 to 7 and say what would happen; nothing is kept."""
        order = orders.read(body)
        self._room.look(len(body))
        decision = self._decide(order, self._now())
        self._desk.signer()  # without a key it could not be sent
        permit, linked = decision.draft.permit, decision.linked
        return Preview(
            recipient=decision.draft.recipient.agency,
            clause=permit.clause,
            legal_basis="; ".join(permit.legal_basis),
            purpose=permit.purpose,
            urgency=permit.urgency,
            ack_by=permit.ack_by,
            exercise=order.asked.exercise,
            linked=(LinkedCopy(recipient=linked.recipient.agency),) if linked else (),
            warnings=decision.warnings,
        )

    def _known(self, key: bytes, body: bytes) -> Accepted | None:
        """Return the answer that this key got before; another body is refused."""
        used = self._store.peek(lambda db: idempotency.find(db, key))
        if used is None:
            return None
        if used.body != body:
            raise Refused("idempotency-key-reused", "")
        message = self._store.peek(lambda db: sent.by_id(db, used.message))
        if message is None or message.answer is None:
            raise Refused("idempotency-key-reused", "what it led to was erased")
        answer = self._desk.vault.open(message.answer, answer_place(message.id))
        return Accepted(message.id, answer, again=True)

    def _hold(self, key: bytes) -> Callable[[], None]:
        """Make others with this key wait until the returned function is called."""
        held = asyncio.get_running_loop().create_future()
        self._running[key] = held

        def release() -> None:
            if not held.done():
                del self._running[key]
                held.set_result(None)

        return release

    def _posting(self, order: Order, key: bytes, of_body: bytes, size: int) -> Posting:
        """Take steps 3 to 8."""
        now = self._now()
        decision = self._decide(order, now)
        self._room.take(size)
        return posting(self._desk, decision, key, of_body, now, self._fresh_id)

    def _queue(self, made: Posting) -> "asyncio.Future[None]":
        """Begin step 9."""
        try:
            written = self._store.write(made.keep)
        except Unavailable:
            self._desk.numbering.restart()  # what was numbered is not kept
            raise
        self._taken |= made.kennzeichen()
        written.add_done_callback(partial(self._written, made))
        return written

    def _written(self, made: Posting, written: "asyncio.Future[None]") -> None:
        self._taken -= made.kennzeichen()
        if not written.cancelled() and written.exception() is not None:
            self._desk.numbering.restart()  # it failed, perhaps alone, and its numbers with it

    def _decide(self, order: Order, now: datetime) -> Decision:
        """Take steps 3 to 7."""
        self._trust.check_sealing()
        view = self._desk.view
        held = standing(view.agreements(), now)
        stale = self._trust.is_stale(now)
        original, copied = self._original(order), self._copied(order)
        return drafting.draft(view, self._desk.me, held, order, original, copied, now, stale=stale)

    def _copied(self, order: Order) -> Copied | None:
        """Return the linked copy of what this order refers to."""
        message = order.asked.in_reply_to
        if message is None:
            return None
        copy = self._store.peek(lambda db: sent.copy_of(db, message))
        return None if copy is None else Copied(copy.id, copy.recipient)

    def _original(self, order: Order) -> Original | None:
        """Return what `in_reply_to` names, ours or a partner's, or refuse `in-reply-to-unknown`."""
        message = order.asked.in_reply_to
        if message is None:
            return None
        ours = self._store.peek(lambda db: sent.by_id(db, message))
        if ours is not None:
            return Original(
                sender=self._desk.me,
                recipient=ours.recipient,
                type=ours.type,
                exercise=ours.exercise,
            )
        rows = self._store.peek(lambda db: received.by_id(db, message))
        if not rows:
            raise Refused("in-reply-to-unknown", "")
        return Original(
            sender=rows[0].sender,
            recipient=self._desk.me,
            type=self._type(rows[0]),
            exercise=rows[0].exercise,
        )

    def _type(self, row: Received) -> MessageType | None:
        """What kind of message we received stands in its sealed part alone; None once erased.

        Whoever sent it knows, and judges a reply by it.
        """
        try:
            return reopening.unsealed(self._store, self._desk, row)[1].type
        except Refused:
            return None

    def _fresh_id(self) -> MessageId:
        """Draw an id whose Kennzeichen no other open message of ours has."""
        while True:
            message = new_message_id()
            kennzeichen = Kennzeichen.of(message)
            taken = partial(sent.kennzeichen_taken, kennzeichen=kennzeichen)
            if kennzeichen not in self._taken and not self._store.peek(taken):
                return message

    def _now(self) -> datetime:
        """Return the time in milliseconds, as the context says it: both ends judge the same."""
        now = self._desk.clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def _tell(self, made: Posting) -> None:
        for message in made.messages:
            _accepted.labels(message.urgency.value).inc()
            log.info("message_accepted", message_id=message.id, agency=message.recipient)
