"""Receiving, steps 1 to 5: from a record of the bus to a statement that is proven.

Guarantees: a `Proven` record was signed by a key that its sender's identity certified, lies in the
topic that only this sender may write, is addressed to this agency, carries the value that was
signed, and is not past its term. Everything else is `Rejected` with a stable code, with how far its
proof went, and with no byte of it in the detail. Pure: the view and the time come in.
Trusts: the view; of a record nothing, not even that its headers are text.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Protocol

from meldeweg.kernel import signing, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Early, Refused
from meldeweg.kernel.ids import AgencyId, Digest, KeyId
from meldeweg.kernel.jwk import SignatureKey
from meldeweg.kernel.statement import STATEMENT_HEADER, Context, Statement, Urgency
from meldeweg.kernel.trust.objects import AgencyStatus

STATEMENT_MAX = 16 * 1024  # bytes; a context of the longest ids has under 2 KiB


class Proof(IntEnum):
    """How far a record's proof went before it was rejected."""

    NOTHING = 0  # anybody's bytes, as far as we know
    SIGNED = 1  # steps 1 and 2: the sender's key signed this statement
    AUTHENTIC = 2  # steps 3 and 4: and this record is the one it was made for


class Registered(Protocol):
    """What steps 1 to 5 ask of the verified view."""

    def signature_key(self, agency: AgencyId, kid: KeyId, now: datetime) -> SignatureKey: ...

    def status(self, agency: AgencyId) -> AgencyStatus: ...


@dataclass(frozen=True, slots=True)
class Proven:
    """A record after step 5. `digest` is the message digest."""

    record: Record = field(repr=False)
    statement: Statement = field(repr=False)
    digest: Digest

    @property
    def context(self) -> Context:
        return self.statement.context

    @property
    def value(self) -> bytes:
        """The value, which step 4 found to be there and signed."""
        return self.record.value or b""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is not accepted: for good, or (`early`) as my view stands."""

    record: Record = field(repr=False)
    code: str
    detail: str
    early: bool
    proof: Proof
    statement: Statement | None = field(repr=False)

    @property
    def urgency(self) -> Urgency | None:
        """What the sender signed; None where nothing is signed."""
        return self.statement.context.urgency if self.statement and self.proof else None

    @property
    def delete_after(self) -> str | None:
        """From which day on nobody may hold it, as the sender signed it."""
        return self.statement.context.delete_after if self.statement and self.proof else None

    @property
    def digest(self) -> Digest | None:
        return self.statement.digest if self.statement and self.proof else None


def rejected(
    record: Record, why: Refused, proof: Proof, statement: Statement | None = None
) -> Rejected:
    """Turn a refusal of any step into its outcome."""
    return Rejected(record, why.code, why.detail, isinstance(why, Early), proof, statement)


class Verifier:
    """Steps 1 to 5 for one batch: one view and one moment for all of its records."""

    def __init__(self, me: AgencyId, view: Registered, now: datetime) -> None:
        self._me, self._view, self._now = me, view, now
        self._today = now.date().isoformat()
        self._places: dict[str, tuple[AgencyId, AgencyId]] = {}
        self._status: dict[AgencyId, AgencyStatus] = {}

    def prove(self, record: Record) -> Proven | Rejected:
        """Take the steps in order; the first that fails decides the code."""
        statement: Statement | None = None
        proof = Proof.NOTHING
        try:
            # 1 parse strictly
            statement = parse(record)
            context = statement.context
            # 2 signed by a key certified for this sender; a revocation beats what is not verified
            key = self._view.signature_key(context.sender, statement.jws.kid, self._now)
            signing.verify(statement.jws, key)
            proof = Proof.SIGNED
            # 3 topic, key, from, to and CloudEvents agree with the statement
            self._check_place(record, context)
            statements.check_key(statement, record.key)
            statements.check_headers(statement, record.headers)
            # 4 the value is the one that was signed
            statements.check_value(statement, record.value)
            proof = Proof.AUTHENTIC
            self._check_not_revoked(context.sender)
            # 5 not past delete_after; also while its sender is suspended, which may take long
            self._check_term(context)
            self._check_not_suspended(context.sender)
        except Refused as exc:
            return rejected(record, exc, proof, statement)
        return Proven(record, statement, statement.digest)

    def _check_place(self, record: Record, context: Context) -> None:
        recipient, sender = self._place(record.topic)
        if sender != context.sender:
            raise Refused("topic-contradicts", "another sender's topic")
        if context.to != self._me or recipient != self._me:
            raise Refused("not-addressed-to-me", "another recipient's message")

    def _check_term(self, context: Context) -> None:
        if context.delete_after <= self._today:  # days as text sort as they count
            raise Refused("past-delete-after", "nobody may hold it any more")

    def _place(self, topic: str) -> tuple[AgencyId, AgencyId]:
        found = self._places.get(topic)
        if found is None:
            found = self._places[topic] = topics.parse_inbox(topic)
        return found

    def _check_not_revoked(self, sender: AgencyId) -> None:
        if self._status_of(sender) is AgencyStatus.REVOKED:
            raise Refused("sender-revoked", "for good")

    def _check_not_suspended(self, sender: AgencyId) -> None:
        if self._status_of(sender) is AgencyStatus.SUSPENDED:
            raise Early("sender-suspended", "waits until the sender is resumed or revoked")

    def _status_of(self, sender: AgencyId) -> AgencyStatus:
        status = self._status.get(sender)
        if status is None:
            status = self._status[sender] = self._view.status(sender)
        return status


def parse(record: Record) -> Statement:
    """Read a record's statement strictly; proves nothing."""
    token = statements.single_header(record.headers, STATEMENT_HEADER)
    if len(token) > STATEMENT_MAX:
        raise Refused("jws-too-large", f"statement of more than {STATEMENT_MAX} bytes")
    return statements.parse(token)
