"""The shapes of sending, and what all of the gateway's HTTP API shares (`arrived`, `registered`).

Guarantees: every answer is one of these frozen models, so that the OpenAPI document and the bytes
that go out come from one place; times are UTC with three decimals. Absent optionals are left out.
What a person in an agency reads (`text`, `note`, `explanation`) is German.
"""

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from meldeweg.gateway.states import SentState
from meldeweg.kernel.ids import AgencyId, Digest, Kennzeichen, MessageId
from meldeweg.kernel.model import Frozen, Instant
from meldeweg.kernel.schemas.record import ThreadId
from meldeweg.kernel.schemas.values import LINE_PATTERN, readable
from meldeweg.kernel.statement import Urgency

Code = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]


def as_named(name: str) -> str:
    """Return a person's name in the one form in which it is kept and compared."""
    return unicodedata.normalize("NFC", name.strip())


def _named(value: Any) -> Any:
    return as_named(value) if isinstance(value, str) else value


Person = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=LINE_PATTERN),
    BeforeValidator(_named),
    AfterValidator(readable),
]
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
    labels: Mapping[str, Any] = {}  # judged by `Labels`, whose names alone may be shown
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
    """One sent message with its timeline and what it was sent under.

    `clause` and `legal_basis` are absent once the message is erased (`delete_after`).
    """

    clause: str | None = None
    legal_basis: str | None = None
    digest: Digest
    delete_after: str
    timeline: tuple[SentStep, ...]


class SentPage(Frozen):
    """Newest first; `next` asks for older ones and is absent at the end."""

    items: tuple[SentSummary, ...]
    next: str | None = None
