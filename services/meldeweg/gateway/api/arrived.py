"""The shapes of what arrived: the inbox, receipts, and what could not be processed.

Guarantees: as `shapes`. Metadata and content are apart: nothing but `Opened` holds what was sealed.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from meldeweg.gateway.api.shapes import Code, Person
from meldeweg.gateway.states import ReceivedState
from meldeweg.kernel.ids import AgencyId, Digest, Kennzeichen, MessageId
from meldeweg.kernel.model import Frozen, Instant
from meldeweg.kernel.schemas.record import Reason
from meldeweg.kernel.schemas.values import readable
from meldeweg.kernel.statement import ReceiptKind, Urgency


class InboxItem(Frozen):
    """Metadata alone: what kind of case it is stands in the sealed part.

    `retracted_at`, `retracted_by`: its sender took it back with that message; nobody may use it.
    """

    id: MessageId
    sender: AgencyId
    kennzeichen: Kennzeichen
    urgency: Urgency
    created: Instant
    received_at: Instant
    ack_by: Instant
    exercise: bool
    state: ReceivedState
    overdue: bool
    retracted_at: Instant | None = None
    retracted_by: MessageId | None = None
    delete_after: str


class InboxPage(Frozen):
    """In order of arrival. `next` is always there; asking with it again is always safe."""

    items: tuple[InboxItem, ...]
    next: str


class Opening(Frozen):
    """Somebody looked."""

    by: str
    at: Instant


class ReceivedStep(Frozen):
    """One entry of a received message's timeline."""

    kind: str
    at: Instant
    code: Code | None = None
    by: str | None = None


class Attachment(Frozen):
    """Reserved: the bytes will travel as records of kind `part`."""

    name: str
    media_type: str
    size: int
    sha256: Digest


class Opened(InboxItem):
    """The opened message. Lives in memory and in the answer, nowhere else."""

    digest: Digest
    type: str
    clause: str
    legal_basis: str
    record: Mapping[str, Any]
    content: Mapping[str, Any]
    attachments: tuple[Attachment, ...] = ()
    timeline: tuple[ReceivedStep, ...] = ()
    opened: tuple[Opening, ...] = ()


class ReceiptOrder(Frozen):
    """What the recipient's system posts; the rules between the members are the flow's."""

    kind: ReceiptKind
    by: Person
    code: Code | None = None
    responsible: AgencyId | None = None
    reason: Annotated[Reason, AfterValidator(readable)] | None = None


class ReceiptAnswer(Frozen):
    """The receipt is on disk and will be sent."""

    id: MessageId
    kind: ReceiptKind
    at: Instant
    state: ReceivedState
    code: Code | None = None


class QuarantineItem(Frozen):
    """A record that could not be processed. `sender` is only who it claims unless `verified`.

    `erased_at`: what it held is gone since then; `digest` says which it was. The same record that
    came again for the same `code` is the same entry: `times` counts, and `last_at` and
    `last_offset` say when and where it came last.
    """

    id: str  # decimal, counts up in order of arrival
    at: Instant
    topic: str
    offset: int
    code: Code
    explanation: str  # German, from the table of refusals
    explanation_en: str
    verified: bool
    sender: AgencyId | None = None
    urgency: Urgency | None = None
    digest: Digest | None = None
    delete_after: str | None = None  # as its sender signed it; absent: `quarantine_days` counts
    erased_at: Instant | None = None
    times: int = 1
    last_at: Instant | None = None  # absent: it came once
    last_offset: int | None = None


class QuarantineHeader(Frozen):
    """A header as it came: names and values may be any bytes, so both are base64url."""

    name: str
    value: str | None


class QuarantineRecord(QuarantineItem):
    """One record, for analysis: sizes and raw headers. Its value stays sealed and here."""

    key_size: int | None
    value_size: int | None
    value_sha256: Digest | None
    headers: tuple[QuarantineHeader, ...]


class QuarantinePage(Frozen):
    """In order of arrival."""

    items: tuple[QuarantineItem, ...]
    next: str
