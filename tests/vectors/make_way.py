"""Write way.json: one message's way, from the trust anchor to the acknowledgement, as records.

`python tests/vectors/make_way.py` derives everything again from fixed keys, a fixed time and what
is pinned there (the agreement, and the sealed values); `--fresh` makes that anew. A test fails when
the committed file is not what this module derives. All people and numbers are invented.
"""

import hashlib
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from meldeweg.envelope import seal
from meldeweg.kernel import agreement, event, schemas, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.agreement import Standing, load_district
from meldeweg.kernel.agreement.standing import AgreementStatus
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.event import Event, EventKind, Heartbeat
from meldeweg.kernel.ids import AgencyId, Ags, Digest, Kennzeichen, MessageId
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.leaf import genesis, leaf_of_record
from meldeweg.kernel.merkle import leaf_hash, root_of
from meldeweg.kernel.policy import Transfer, decide
from meldeweg.kernel.schemas.examples import NOTIFICATION
from meldeweg.kernel.schemas.record import Labels, Places, RecordBody
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.statement import Context, ReceiptFor, ReceiptKind, Seq
from meldeweg.kernel.strictjson import b64u_encode, dumps
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.issue import certify, revoke_key, signed
from meldeweg.kernel.trust.objects import (
    AgreementSignature,
    Enrolment,
    KeyUse,
    Reads,
    ServiceKey,
    Snapshot,
    TopicEnd,
)

FILE = Path(__file__).parent / "way.json"
POLICE, OFFICE = AgencyId("polizei-viersen"), AgencyId("jugendamt-kreis-viersen")
AGENCIES = (POLICE, OFFICE)
GREFRATH = Ags("05166008")
NOW = from_rfc3339("2026-11-22T18:19:43.250Z")
YEAR = timedelta(days=365)
ORIGIN = "example.org/meldeweg/muster/2026"
Header = tuple[str, bytes | None]


def drawn(name: str) -> bytes:
    """32 bytes that stand for random ones."""
    return hashlib.sha256(f"meldeweg way: {name}".encode()).digest()


ANCHOR, REGISTRY, AUDIT = (SigningKey(drawn(n)) for n in ("anchor", "registry", "audit"))
IDENTITY = {agency: SigningKey(drawn(f"identity {agency}")) for agency in AGENCIES}
SIGN = {agency: SigningKey(drawn(f"sign {agency}")) for agency in AGENCIES}
SEAL = {agency: OpenKey(drawn(f"seal {agency}")) for agency in AGENCIES}
OVERSIGHT = {agency: OpenKey(drawn(f"oversight {agency}")) for agency in AGENCIES}
LOST = SigningKey(drawn("lost"))


def message_id(n: int, seconds: int = 0) -> MessageId:
    """A UUIDv7 of NOW whose random part is `n`."""
    at = int((NOW.timestamp() + seconds) * 1000)
    text = f"{at:012x}7{n:03x}8{n:015x}"
    return MessageId("-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])))


def the_agreement() -> bytes:
    """Two parties and one municipality, with the clauses of the district that is shipped."""
    district = load_district("kreis-viersen")
    parties = [
        {
            **partner.model_dump(mode="json", exclude_none=True),
            "municipalities": [GREFRATH],
            "identity": IDENTITY[partner.agency].kid,
        }
        for partner in district.parties
        if partner.agency in AGENCIES
    ]
    document = {
        **district.model_dump(mode="json", exclude_none=True),
        "v": 1,
        "municipalities": {GREFRATH: "Grefrath"},
        "parties": parties,
    }
    agreement.parse(dumps(document))
    return dumps(document)


class Way:
    """Collects the records, topic by topic, with the offsets that a broker would give."""

    def __init__(self, pinned: dict[str, str]) -> None:
        self.pinned = pinned
        self.records: list[dict[str, Any]] = []
        self.leaves: list[bytes] = [genesis(ORIGIN, 2026).encode()]
        self.chains = Chains()
        self.offsets: dict[str, int] = {}

    def put(
        self, topic: str, value: bytes, key: bytes | None = None, headers: tuple[Header, ...] = ()
    ) -> int:
        offset = self.offsets.get(topic, 0)
        self.offsets[topic] = offset + 1
        record: dict[str, Any] = {
            "topic": topic,
            "topic_id": topic_id(topic).hex(),
            "offset": offset,
            "key": key.decode() if key else None,
            "headers": [[name, (text or b"").decode()] for name, text in headers],
            "value": value.decode(),
        }
        if topic.startswith(("inbox.", "events.")):
            leaf = leaf_of_record(topic_id(topic), offset, key, headers, value).encode()
            record["leaf"] = leaf.hex()
            self.leaves.append(leaf)
        else:
            self.chains.extend(topic, value)
        self.records.append(record)
        return offset

    def exchange(self, context: Context, value: bytes) -> tuple[Digest, int]:
        """Put a message or a receipt; return its digest and offset."""
        token = statements.sign(context.bytes(), value, SIGN[context.sender])
        headers = ((statements.STATEMENT_HEADER, token), *statements.cloud_events(context))
        topic = topics.inbox(context.to, context.sender)
        offset = self.put(topic, value, context.id.encode(), headers)
        return statements.message_digest(context.bytes(), Digest.of(value)), offset

    def told(self, body: Event | Heartbeat) -> None:
        headers = event.headers(body, event.sign(body, SIGN[body.agency]))
        self.put(topics.events(body.agency), event.EVENT_VALUE, body.id.encode(), headers)

    def sealed(self, name: str, context: Context, payload: Any, record: bytes) -> bytes:
        """Return the pinned value, or seal it now."""
        if name not in self.pinned:
            aad = Digest.of(context.bytes()).raw()
            content = {"attachments": [], "payload": payload, "record": record.decode()}
            officers = [OVERSIGHT[context.sender].public, OVERSIGHT[context.to].public]
            self.pinned[name] = (
                b'{"content":%b,"record":%b}'
                % (
                    seal(dumps(content), [SEAL[context.to].public], aad),
                    seal(record, officers, aad),
                )
            ).decode()
        return self.pinned[name].encode()


def topic_id(topic: str) -> bytes:
    return drawn(f"topic {topic}")[:16]


def trust(way: Way, document: bytes) -> None:
    """The anchor's, the identity keys' and the agencies' objects."""
    for service, key in (("registry", REGISTRY), ("audit", AUDIT)):
        body = ServiceKey(
            v=1,
            service=service,  # type: ignore[arg-type]  # one of the two
            key=key.public_jwk(),
            not_before=NOW,
            verify_until=NOW + YEAR,
            at=NOW,
        )
        way.put(topics.REGISTRY_AGENCIES, signed(body, ANCHOR))
    parties = {party.agency: party for party in agreement.parse(document).parties}
    for agency in AGENCIES:
        enrolment = Enrolment(
            v=1,
            agency=agency,
            name=parties[agency].name,
            kind=parties[agency].kind,
            municipalities=parties[agency].municipalities,
            identity=IDENTITY[agency].public_jwk(),
            principal=f"gw-{agency}",
            at=NOW,
        )
        way.put(topics.REGISTRY_AGENCIES, signed(enrolment, ANCHOR))
    way.put(topics.REGISTRY_AGREEMENTS, document)
    for agency in reversed(AGENCIES):
        signature = AgreementSignature(v=1, agreement=Digest.of(document), agency=agency, at=NOW)
        way.put(topics.REGISTRY_AGREEMENTS, signed(signature, IDENTITY[agency]))
    for agency in AGENCIES:
        topic, identity = topics.keys(agency), IDENTITY[agency]
        for use, key in (
            (KeyUse.SIGN, SIGN[agency].public),
            (KeyUse.SEAL, SEAL[agency].public),
            (KeyUse.OVERSIGHT, OVERSIGHT[agency].public),
        ):
            way.put(topic, certify(identity, agency, key, use, NOW))
        reads = Reads(v=1, agency=agency, types=dict(schemas.known()), at=NOW)
        way.put(topic, signed(reads, SIGN[agency]))
    way.put(topics.keys(POLICE), certify(IDENTITY[POLICE], POLICE, LOST.public, KeyUse.SIGN, NOW))
    lost = revoke_key(IDENTITY[POLICE], POLICE, LOST.kid, "Gerät verloren (erfunden)", NOW)
    way.put(topics.keys(POLICE), lost)
    ends = {topic: way.chains.end(topic) for topic in sorted(way.chains.topics())}
    said = {topic: TopicEnd(end=end, digest=digest) for topic, (end, digest) in ends.items()}
    snapshot = Snapshot(v=1, n=1, at=NOW, topics=said)
    way.put(topics.REGISTRY_SNAPSHOTS, signed(snapshot, REGISTRY))


def the_message(way: Way, document: bytes) -> tuple[Context, Digest, int]:
    payload = json.loads(way.pinned.setdefault("payload", dumps(NOTIFICATION).decode()))
    content = schemas.validate(MessageType.NOTIFICATION, 1, payload)
    labels = Labels(
        collected_by="Polizei (erfunden)",
        means="offen",
        category_of_person="Geschädigte",
        offence="Körperverletzung",
    )
    places = Places(place=GREFRATH)
    told_at = content.handover.at if content.handover else None
    held = Standing(Digest.of(document), agreement.parse(document), AgreementStatus.IN_FORCE)
    transfer = Transfer(
        sender=POLICE,
        recipient=OFFICE,
        type=MessageType.NOTIFICATION,
        data_categories=content.data_categories(),
        grounds=content.named_grounds(),
        labels=labels,
        entrusted=content.entrusted,
        places=places,
        handover_at=told_at,
    )
    permit = decide([held], transfer, NOW)
    record = RecordBody(
        v=1,
        type=MessageType.NOTIFICATION,
        version=1,
        grounds=content.named_grounds(),
        clause=permit.clause,
        legal_basis=permit.legal_basis,
        purpose=permit.purpose,
        urgency=permit.case_urgency,
        actor_ref=drawn("actor")[:16].hex(),
        data_categories=content.data_categories(),
        labels=labels,
        entrusted=content.entrusted,
        places=places,
        handover_at=told_at,
        nonce=b64u_encode(drawn("nonce")),
    ).bytes()
    context = Context(
        v=1,
        id=message_id(1),
        kind="message",
        sender=POLICE,
        to=OFFICE,
        created=NOW,
        urgency=permit.urgency,
        ack_by=permit.ack_by,
        exercise=False,
        agreement=permit.agreement,
        seq=Seq(outbox="0123456789abcdef", n=1),
        record_sha256=Digest.of(record),
        delete_after=permit.delete_after,
    )
    value = way.sealed("message", context, payload, record)
    digest, offset = way.exchange(context, value)
    return context, digest, offset


def receipts(way: Way, message: Context, digest: Digest, offset: int) -> None:
    """`delivered` by the gateway, a look, `acknowledged` by a person, a heartbeat."""
    topic = topics.inbox(OFFICE, POLICE)

    def context(n: int, kind: ReceiptKind, record: Digest | None) -> Context:
        return Context(
            v=1,
            id=message_id(1 + n, n),
            kind="receipt",
            sender=OFFICE,
            to=POLICE,
            created=NOW + timedelta(seconds=n),
            exercise=False,
            agreement=message.agreement,
            seq=Seq(outbox="fedcba9876543210", n=n),
            record_sha256=record,
            delete_after=message.delete_after,
            receipt=ReceiptFor(of=digest, kind=kind, topic=topic, offset=offset),
        )

    way.exchange(context(1, ReceiptKind.DELIVERED, None), b"{}")
    actor = drawn("reader")[:16].hex()
    look = {"message": digest, "partner": POLICE, "exercise": False, "actor_ref": actor}
    way.told(
        Event(
            v=1,
            id=message_id(10, 5),
            agency=OFFICE,
            kind=EventKind.OPENED,
            at=NOW + timedelta(seconds=5),
            **look,
        )
    )
    # As the gateway writes it (services/meldeweg/gateway/receipts.py): who, and why it is a record.
    record = json.dumps(
        {
            "v": 1,
            "kind": "acknowledged",
            "of": digest,
            "actor_ref": actor,
            "nonce": b64u_encode(drawn("nonce of the receipt")),
        },
        separators=(",", ":"),
    ).encode()
    taken = context(2, ReceiptKind.ACKNOWLEDGED, Digest.of(record))
    payload = {"v": 1, "by": "Max Muster (erfunden)"}
    way.exchange(taken, way.sealed("acknowledged", taken, payload, record))
    beat = Heartbeat(
        v=1,
        id=message_id(11, 60),
        agency=OFFICE,
        at=NOW + timedelta(seconds=60),
        sent={POLICE: Seq(outbox="fedcba9876543210", n=2)},
        received={POLICE: Seq(outbox="0123456789abcdef", n=1)},
        parked=0,
        quarantined=0,
        waiting=0,
    )
    way.told(beat)


def build(pinned: dict[str, str]) -> dict[str, Any]:
    """Derive the whole file; what is not pinned yet is made, and pinned."""
    document = pinned.setdefault("agreement", the_agreement().decode()).encode()
    way = Way(pinned)
    trust(way, document)
    message, digest, offset = the_message(way, document)
    receipts(way, message, digest, offset)
    hashes = [leaf_hash(leaf) for leaf in way.leaves]
    return {
        "about": "Written by make_way.py. All names and numbers are invented.",
        "anchor": ANCHOR.public_jwk(),
        "private": {
            "seal": {agency: SEAL[agency].private_jwk() for agency in AGENCIES},
            "oversight": {agency: OVERSIGHT[agency].private_jwk() for agency in AGENCIES},
        },
        "pinned": way.pinned,
        "records": way.records,
        "expected": {
            "agreement": Digest.of(document),
            "message": digest,
            "kennzeichen": Kennzeichen.of(message.id),
            "payload": json.loads(way.pinned["payload"]),
            "origin": ORIGIN,
            "year": 2026,
            "root": root_of(hashes).hex(),
        },
    }


def main() -> None:
    """Write the file beside this one."""
    known = FILE.exists() and "--fresh" not in sys.argv
    made = build(json.loads(FILE.read_text())["pinned"] if known else {})
    FILE.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
