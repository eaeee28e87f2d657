"""What the HTTP API asks of the gateway's flows.

Guarantees: the API knows these Protocols alone; no flow knows HTTP.
Trusts: the flows for every decision; the API only authenticates, bounds and translates.

How a flow says no: `Refused(code)` with a code of `api/problems.py`, or `Rejected` where the caller
may know more (pointers, rule, whom to phone). `Unavailable(code)` becomes 503 and means that
nothing was kept. No detail ever holds content.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from meldeweg.gateway.api.arrived import (
    InboxPage,
    Opened,
    QuarantinePage,
    QuarantineRecord,
    ReceiptAnswer,
    ReceiptOrder,
)
from meldeweg.gateway.api.registered import (
    AgencyEntry,
    ContactEntry,
    MunicipalityEntry,
    PermissionEntry,
)
from meldeweg.gateway.api.shapes import Call, Pointer, Preview, SentMessage, SentPage
from meldeweg.gateway.states import SentState
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, MessageId


class Rejected(Refused):
    """A refusal of which the caller may know more. Nothing in it comes from the content."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: tuple[Pointer, ...] = (),
        rule: str | None = None,
        call: Call | None = None,
        responsible: AgencyId | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.errors, self.rule, self.call, self.responsible = errors, rule, call, responsible


@dataclass(frozen=True, slots=True)
class Accepted:
    """`answer`: the exact bytes of `Answer.bytes()`, kept, so that a repeat gets the same again."""

    id: MessageId
    answer: bytes
    again: bool  # this key and body were accepted before


class Intake(Protocol):
    """`body` is the raw request body, at most 1 MiB, not yet parsed."""

    async def accept(self, body: bytes, idempotency_key: str) -> Accepted: ...

    async def check(self, body: bytes) -> Preview: ...


class Sent(Protocol):
    """Raises `Refused("message-unknown")`, `Refused("cursor-malformed")`."""

    async def list(self, after: str | None, limit: int, state: SentState | None) -> SentPage: ...

    async def get(self, message: MessageId) -> SentMessage: ...


class Inbox(Protocol):
    """Ids are unique per sender only: two senders, one id → 409 `message-ambiguous`, name `sender`.

    Raises `Refused`: `message-unknown`, `message-ambiguous`, `message-erased`, `cursor-malformed`;
    receipts also `not-opened`, `receipt-out-of-order`, `receipt-not-allowed`, `receipt-incomplete`,
    `sender-revoked`.
    """

    async def list(self, after: str | None, limit: int) -> InboxPage: ...

    async def open(self, message: MessageId, person: str, sender: AgencyId | None) -> Opened: ...

    async def receipt(
        self, message: MessageId, order: ReceiptOrder, sender: AgencyId | None
    ) -> tuple[ReceiptAnswer, bool]:
        """Return the receipt and whether it is new (201) or was there already (200)."""
        ...


class Quarantine(Protocol):
    """Raises `Refused("quarantine-unknown")`, `Refused("cursor-malformed")`."""

    async def list(self, after: str | None, limit: int) -> QuarantinePage: ...

    async def get(self, record: str) -> QuarantineRecord: ...


class Directory(Protocol):
    """Answers from the verified view at this moment."""

    def agencies(self) -> tuple[AgencyEntry, ...]: ...

    def contacts(self) -> tuple[ContactEntry, ...]: ...

    def municipalities(self, query: str, limit: int) -> tuple[MunicipalityEntry, ...]:
        """`query`: part of a name or the start of an AGS; empty gives all, up to `limit`."""
        ...

    def permissions(self) -> tuple[PermissionEntry, ...]: ...


class Scope(StrEnum):
    """What a token may do; the table of routes in `api/auth.py` says which route needs which."""

    SEND = "send"
    READ = "read"
    ACT = "act"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as stored: never its secret, only SHA-256 of its 32 random bytes' text form."""

    name: str
    hash: bytes
    scopes: frozenset[Scope]
    created: datetime
    revoked_at: datetime | None = None


class Tokens(Protocol):
    """Read at most once a second, so that a revocation counts within a second."""

    async def all(self) -> tuple[Token, ...]: ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything the API needs, wired by hand in `gateway/__main__`."""

    me: AgencyId
    intake: Intake
    sent: Sent
    inbox: Inbox
    quarantine: Quarantine
    directory: Directory
    tokens: Tokens
