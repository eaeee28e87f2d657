"""What a gateway did on its own, signed, on `events.<agency>`: not a transfer, yet audited.

Events carry no content and no reason: what happened, to which message digest, by which actor
reference. Heartbeats say how far the sender's numbering has gone, so that a withheld tail shows.
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from meldeweg.kernel import signing, topics
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest, MessageId
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.model import Frozen, Instant, Version1
from meldeweg.kernel.statement import STATEMENT_HEADER, Headers, Seq, Urgency, single_header

EVENT_VALUE = b"{}"  # events have nothing to seal; the value is constant


Count = Annotated[int, Field(ge=0, lt=2**53)]  # what every reader of JSON holds exactly


class EventKind(StrEnum):
    """The catalogue: docs/audit-events.md says for each what it means and which fields it has."""

    STARTED = "started"
    OPENED = "opened"  # a named person looked at a message (§ 76(2) BDSG: query)
    QUARANTINED = "quarantined"
    PARKED = "parked"
    RELEASED = "released"  # parked, and later accepted
    OVERRIDDEN = "overridden"  # sent in danger despite a rule; to be reviewed
    ALARM = "alarm"
    OVERDUE = "overdue"
    UNDELIVERABLE = "undeliverable"
    RETRACTED = "retracted"  # the recipient has our retraction of it: nobody waits for it any more
    CLOCK_DIFFERS = "clock-differs"
    REGISTER_CONTRADICTS = "register-contradicts"
    TOPIC_RESET = "topic-reset"
    KEY_PUBLISHED = "key-published"


class Event(Frozen):
    """One thing that happened at `agency`."""

    v: Version1
    id: MessageId
    agency: AgencyId
    kind: EventKind
    at: Instant
    message: Digest | None = None
    urgency: Urgency | None = None
    exercise: bool | None = None
    actor_ref: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    code: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)] | None = None
    partner: AgencyId | None = None
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")] | None = None
    offset: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    record_sha256: Digest | None = None
    seq: Seq | None = None  # of a record to `partner` that will not be in the log


class Heartbeat(Frozen):
    """Every 60 s: sent up to n, received up to m; counts that operators watch."""

    v: Version1
    id: MessageId
    agency: AgencyId
    at: Instant
    sent: dict[AgencyId, Seq]
    received: dict[AgencyId, Seq]
    parked: Count
    quarantined: Count
    waiting: Count  # accepted, not yet delivered
    stale_contacts: Count = 0


@dataclass(frozen=True, slots=True)
class Told:
    """A parsed, not yet verified event or heartbeat."""

    body: Event | Heartbeat
    jws: signing.Jws


def sign(body: Event | Heartbeat, key: SigningKey) -> bytes:
    """Return the bytes of the `statement` header of the event's record."""
    typ = signing.Typ.EVENT if isinstance(body, Event) else signing.Typ.HEARTBEAT
    return signing.sign(key, typ, body.bytes()).encode()


def headers(body: Event | Heartbeat, token: bytes) -> tuple[tuple[str, bytes], ...]:
    """All headers of the record, in order."""
    what = "event" if isinstance(body, Event) else "heartbeat"
    return (
        (STATEMENT_HEADER, token),
        ("ce_specversion", b"1.0"),
        ("ce_id", body.id.encode()),
        ("ce_source", f"urn:meldeweg:agency:{body.agency}".encode()),
        ("ce_type", f"de.meldeweg.{what}.v1".encode()),
        ("content-type", b"application/json"),
    )


def parse(token: bytes) -> Told:
    """Read the `statement` header of an `events.<agency>` record strictly; never verifies."""
    kind = signing.Typ.EVENT
    with suppress(Refused):  # what is wrong with a header, `parse` says in the order of § 3
        kind = signing.typ_of(token)
    if kind is signing.Typ.HEARTBEAT:
        jws = signing.parse(token, signing.Typ.HEARTBEAT)
        return Told(Heartbeat.read_signed(jws.payload, "heartbeat-malformed"), jws)
    jws = signing.parse(token, signing.Typ.EVENT)
    return Told(Event.read_signed(jws.payload, "event-malformed"), jws)


def judge(topic: str, key: bytes | None, headers_: Headers, value: bytes | None) -> Told:
    """Read a whole record of `events.<agency>` strictly (docs/spec/message.md § 10).

    Raises `Refused`: `header-malformed`, `topic-contradicts`, `header-contradicts`, and what
    `parse` says; never verifies.
    """
    token = single_header(headers_, STATEMENT_HEADER)
    told = parse(token)
    if topic != topics.events(told.body.agency):
        raise Refused("topic-contradicts", "event of another agency")
    # Null values sort with no others, so they are left out, and then the number differs.
    said = sorted((name, one) for name, one in headers_ if one is not None)
    implied = sorted(headers(told.body, token))
    if key != told.body.id.encode() or value != EVENT_VALUE:
        raise Refused("header-contradicts", "key or value are not an event's")
    if len(said) != len(headers_) or said != implied:
        raise Refused("header-contradicts", "headers disagree with the event")
    return told
