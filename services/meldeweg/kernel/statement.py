"""What a record says about itself, signed: the context of a message or receipt.

Guarantees: a `Statement` was parsed strictly and its bytes are the signed ones. Its signature is
checked by `signing.verify` with a key from the register, never here. Trusts nothing of a record.

The payload of the JWS is the *context*, whose exact bytes count: the sealed parts carry
SHA-256(context) as `aad`, the protected header carries SHA-256 and size of the value, and the
message digest is SHA-256(context ‖ SHA-256(value)), whichever key signed (docs/spec/message.md).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from meldeweg.kernel import signing
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest, MessageId
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.model import Frozen, Instant, Version1

STATEMENT_HEADER = "statement"
VALUE_EXTRAS = frozenset({"value_sha256", "value_size"})

Headers = tuple[tuple[str, bytes | None], ...]
"""Those of a record, in the order in which they lie on the bus."""


class Urgency(StrEnum):
    """How soon a human must look; the clause sets the default and the least."""

    IMMEDIATE = "immediate"
    TODAY = "today"
    ROUTINE = "routine"


class ReceiptKind(StrEnum):
    """What the recipient says of a message, and nothing of how the case goes (§ 35 SGB I)."""

    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    ERASED = "erased"


class Seq(Frozen):
    """The sender's own numbering per recipient, so that a withheld record shows."""

    outbox: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    n: Annotated[int, Field(ge=1, lt=2**53)]


ReasonCode = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]


class ReceiptFor(Frozen):
    """Which record a receipt answers: by message digest, and where it lay."""

    of: Digest
    kind: ReceiptKind
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
    offset: Annotated[int, Field(ge=0, lt=2**53)]
    code: ReasonCode | None = None

    @model_validator(mode="after")
    def _code_belongs_to_refused(self) -> Self:
        if (self.code is not None) != (self.kind is ReceiptKind.REFUSED):
            raise Refused("receipt-code", "a refusal has a code, nothing else has")
        return self


class Context(Frozen):
    """Who, to whom, when, how urgent: all that the bus, audit and watch may know (I10)."""

    v: Version1
    id: MessageId
    kind: Literal["message", "receipt"]
    sender: Annotated[AgencyId, Field(alias="from")]
    to: AgencyId
    created: Instant
    urgency: Urgency | None = None
    ack_by: Instant | None = None
    exercise: bool
    agreement: Digest
    seq: Seq
    record_sha256: Digest | None = None
    # Of the years that an instant has (clock.from_rfc3339): it is stored as one.
    delete_after: Annotated[str, Field(pattern=r"^2[01][0-9]{2}-(0[1-9]|1[0-2])-01$")]
    receipt: ReceiptFor | None = None

    @model_validator(mode="after")
    def _kind_fits(self) -> Self:
        if self.kind == "message":
            fits = self.receipt is None and None not in (
                self.urgency,
                self.ack_by,
                self.record_sha256,
            )
        else:
            fits = self.receipt is not None and self.urgency is None and self.ack_by is None
        if not fits or self.sender == self.to:
            raise Refused("context-contradicts", "members do not fit the kind")
        return self

    def deletes_at(self) -> datetime:
        """Return the instant after which nobody may still hold the content."""
        day = date.fromisoformat(self.delete_after)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed, not yet verified statement."""

    context: Context
    context_bytes: bytes
    value_sha256: Digest
    value_size: int
    jws: signing.Jws

    @property
    def digest(self) -> Digest:
        """The message digest: the same whichever key signed."""
        return message_digest(self.context_bytes, self.value_sha256)

    @property
    def aad(self) -> bytes:
        """SHA-256 of the context, 32 bytes: binds the sealed parts to it."""
        return Digest.of(self.context_bytes).raw()


def message_digest(context: bytes, value_sha256: Digest) -> Digest:
    """SHA-256 over the context's bytes followed by the 32 raw bytes of the value's SHA-256."""
    return Digest.of(context, value_sha256.raw())


def sign(context: bytes, value: bytes, key: SigningKey) -> bytes:
    """Sign the context together with hash and size of the value; returns the header's bytes."""
    token = signing.sign(
        key,
        signing.Typ.STATEMENT,
        context,
        value_sha256=str(Digest.of(value)),
        value_size=len(value),
    )
    return token.encode()


def parse(token: bytes) -> Statement:
    """Read the `statement` header strictly; raises `Refused`, never verifies."""
    jws = signing.parse(token, signing.Typ.STATEMENT, extra=VALUE_EXTRAS)
    sha256, size = value_extras(jws)
    context = Context.read_signed(jws.payload, "context-malformed")
    return Statement(context, jws.payload, sha256, size, jws)


def value_extras(jws: signing.Jws) -> tuple[Digest, int]:
    """Return (`value_sha256`, `value_size`) of a statement's or an event's protected header."""
    sha256, size = jws.header["value_sha256"], jws.header["value_size"]
    if not isinstance(sha256, str) or type(size) is not int or size < 0:
        raise Refused("jws-malformed", "value_sha256 or value_size")
    return Digest(sha256), size


def check_value(statement: Statement, value: bytes | None) -> bytes:
    """Return the value if it is the signed one; `value-mismatch` otherwise."""
    if value is None or len(value) != statement.value_size:
        raise Refused("value-mismatch", "size")
    if Digest.of(value) != statement.value_sha256:
        raise Refused("value-mismatch", "digest")
    return value


def cloud_events(context: Context) -> tuple[tuple[str, bytes], ...]:
    """CloudEvents 1.0 attributes (Kafka binary mode), all derived from the context."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", context.id.encode()),
        ("ce_source", f"urn:meldeweg:agency:{context.sender}".encode()),
        ("ce_type", f"de.meldeweg.{context.kind}.v1".encode()),
        ("content-type", b"application/json"),
    )


def single_header(headers: Headers, name: str) -> bytes:
    """Return the value of a header that must be there exactly once and not be null."""
    found = [value for key, value in headers if key == name]
    if len(found) != 1 or found[0] is None:
        raise Refused("header-malformed", f"{name}: absent, null or repeated")
    return found[0]


def check_key(statement: Statement, key: bytes | None) -> None:
    """Refuse a record that has another key than its id."""
    if key != statement.context.id.encode():
        raise Refused("record-key-contradicts", "the record's key is not the id")


def check_headers(statement: Statement, headers: Headers) -> None:
    """Refuse a record whose other headers are not exactly those its context implies."""
    rest = sorted(
        (key, value) for key, value in headers if key != STATEMENT_HEADER and value is not None
    )
    if len(rest) != len(headers) - 1 or rest != sorted(cloud_events(statement.context)):
        raise Refused("header-contradicts", "CloudEvents attributes disagree with the statement")
