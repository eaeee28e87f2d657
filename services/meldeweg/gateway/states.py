"""The states of a sent and of a received message: two tables of allowed moves, and nothing else.

Guarantees: a state changes only along these tables (`store.sent.move`, `store.received.move`); a
move that is not in its table is refused. docs/states.md is drawn from them. Pure.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from meldeweg.kernel.errors import Refused


class SentState(StrEnum):
    """How far a message is, as its sender sees it."""

    QUEUED = "queued"  # durable in the outbox
    SENT = "sent"  # the broker has it
    DELIVERED = "delivered"  # the recipient's gateway verified and stored it, signed
    ACKNOWLEDGED = "acknowledged"  # a named person there took it; the deadline stops
    REFUSED = "refused"
    OVERDUE = "overdue"  # nobody took it in time: phone them
    RETRACTED = "retracted"  # our retraction of it was delivered
    UNDELIVERABLE = "undeliverable"  # never delivered, and its key or its term has ended


class SentMove(StrEnum):
    """What can happen to a sent message; also the kinds of its timeline."""

    PRODUCED = "sent"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    ERASED = "erased"
    OVERDUE = "overdue"
    RETRACTED = "retracted"
    UNDELIVERABLE = "undeliverable"


class ReceivedState(StrEnum):
    """How far a message is at the recipient."""

    RECEIVED = "received"  # stored, sealed; nobody has looked
    OPENED = "opened"  # a named person looked
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    RETRACTED = "retracted"  # its sender took it back; readable, so that one sees what was
    ERASED = "erased"  # the content is gone


class ReceivedMove(StrEnum):
    """What can happen to a received message; also the kinds of its timeline."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    RETRACTED = "retracted"  # by the sender: its retraction arrived
    ERASED = "erased"  # by the agency, once the message is taken, refused or retracted
    EXPIRED = "expired"  # by the gateway, at `delete_after`


_S, _M, _R, _V = SentState, SentMove, ReceivedState, ReceivedMove

# Receipts may overtake what we know of ourselves: a crash between produce and mark leaves `queued`
# while `delivered` is already on its way. So a receipt is judged by what it says, not by how far
# we believed to be. Overdue stays overdue until a person has taken the message.
SENT: Mapping[SentState, Mapping[SentMove, SentState]] = {
    _S.QUEUED: {
        _M.PRODUCED: _S.SENT,
        _M.DELIVERED: _S.DELIVERED,
        _M.ACKNOWLEDGED: _S.ACKNOWLEDGED,
        _M.REFUSED: _S.REFUSED,
        _M.OVERDUE: _S.OVERDUE,
        _M.RETRACTED: _S.RETRACTED,
        _M.UNDELIVERABLE: _S.UNDELIVERABLE,
    },
    _S.SENT: {
        _M.PRODUCED: _S.SENT,
        _M.DELIVERED: _S.DELIVERED,
        _M.ACKNOWLEDGED: _S.ACKNOWLEDGED,
        _M.REFUSED: _S.REFUSED,
        _M.OVERDUE: _S.OVERDUE,
        _M.RETRACTED: _S.RETRACTED,
        _M.UNDELIVERABLE: _S.UNDELIVERABLE,
    },
    _S.DELIVERED: {
        _M.PRODUCED: _S.DELIVERED,  # produced again; the receipt had crossed it
        _M.DELIVERED: _S.DELIVERED,
        _M.ACKNOWLEDGED: _S.ACKNOWLEDGED,
        _M.REFUSED: _S.REFUSED,
        _M.ERASED: _S.DELIVERED,
        _M.OVERDUE: _S.OVERDUE,
        _M.RETRACTED: _S.RETRACTED,
    },
    _S.OVERDUE: {
        _M.PRODUCED: _S.OVERDUE,
        _M.DELIVERED: _S.OVERDUE,
        _M.ACKNOWLEDGED: _S.ACKNOWLEDGED,
        _M.REFUSED: _S.REFUSED,
        _M.ERASED: _S.OVERDUE,
        _M.RETRACTED: _S.RETRACTED,
        _M.UNDELIVERABLE: _S.UNDELIVERABLE,
    },
    _S.ACKNOWLEDGED: {
        _M.PRODUCED: _S.ACKNOWLEDGED,
        _M.DELIVERED: _S.ACKNOWLEDGED,
        _M.ACKNOWLEDGED: _S.ACKNOWLEDGED,
        _M.ERASED: _S.ACKNOWLEDGED,
        _M.RETRACTED: _S.RETRACTED,
    },
    _S.REFUSED: {
        _M.PRODUCED: _S.REFUSED,
        # Refused because it stayed early too long, then produced again and accepted: it is there.
        _M.DELIVERED: _S.DELIVERED,
        _M.REFUSED: _S.REFUSED,
        _M.ERASED: _S.REFUSED,
        _M.RETRACTED: _S.RETRACTED,
    },
    _S.RETRACTED: {
        _M.PRODUCED: _S.RETRACTED,
        _M.DELIVERED: _S.RETRACTED,
        _M.ACKNOWLEDGED: _S.RETRACTED,
        _M.REFUSED: _S.RETRACTED,
        _M.ERASED: _S.RETRACTED,
        _M.RETRACTED: _S.RETRACTED,
    },
    _S.UNDELIVERABLE: {
        _M.PRODUCED: _S.UNDELIVERABLE,
        _M.DELIVERED: _S.DELIVERED,  # it had arrived after all, and its receipt was late
        _M.ACKNOWLEDGED: _S.ACKNOWLEDGED,
        _M.REFUSED: _S.REFUSED,
        _M.RETRACTED: _S.RETRACTED,  # it had arrived: the recipient has both
    },
}

RECEIVED: Mapping[ReceivedState, Mapping[ReceivedMove, ReceivedState]] = {
    _R.RECEIVED: {
        _V.OPENED: _R.OPENED,
        _V.REFUSED: _R.REFUSED,
        _V.RETRACTED: _R.RETRACTED,
        _V.EXPIRED: _R.ERASED,
    },
    _R.OPENED: {
        _V.OPENED: _R.OPENED,
        _V.ACKNOWLEDGED: _R.ACKNOWLEDGED,
        _V.REFUSED: _R.REFUSED,
        _V.RETRACTED: _R.RETRACTED,
        _V.EXPIRED: _R.ERASED,
    },
    _R.ACKNOWLEDGED: {
        _V.OPENED: _R.ACKNOWLEDGED,
        _V.RETRACTED: _R.RETRACTED,
        _V.ERASED: _R.ERASED,
        _V.EXPIRED: _R.ERASED,
    },
    _R.REFUSED: {
        _V.OPENED: _R.REFUSED,
        _V.RETRACTED: _R.RETRACTED,
        _V.ERASED: _R.ERASED,
        _V.EXPIRED: _R.ERASED,
    },
    # Nobody takes or refuses what was taken back; its retraction is acknowledged instead.
    _R.RETRACTED: {
        _V.OPENED: _R.RETRACTED,
        _V.RETRACTED: _R.RETRACTED,
        _V.ERASED: _R.ERASED,
        _V.EXPIRED: _R.ERASED,
    },
    _R.ERASED: {
        _V.RETRACTED: _R.ERASED,  # there is nothing left to take back, and that is fine
    },
}

SENT_OPEN = (SentState.QUEUED, SentState.SENT, SentState.DELIVERED, SentState.OVERDUE)
"""Somebody still waits for something: the Kennzeichen is taken, the deadline runs."""
RECEIVED_OPEN = (ReceivedState.RECEIVED, ReceivedState.OPENED)

_State = TypeVar("_State", SentState, ReceivedState)


def after_sent(state: SentState, move: SentMove) -> SentState:
    """Return the state after `move`, or `Refused("step-impossible")`."""
    return _after(SENT[state].get(move), state, move)


def after_received(state: ReceivedState, move: ReceivedMove) -> ReceivedState:
    """Return the state after `move`, or `Refused("step-impossible")`."""
    return _after(RECEIVED[state].get(move), state, move)


def _after(found: _State | None, state: str, move: str) -> _State:
    if found is None:
        raise Refused("step-impossible", f"{move} is not possible from {state}")
    return found
