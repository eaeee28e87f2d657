"""Receipts that this gateway gives: `delivered` and `refused` by itself, the rest for a person.

Guarantees: a receipt names the message by its digest and where it lay; the gateway's own say
nothing sealed (value `{}`), so that they need no key of the partner; a person's name and reason are
sealed to the sender alone, the reason to both oversight keys as well; nothing tells how a case
went (§ 35 SGB I). Pure: numbers, keys, time and randomness come in.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from meldeweg.envelope import seal
from meldeweg.gateway.store.outbox import NewRow
from meldeweg.kernel import statement as statements
from meldeweg.kernel import strictjson, topics
from meldeweg.kernel.ids import AgencyId, Digest, new_message_id
from meldeweg.kernel.jwk import SealKey, SigningKey
from meldeweg.kernel.model import Frozen, Version1
from meldeweg.kernel.schemas.record import ActorRef, Nonce, Reason
from meldeweg.kernel.statement import (
    STATEMENT_HEADER,
    Context,
    ReasonCode,
    ReceiptFor,
    ReceiptKind,
    Seq,
)

NOTHING_SEALED = b"{}"
LEAST_TERM = timedelta(days=60)  # a receipt may wait in outbox and topic; then it still counts


class Word(Frozen):
    """What the sender learns of a person's receipt: the payload of its content."""

    v: Version1
    by: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Reason | None = None
    responsible: AgencyId | None = None


class ReceiptRecord(Frozen):
    """Why a person gave it: sealed to both oversight keys, and in the content beside `Word`."""

    v: Version1
    kind: ReceiptKind
    of: Digest
    actor_ref: ActorRef
    code: ReasonCode | None = None
    responsible: AgencyId | None = None
    reason: Reason | None = None
    nonce: Nonce


@dataclass(frozen=True, slots=True)
class Answered:
    """The message that a receipt answers. `delete_after`: as in its context."""

    digest: Digest
    sender: AgencyId
    topic: str
    offset: int
    agreement: Digest
    exercise: bool
    delete_after: str


@dataclass(frozen=True, slots=True)
class Sealing:
    """What a person's receipt is sealed to: the sender's key, and both oversight keys."""

    to: SealKey
    oversight: tuple[SealKey, ...]


def given(
    me: AgencyId,
    answered: Answered,
    kind: ReceiptKind,
    seq: Seq,
    key: SigningKey,
    now: datetime,
    code: str | None = None,
) -> NewRow:
    """Return the outbox row of a receipt that the gateway gives by itself."""
    context = _context(me, answered, kind, seq, now, code, None)
    return _row(context, NOTHING_SEALED, answered, kind, key, now)


def given_by_person(
    me: AgencyId,
    answered: Answered,
    kind: ReceiptKind,
    seq: Seq,
    key: SigningKey,
    now: datetime,
    word: Word,
    record: ReceiptRecord,
    sealing: Sealing,
) -> NewRow:
    """Return the outbox row of a person's receipt, sealed."""
    why = record.bytes()
    context = _context(me, answered, kind, seq, now, record.code, Digest.of(why))
    plaintext = strictjson.dumps(
        {
            "attachments": [],
            "payload": word.model_dump(mode="json", exclude_none=True),
            "record": why.decode(),
        }
    )
    aad = Digest.of(context.bytes()).raw()
    content = seal(plaintext, [sealing.to], aad)
    value = b'{"content":%b,"record":%b}' % (content, seal(why, sealing.oversight, aad))
    return _row(context, value, answered, kind, key, now)


def delete_after(least: str, now: datetime) -> str:
    """Return the message's own term, or the first of a month that leaves a receipt time to come."""
    day = (now + LEAST_TERM).date()
    first = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return max(least, first.isoformat())


def _context(
    me: AgencyId,
    answered: Answered,
    kind: ReceiptKind,
    seq: Seq,
    now: datetime,
    code: str | None,
    record_sha256: Digest | None,
) -> Context:
    members: dict[str, Any] = {
        "id": new_message_id(),
        "kind": "receipt",
        "sender": me,
        "to": answered.sender,
        "created": now,
        "exercise": answered.exercise,
        "agreement": answered.agreement,
        "seq": seq,
        "record_sha256": record_sha256,
        "delete_after": delete_after(answered.delete_after, now),
        "receipt": ReceiptFor(
            of=answered.digest, kind=kind, topic=answered.topic, offset=answered.offset, code=code
        ),
    }
    return Context(v=1, **members)


def _row(
    context: Context,
    value: bytes,
    answered: Answered,
    kind: ReceiptKind,
    key: SigningKey,
    now: datetime,
) -> NewRow:
    text = context.bytes()
    token = statements.sign(text, value, key)
    headers = ((STATEMENT_HEADER, token), *statements.cloud_events(context))
    return NewRow(
        topic=topics.inbox(context.to, context.sender),
        recipient=context.to,
        key=context.id.encode(),
        headers=headers,
        value=value,
        kind="receipt",
        accepted_at=now,
        size=len(token) + len(value),
        ref=statements.message_digest(text, Digest.of(value)),
        answers=answered.digest,
        receipt=kind,
        open_until=context.deletes_at(),
    )
