"""Invented rows for tests of the store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from meldeweg.gateway.states import SentState
from meldeweg.gateway.store.outbox import NewRow
from meldeweg.gateway.store.received import NewReceived
from meldeweg.gateway.store.sent import NewSent
from meldeweg.kernel import statement as statements
from meldeweg.kernel.ids import AgencyId, Digest, Kennzeichen, new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.statement import Context, Seq, Urgency

NOW = datetime(2026, 11, 21, 22, 40, tzinfo=UTC)
POLICE = AgencyId("polizei-viersen")
OFFICE = AgencyId("jugendamt-kreis-viersen")
SEQ = Seq(outbox="0" * 16, n=3)
ODD = (("statement", b"jws"), ("caf\udce9", None), ("empty", b""), ("statement", b"\xff"))
STATEMENT = statements.sign(
    Context(
        v=1,
        id=new_message_id(),
        kind="message",
        sender=POLICE,
        to=OFFICE,
        created=NOW,
        urgency=Urgency.TODAY,
        ack_by=NOW + timedelta(hours=4),
        exercise=False,
        agreement=Digest.of(b"agreement"),
        seq=SEQ,
        record_sha256=Digest.of(b"record"),
        delete_after="2027-03-01",
    ).bytes(),
    b"sealed",
    SigningKey(bytes(32)),
)


def sent(**changes):
    message = new_message_id()
    row = NewSent(
        id=message,
        kennzeichen=Kennzeichen.of(message),
        recipient=OFFICE,
        type=MessageType.NOTIFICATION,
        urgency=Urgency.TODAY,
        created=NOW,
        ack_by=NOW + timedelta(hours=4),
        exercise=False,
        digest=Digest.of(message.encode()),
        agreement=Digest.of(b"agreement"),
        state=SentState.QUEUED,
        state_at=NOW,
        delete_after="2027-03-01",
        thread=None,
        in_reply_to=None,
        linked_to=None,
        answer=b"sealed answer",
        actor_ref="0" * 32,
        actor=b"sealed person",
    )
    return replace(row, **changes)


def queued(**changes):
    row = NewRow(
        topic="inbox.jugendamt-kreis-viersen.polizei-viersen",
        recipient=OFFICE,
        key=b"id",
        headers=(("statement", STATEMENT), ("ce_id", b"id")),
        value=b"sealed",
        kind="message",
        accepted_at=NOW,
        size=6,
        ref=Digest.of(b"message"),
        urgency=Urgency.TODAY,
        open_until=NOW + timedelta(days=60),
    )
    return replace(row, **changes)


def received(**changes):
    message = new_message_id()
    row = NewReceived(
        id=message,
        sender=POLICE,
        digest=Digest.of(message.encode()),
        kennzeichen=Kennzeichen.of(message),
        urgency=Urgency.IMMEDIATE,
        created=NOW,
        received_at=NOW,
        ack_by=NOW + timedelta(hours=1),
        exercise=False,
        agreement=Digest.of(b"agreement"),
        topic="inbox.jugendamt-kreis-viersen.polizei-viersen",
        topic_offset=7,
        statement=b"jws",
        value=b"sealed",
        state_at=NOW,
        delete_after="2027-03-01",
    )
    return replace(row, **changes)
