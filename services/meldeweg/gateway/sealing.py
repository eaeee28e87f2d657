"""From a draft to a record for the broker (step 8): numbered, sealed, signed.

Guarantees: the content is sealed to the recipient alone, the reasons to both oversight keys alone,
both to exactly this context; the signed context commits to the record inside. Everything random is
drawn here; the number comes in. Synchronous, so that a caller can take numbers in order.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from meldeweg.envelope import seal
from meldeweg.gateway.drafting import Draft
from meldeweg.gateway.store.outbox import NewRow
from meldeweg.kernel import statement as statements
from meldeweg.kernel import strictjson, topics
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest, MessageId
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.schemas.record import RecordBody
from meldeweg.kernel.statement import STATEMENT_HEADER, Context, Seq

_HEADERS_MAX = 16 * 1024  # bytes, far more than the longest ids need
VALUE_MAX = topics.RECORD_MAX - _HEADERS_MAX


@dataclass(frozen=True, slots=True)
class Sealed:
    """A message ready for the outbox. `actor_ref` stands in the record for the acting person."""

    context: Context
    digest: Digest
    actor_ref: str
    row: NewRow = field(repr=False)


def sealed(
    me: AgencyId, draft: Draft, message: MessageId, seq: Seq, key: SigningKey, now: datetime
) -> Sealed:
    """Seal and sign. Raises `Refused("body-too-large")` for what no record can carry."""
    actor_ref = secrets.token_hex(16)
    record = _record(draft, actor_ref).bytes()
    context = _context(me, draft, message, seq, now, Digest.of(record))
    signed = context.bytes()
    value = _value(draft, record, Digest.of(signed).raw())
    token = statements.sign(signed, value, key)
    headers = ((STATEMENT_HEADER, token), *statements.cloud_events(context))
    digest = statements.message_digest(signed, Digest.of(value))
    row = NewRow(
        topic=topics.inbox(context.to, me),
        recipient=context.to,
        key=message.encode(),
        headers=headers,
        value=value,
        kind="message",
        accepted_at=now,
        size=len(token) + len(value),
        ref=digest,
        urgency=context.urgency,
        open_until=min(draft.recipient.open_until, context.deletes_at()),
    )
    return Sealed(context, digest, actor_ref, row)


def _record(draft: Draft, actor_ref: str) -> RecordBody:
    asked, permit, content = draft.order.asked, draft.permit, draft.content
    return RecordBody(
        v=1,
        type=draft.order.type,
        version=draft.version,
        grounds=content.named_grounds(),
        clause=permit.clause,
        legal_basis=permit.legal_basis,
        purpose=permit.purpose,
        urgency=permit.case_urgency,
        actor_ref=actor_ref,
        addressee=asked.addressee,
        data_categories=draft.categories,
        labels=draft.order.labels,
        entrusted=content.entrusted,
        places=draft.addressed.places,
        handover_at=content.handover.at if content.handover else None,
        thread=asked.thread,
        in_reply_to=draft.in_reply_to,
        override=asked.override,
        nonce=strictjson.b64u_encode(secrets.token_bytes(32)),
    )


def _context(
    me: AgencyId, draft: Draft, message: MessageId, seq: Seq, now: datetime, record: Digest
) -> Context:
    permit = draft.permit
    return Context(
        v=1,
        id=message,
        kind="message",
        sender=me,
        to=draft.recipient.agency,
        created=now,
        urgency=permit.urgency,
        ack_by=permit.ack_by,
        exercise=draft.order.asked.exercise,
        agreement=permit.agreement,
        seq=seq,
        record_sha256=record,
        delete_after=permit.delete_after,
    )


def _value(draft: Draft, record: bytes, aad: bytes) -> bytes:
    plaintext = strictjson.dumps(
        {"attachments": [], "payload": draft.order.content, "record": record.decode()}
    )
    content = seal(plaintext, [draft.recipient.key], aad)
    value = b'{"content":%b,"record":%b}' % (content, seal(record, draft.recipient.oversight, aad))
    if len(value) > VALUE_MAX:
        raise Refused("body-too-large", "sealed, it is larger than a record may be")
    return value
