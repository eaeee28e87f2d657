"""A person's receipt for a received message: acknowledged, refused, erased.

Guarantees: only a person who opened a message acknowledges it; a step that its state does not allow
is refused; the receipt, the new state and the row in the outbox are one transaction; the same order
again is answered again. Trusts: the API for the name; the caller's lock, so that the state read
here still holds in the transaction.
"""

import secrets
import sqlite3
from typing import Any

from meldeweg.gateway import receipts, reopening
from meldeweg.gateway.api.arrived import ReceiptAnswer, ReceiptOrder
from meldeweg.gateway.desk import Desk
from meldeweg.gateway.opening import NOT_RESPONSIBLE
from meldeweg.gateway.receipts import Answered, ReceiptRecord, Sealing, Word
from meldeweg.gateway.refusals import BY_PERSONS
from meldeweg.gateway.states import ReceivedMove, ReceivedState, after_received
from meldeweg.gateway.store import Store, numbers, opened, outbox, receipt_out, received
from meldeweg.gateway.store.receipt_out import ReceiptOut
from meldeweg.gateway.store.received import Received
from meldeweg.kernel import failpoints, strictjson
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, MessageId
from meldeweg.kernel.statement import ReceiptKind
from meldeweg.kernel.trust.objects import AgencyStatus, KeyUse
from meldeweg.kernel.trust.view import View

_NONCE_BYTES = 32
failpoints.declare("receipt.before_commit", "receipt.after_commit")


async def give(
    store: Store, desk: Desk, row: Received, order: ReceiptOrder
) -> tuple[ReceiptAnswer, bool]:
    """Carry out an order; return the answer and whether the receipt is new."""
    check_order(order, desk.view, {desk.me, row.sender})
    for before in store.peek(lambda db: receipt_out.of(db, row.seq)):
        if before.kind is order.kind and reopening.said(desk, row, before) == _said(order):
            return _answer(row.state, before), False
    if desk.view.status(desk.me) is AgencyStatus.REVOKED:
        raise Refused("sender-revoked", "no receipt of ours would arrive")
    ref = _actor(store, desk, row, order)
    state = _after(row.state, ReceivedMove(order.kind.value))
    given = await _keep(store, desk, row, order, ref)
    return _answer(state, given), True


def check_order(order: ReceiptOrder, view: View, parties: set[AgencyId]) -> None:
    """Which members go together; what the state allows comes later. `parties`: of the message."""
    if order.kind is ReceiptKind.DELIVERED:
        raise Refused("receipt-not-allowed", "the gateway's own")
    if (order.kind is ReceiptKind.REFUSED) is not (order.code is not None):
        raise Refused("receipt-incomplete", "a code belongs to refused")
    if order.code is not None and order.code not in BY_PERSONS:
        raise Refused("receipt-incomplete", f"codes are: {', '.join(sorted(BY_PERSONS))}")
    if (order.code == NOT_RESPONSIBLE) is not (order.responsible is not None):
        raise Refused("receipt-incomplete", "who is responsible belongs to not-responsible")
    if order.responsible is not None:
        view.agency(order.responsible)
        if order.responsible in parties:
            raise Refused("receipt-incomplete", "who is responsible is neither of us two")


def _actor(store: Store, desk: Desk, row: Received, order: ReceiptOrder) -> str:
    """Return the reference under which this person looked; a fresh one if they need not have."""
    for look in store.peek(lambda db: opened.of(db, row.seq)):
        if reopening.person(desk, row, look) == order.by:
            return look.actor_ref
    if order.kind is ReceiptKind.ACKNOWLEDGED and row.state is not ReceivedState.ERASED:
        raise Refused("not-opened", "only who opened it can acknowledge it")
    return secrets.token_hex(16)


def _after(state: ReceivedState, move: ReceivedMove) -> ReceivedState:
    try:
        return after_received(state, move)
    except Refused as exc:
        raise Refused("receipt-out-of-order", exc.detail) from exc


async def _keep(
    store: Store, desk: Desk, row: Received, order: ReceiptOrder, ref: str
) -> ReceiptOut:
    now = desk.clock.now()
    word = Word(v=1, by=order.by, reason=order.reason, responsible=order.responsible)
    record = ReceiptRecord(
        v=1,
        kind=order.kind,
        of=row.digest,
        actor_ref=ref,
        code=order.code,
        responsible=order.responsible,
        reason=order.reason,
        nonce=strictjson.b64u_encode(secrets.token_bytes(_NONCE_BYTES)),
    )
    sealing = Sealing(
        desk.view.key_for(row.sender, KeyUse.SEAL, now),
        (
            desk.view.key_for(row.sender, KeyUse.OVERSIGHT, now),
            desk.view.key_for(desk.me, KeyUse.OVERSIGHT, now),
        ),
    )
    key = desk.signer()
    await failpoints.reach("receipt.before_commit")
    try:
        # From here to `write` nothing awaits: rows are queued in the order of their numbers.
        seq = desk.numbering.next(row.sender)
        queued = receipts.given_by_person(
            desk.me, _answered(row), order.kind, seq, key, now, word, record, sealing
        )
        assert queued.key is not None  # the receipt's id
        place = reopening.said_place(row, order.kind)
        said = desk.vault.seal(strictjson.dumps(_said(order)), place)
        receipt_id = MessageId(queued.key.decode())
        given = ReceiptOut(row.seq, order.kind, receipt_id, now, order.code, said)

        def job(db: sqlite3.Connection) -> None:
            _check_unchanged(db, row)
            received.move(db, row, ReceivedMove(order.kind.value), now, order.code)
            receipt_out.add(db, given)
            outbox.insert(db, queued)
            numbers.note_sent(db, row.sender, seq.n, seq)

        await store.write(job)
    except BaseException:
        desk.numbering.restart()  # a number was taken that perhaps nothing was kept under
        raise
    await failpoints.reach("receipt.after_commit")
    desk.queued()
    return given


def _check_unchanged(db: sqlite3.Connection, row: Received) -> None:
    """Retention alone changes a message without the lock: its term may have ended meanwhile."""
    here = received.by_digest(db, row.digest)
    if here is None or here.state is not row.state:
        raise Refused("receipt-out-of-order", "erased at the end of its term")


def _answer(state: ReceivedState, given: ReceiptOut) -> ReceiptAnswer:
    return ReceiptAnswer(id=given.id, kind=given.kind, at=given.at, state=state, code=given.code)


def _said(order: ReceiptOrder) -> dict[str, Any]:
    return order.model_dump(mode="json", exclude_none=True)


def _answered(row: Received) -> Answered:
    return Answered(
        row.digest,
        row.sender,
        row.topic,
        row.topic_offset,
        row.agreement,
        row.exercise,
        row.delete_after,
    )
