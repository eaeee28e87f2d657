"""The shapes of what the gateway's HTTP API takes and answers.

Guarantees: every answer is one of these frozen models, so that the OpenAPI document and the bytes
that go out come from one place; times are UTC with three decimals. Absent optionals are left out.
What a person in an agency reads (`text`, `note`, `explanation`) is German.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from meldeweg.gateway.states import ReceivedState, SentState
from meldeweg.kernel.ids import AgencyId, Ags, Digest, Kennzeichen, MessageId
from meldeweg.kernel.model import Frozen, Instant
from meldeweg.kernel.schemas.record import ThreadId
from meldeweg.kernel.statement import ReceiptKind, Urgency

Code = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Person = Annotated[str, Field(min_length=1, max_length=200)]
Place = Annotated[str, Field(min_length=1, max_length=100)]


class Call(Frozen):
    """Whom to phone: German, from the agreement; never from the message.

    `agency`: absent where it is no party of the agreement. Without `phone`, `note` says who knows.
    """

    agency: AgencyId | None = None
    office: str
    phone: str | None = None
    note: str | None = None


class Pointer(Frozen):
    """Where a document is wrong (RFC 6901, from the root) and which rule; never the value."""

    pointer: str
    code: Code


class Warn(Frozen):
    """Accepted nevertheless; a person should know (`recipient-suspended`, `snapshot-stale`, …)."""

    code: Code
    text: str


# --- sending ---------------------------------------------------------------------------------


class To(Frozen):
    """An agency, or where the child is (`place`) and where the parents live (`residence`).

    A place is a municipality's eight digits, or its name where that is unambiguous.
    """

    agency: AgencyId | None = None
    place: Place | None = None
    residence: Place | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.agency is None) == (self.place is None and self.residence is None):
            raise PydanticCustomError("one_of", "agency, or place and residence")
        return self


class MessageOrder(Frozen):
    """The body of `POST /v1/messages`; `content` is judged by the schema of its type."""

    type: Annotated[str, Field(min_length=1, max_length=60)]
    to: To
    acting_person: Person
    thread: ThreadId | None = None
    in_reply_to: MessageId | None = None
    addressee: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    urgency: Urgency | None = None
    labels: Mapping[str, str] = {}
    exercise: bool = False
    override: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    content: Mapping[str, Any]


class LinkedCopy(Frozen):
    """A second message in the same commit, to the office that the clause wants informed too."""

    recipient: AgencyId
    id: MessageId | None = None  # absent in a dry run
    kennzeichen: Kennzeichen | None = None


class Preview(Frozen):
    """The answer to a dry run: what would happen. Nothing was kept."""

    recipient: AgencyId
    clause: str
    legal_basis: str
    purpose: str | None = None
    urgency: Urgency
    ack_by: Instant
    exercise: bool = False
    linked: tuple[LinkedCopy, ...] = ()
    warnings: tuple[Warn, ...] = ()


class Answer(Frozen):
    """The 201 of an accepted message. From its commit on a crash loses nothing."""

    id: MessageId
    kennzeichen: Kennzeichen
    state: SentState
    recipient: AgencyId
    clause: str
    legal_basis: str
    urgency: Urgency
    created: Instant
    ack_by: Instant
    exercise: bool = False
    linked: tuple[LinkedCopy, ...] = ()
    warnings: tuple[Warn, ...] = ()


class SentStep(Frozen):
    """One entry of the timeline: a receipt's kind, or a state the gateway set itself."""

    kind: str
    at: Instant
    code: Code | None = None
    by: str | None = None  # who acknowledged or refused, as the recipient named them
    reason: str | None = None
    responsible: AgencyId | None = None  # of a `not-responsible` refusal


class SentSummary(Frozen):
    """One row of the list; `call` only when somebody must be phoned."""

    id: MessageId
    kennzeichen: Kennzeichen
    recipient: AgencyId
    type: str
    urgency: Urgency
    created: Instant
    ack_by: Instant
    exercise: bool
    state: SentState
    thread: str | None = None
    in_reply_to: MessageId | None = None
    linked_to: MessageId | None = None
    call: Call | None = None


class SentMessage(SentSummary):
    """One sent message with its timeline and what it was sent under."""

    clause: str
    legal_basis: str
    digest: Digest
    delete_after: str
    timeline: tuple[SentStep, ...]


class SentPage(Frozen):
    """Newest first; `next` asks for older ones and is absent at the end."""

    items: tuple[SentSummary, ...]
    next: str | None = None


# --- receiving -------------------------------------------------------------------------------


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
    reason: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class ReceiptAnswer(Frozen):
    """The receipt is on disk and will be sent."""

    id: MessageId
    kind: ReceiptKind
    at: Instant
    state: ReceivedState
    code: Code | None = None


class QuarantineItem(Frozen):
    """A record that could not be processed. `sender` is only who it claims unless `verified`.

    `erased_at`: what it held is gone since then; `digest` says which it was.
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


# --- the verified register (in memory, so not async) ------------------------------------------


class AgencyEntry(Frozen):
    """One enrolled agency, as the trust anchor says and the agreement in force lists it."""

    id: AgencyId
    name: str
    kind: str
    status: str  # active | suspended | revoked
    me: bool
    municipalities: tuple[Ags, ...]
    reads: Mapping[str, tuple[int, ...]]


class ContactEntry(Frozen):
    """Whom to reach at a party: a function, never a private number."""

    agency: AgencyId
    office: str
    role: str
    phone: str
    hours: str


class MunicipalityEntry(Frozen):
    """A place, and who is responsible for it."""

    ags: Ags
    name: str
    youth_office: AgencyId
    youth_office_name: str
    police: AgencyId
    police_name: str


class PermissionEntry(Frozen):
    """One clause under which this agency may tell somebody something.

    `grounds`: absent where any counts. `deadlines`: urgency → by when, in German words.
    `assumed`: no published text of the agreement states it.
    """

    agreement: Digest
    clause: str
    title: str
    to: tuple[AgencyId, ...]
    types: tuple[str, ...]
    grounds: tuple[str, ...] | None = None
    obligation: str  # duty | permission
    condition: str | None = None
    legal_basis: tuple[str, ...]
    purpose: str
    urgency: Urgency
    least_urgency: Urgency
    deadlines: Mapping[str, str]
    labels_required: bool
    assumed: bool
    run_off: bool


class Agencies(Frozen):
    """All of them; a district has a dozen."""

    items: tuple[AgencyEntry, ...]


class Contacts(Frozen):
    """Sorted by agency."""

    items: tuple[ContactEntry, ...]


class Municipalities(Frozen):
    """Sorted by name."""

    items: tuple[MunicipalityEntry, ...]


class Permissions(Frozen):
    """In the order of the agreement's clauses."""

    items: tuple[PermissionEntry, ...]
