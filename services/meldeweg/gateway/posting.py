"""What one accepted order writes (step 8), made ready before its one transaction.

Guarantees: the message, its linked copy, the answer, the key and the events are kept together or
not at all; what says too much at rest is in the vault. No `await` between the first number and the
return, so that a caller who queues at once keeps rows in the order of numbers.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from meldeweg.gateway.api.shapes import Answer, LinkedCopy
from meldeweg.gateway.desk import Desk
from meldeweg.gateway.drafting import Decision, Draft
from meldeweg.gateway.sealing import Sealed, sealed
from meldeweg.gateway.states import SentState
from meldeweg.gateway.store import idempotency, numbers, outbox, sent
from meldeweg.gateway.store.idempotency import Used
from meldeweg.gateway.store.outbox import NewRow
from meldeweg.gateway.store.sent import NewSent
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import AgencyId, Kennzeichen, MessageId


@dataclass(frozen=True, slots=True)
class Posting:
    """Everything that the transaction writes. `answer`: the bytes of the 201."""

    messages: tuple[NewSent, ...]
    records: tuple[Sealed, ...]
    events: tuple[NewRow, ...]
    used: Used
    answer: bytes

    def keep(self, db: sqlite3.Connection) -> None:
        """Write it; the job for `store.write`."""
        idempotency.add(db, self.used)
        for message, record in zip(self.messages, self.records, strict=True):
            sent.insert(db, message)
            outbox.insert(db, record.row)
            seq = record.context.seq
            numbers.note_sent(db, message.recipient, seq.n, seq)
        for event in self.events:
            outbox.insert(db, event)

    def kennzeichen(self) -> frozenset[Kennzeichen]:
        return frozenset(message.kennzeichen for message in self.messages)


def posting(
    desk: Desk,
    decision: Decision,
    key: bytes,
    body: bytes,
    now: datetime,
    fresh: Callable[[], MessageId],
) -> Posting:
    """Number, seal and sign. `key`, `body`: keyed hashes; `fresh` draws an id.

    Raises Unavailable `no-signing-key`, Refused `body-too-large`.
    """
    signer = desk.signer()
    drafts = (decision.draft,) if decision.linked is None else (decision.draft, decision.linked)
    ids = tuple(fresh() for _ in drafts)
    try:
        records = tuple(
            sealed(desk.me, draft, message, desk.numbering.next(_to(draft)), signer, now)
            for draft, message in zip(drafts, ids, strict=True)
        )
    except BaseException:
        desk.numbering.restart()  # a number was taken for nothing
        raise
    answers = _answers(decision, drafts, records, now)
    messages = tuple(
        _row(desk, draft, record, answer, now, linked_to=None if record is records[0] else ids[0])
        for draft, record, answer in zip(drafts, records, answers, strict=True)
    )
    overridden = decision.draft.order.asked.override is not None
    events = tuple(_override(desk, record) for record in records) if overridden else ()
    return Posting(messages, records, events, Used(key, body, ids[0], now), answers[0])


def answer_place(message: MessageId) -> str:
    """Name the vault's place of a message's 201 answer."""
    return f"sent.answer {message}"


def thread_place(message: MessageId) -> str:
    """Name the vault's place of a message's thread."""
    return f"sent.thread {message}"


def _to(draft: Draft) -> AgencyId:
    return draft.recipient.agency


def _answers(
    decision: Decision, drafts: tuple[Draft, ...], records: tuple[Sealed, ...], now: datetime
) -> list[bytes]:
    """Write an answer per message: the first is the caller's, a copy's is kept for its details."""
    copies = tuple(
        LinkedCopy(
            recipient=record.context.to,
            id=record.context.id,
            kennzeichen=Kennzeichen.of(record.context.id),
        )
        for record in records[1:]
    )
    return [
        Answer(
            id=record.context.id,
            kennzeichen=Kennzeichen.of(record.context.id),
            state=SentState.QUEUED,
            recipient=record.context.to,
            clause=draft.permit.clause,
            legal_basis="; ".join(draft.permit.legal_basis),
            urgency=draft.permit.urgency,
            created=now,
            ack_by=draft.permit.ack_by,
            exercise=record.context.exercise,
            linked=copies if record is records[0] else (),
            warnings=decision.warnings if record is records[0] else (),
        ).bytes()
        for draft, record in zip(drafts, records, strict=True)
    ]


def _row(
    desk: Desk,
    draft: Draft,
    record: Sealed,
    answer: bytes,
    now: datetime,
    *,
    linked_to: MessageId | None,
) -> NewSent:
    asked, context, vault = draft.order.asked, record.context, desk.vault
    message = context.id
    thread = None if asked.thread is None else asked.thread.encode()
    return NewSent(
        id=message,
        kennzeichen=Kennzeichen.of(message),
        recipient=context.to,
        type=draft.order.type,
        urgency=draft.permit.urgency,
        created=now,
        ack_by=draft.permit.ack_by,
        exercise=context.exercise,
        digest=record.digest,
        agreement=context.agreement,
        state_at=now,
        delete_after=context.delete_after,
        thread=None if thread is None else vault.seal(thread, thread_place(message)),
        in_reply_to=draft.in_reply_to,
        linked_to=linked_to,
        answer=vault.seal(answer, answer_place(message)),
        actor_ref=record.actor_ref,
        actor=vault.seal(asked.acting_person.encode(), f"sent.actor {message}"),
    )


def _override(desk: Desk, record: Sealed) -> NewRow:
    return desk.event(
        EventKind.OVERRIDDEN,
        message=record.digest,
        urgency=record.context.urgency,
        exercise=record.context.exercise,
        actor_ref=record.actor_ref,
        partner=record.context.to,
        record_sha256=record.context.record_sha256,
    )
