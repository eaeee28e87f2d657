"""What the gateway answers, as values. Times are timezone-aware UTC; ids and codes are text.

A newer gateway may add members: unknown ones are passed over. States are text, not an enumeration,
for the same reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """Whom to phone, in German. `agency` is None for who is no party; `note` then says more."""

    agency: str | None
    office: str
    phone: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """Which software a gateway runs."""

    version: str


@dataclass(frozen=True, slots=True)
class Warn:
    """Accepted nevertheless; `text` is German and meant for the person at work."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Linked:
    """The copy to an office that must be informed too."""

    recipient: str
    id: str | None = None
    kennzeichen: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen; nothing was kept."""

    recipient: str
    clause: str
    legal_basis: str
    urgency: str
    ack_by: datetime
    purpose: str | None = None
    exercise: bool = False
    linked: tuple[Linked, ...] = ()
    warnings: tuple[Warn, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The message is durable at the gateway. `key` is the Idempotency-Key that was used."""

    id: str
    kennzeichen: str
    state: str
    recipient: str
    clause: str
    legal_basis: str
    urgency: str
    created: datetime
    ack_by: datetime
    exercise: bool = False
    linked: tuple[Linked, ...] = ()
    warnings: tuple[Warn, ...] = ()
    key: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a timeline."""

    kind: str
    at: datetime
    code: str | None = None
    by: str | None = None
    reason: str | None = None
    responsible: str | None = None


@dataclass(frozen=True, slots=True)
class SentSummary:
    """A sent message in a list; `call` when somebody must be phoned."""

    id: str
    kennzeichen: str
    recipient: str
    type: str
    urgency: str
    created: datetime
    ack_by: datetime
    exercise: bool
    state: str
    thread: str | None = None
    in_reply_to: str | None = None
    linked_to: str | None = None
    call: Call | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage(SentSummary):
    """A sent message with its timeline; `clause` and `legal_basis` are None once it is erased."""

    clause: str | None = None
    legal_basis: str | None = None
    digest: str
    delete_after: str
    timeline: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class SentPage:
    """Newest first; `next` for older ones, None at the end."""

    items: tuple[SentSummary, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class InboxItem:
    """What arrived: metadata alone."""

    id: str
    sender: str
    kennzeichen: str
    urgency: str
    created: datetime
    received_at: datetime
    ack_by: datetime
    exercise: bool
    state: str
    overdue: bool
    delete_after: str
    retracted_at: datetime | None = None
    retracted_by: str | None = None


@dataclass(frozen=True, slots=True)
class InboxPage:
    """In order of arrival. Store `next` after the items are handled."""

    items: tuple[InboxItem, ...]
    next: str


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody opened the message."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(InboxItem):
    """The opened message. `content` is personal data: keep it out of logs."""

    digest: str
    type: str
    clause: str
    legal_basis: str
    record: Mapping[str, Any] = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)
    attachments: tuple[Mapping[str, Any], ...] = ()
    timeline: tuple[Step, ...] = ()
    opened: tuple[Look, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt that was given; `new` is False if it was there already."""

    id: str
    kind: str
    at: datetime
    state: str
    code: str | None = None
    new: bool = True


@dataclass(frozen=True, slots=True)
class Agency:
    """An enrolled agency."""

    id: str
    name: str
    kind: str
    status: str
    me: bool
    municipalities: tuple[str, ...]
    reads: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to reach at a party: a function and its hours."""

    agency: str
    office: str
    role: str
    phone: str
    hours: str


@dataclass(frozen=True, slots=True)
class Municipality:
    """A place and the offices that are responsible for it."""

    ags: str
    name: str
    youth_office: str
    youth_office_name: str
    police: str
    police_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Something that this agency may tell somebody. `grounds`: None where any counts."""

    agreement: str
    clause: str
    title: str
    to: tuple[str, ...]
    types: tuple[str, ...]
    grounds: tuple[str, ...] | None = None
    obligation: str
    condition: str | None = None
    legal_basis: tuple[str, ...]
    purpose: str
    urgency: str
    least_urgency: str
    deadlines: Mapping[str, Any]
    labels_required: bool
    assumed: bool
    run_off: bool


@dataclass(frozen=True, slots=True)
class QuarantineItem:
    """A record that could not be processed."""

    id: str
    at: datetime
    topic: str
    offset: int
    code: str
    explanation: str
    explanation_en: str
    verified: bool
    sender: str | None = None
    urgency: str | None = None
    digest: str | None = None
    delete_after: str | None = None
    erased_at: datetime | None = None
    times: int = 1  # the same record for the same code is one entry, and counted
    last_at: datetime | None = None
    last_offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRecord(QuarantineItem):
    """The same with what helps to find the cause; header names and values are base64url."""

    key_size: int | None = None
    value_size: int | None = None
    value_sha256: str | None = None
    headers: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantinePage:
    """In order of arrival."""

    items: tuple[QuarantineItem, ...]
    next: str
