"""A whole district with real keys, and records of it that are right, or wrong in one chosen way.

What the gateway's sending side makes is made here a second time: tests of receiving must not depend
on the code that they would catch.
"""

import copy
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from meldeweg.envelope import seal
from meldeweg.kernel import policy, schemas, signing, strictjson, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.agreement import build, load_district, standing
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.ids import AgencyId, Digest, new_message_id
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.record import Places, RecordBody
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.statement import Context, ReceiptFor, Seq, Urgency
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgreementSignature, Enrolment, KeyUse, Reads
from meldeweg.kernel.trust.register import Register

NOW = datetime(2026, 11, 22, 18, 19, 43, tzinfo=UTC)
SETUP = NOW - timedelta(days=30)
POLICE = AgencyId("polizei-viersen")
KREIS = AgencyId("jugendamt-kreis-viersen")
NETTETAL = AgencyId("jugendamt-nettetal")
GREFRATH = "05166008"
STRANGER = SigningKey.generate()  # certified by nobody


@dataclass(frozen=True)
class Office:
    """An agency with all of its private keys."""

    agency: AgencyId
    identity: SigningKey = field(default_factory=SigningKey.generate)
    signing: SigningKey = field(default_factory=SigningKey.generate)
    seal: OpenKey = field(default_factory=OpenKey.generate)
    oversight: OpenKey = field(default_factory=OpenKey.generate)


class World:
    """Kreis Viersen with invented keys. `records`: what lies on the topics of trust, in order."""

    def __init__(self) -> None:
        self.anchor = SigningKey.generate()
        district = load_district("kreis-viersen")
        self.offices = {each.agency: Office(each.agency) for each in district.parties}
        self.agreement = build(
            district, {each.agency: each.identity.kid for each in self.offices.values()}
        )
        self.agreement_digest = Digest.of(self.agreement)
        self.records: list[tuple[str, bytes]] = []
        self._agreements: list[Any] | None = None
        self._read: dict[tuple[int, tuple[bytes, ...]], Register] = {}
        for party in district.parties:
            self._enrol(party)
        self.records.append((topics.REGISTRY_AGREEMENTS, self.agreement))
        for office in self.offices.values():
            self.records.append(
                (topics.REGISTRY_AGREEMENTS, self.signature(office, self.agreement_digest))
            )

    def _enrol(self, party: Any) -> None:
        office = self.offices[party.agency]
        enrolment = Enrolment(
            v=1,
            agency=party.agency,
            name=party.name,
            kind=party.kind,
            municipalities=party.municipalities,
            identity=office.identity.public_jwk(),
            principal=f"gw-{party.agency}",
            at=SETUP,
        )
        self.records.append((topics.REGISTRY_AGENCIES, issue.signed(enrolment, self.anchor)))
        for key, use in (
            (office.signing.public, KeyUse.SIGN),
            (office.seal.public, KeyUse.SEAL),
            (office.oversight.public, KeyUse.OVERSIGHT),
        ):
            self.records.append(self.certificate(party.agency, key, use))
        reads = Reads(v=1, agency=party.agency, types=dict(schemas.known()), at=SETUP)
        self.records.append((topics.keys(party.agency), issue.signed(reads, office.signing)))

    def certificate(self, agency, key, use, at=SETUP, life=issue.KEY_LIFE):
        identity = self.offices[agency].identity
        return (topics.keys(agency), issue.certify(identity, agency, key, use, at, life))

    def signature(self, office: Office, agreement: Digest, at: datetime = SETUP) -> bytes:
        body = AgreementSignature(v=1, agreement=agreement, agency=office.agency, at=at)
        return signing.sign(office.identity, Typ.AGREEMENT_SIGNATURE, body.bytes()).encode()

    def register(self, *more: tuple[str, bytes], without: tuple[bytes, ...] = ()) -> Register:
        """Return a view of everything, and of `more`; `without` some values. Each is its caller's
        own; what they have in common is verified once.
        """
        which = (len(self.records), without)
        if which not in self._read:
            self._read[which] = Register(self.anchor.public)
            for topic, value in self.records:
                if value not in without:
                    self._read[which].apply(topic, value)
        register = self._read[which].trial()
        for topic, value in more:
            if value not in without:
                register.apply(topic, value)
        return register

    def agreements(self):
        """Return what is agreed, as every honest view has it."""
        if self._agreements is None:
            self._agreements = list(self.register().agreements())
        return self._agreements

    def draft(self, sender: AgencyId = POLICE, recipient: AgencyId = KREIS, **changes) -> "Draft":
        return Draft(self, sender, recipient, **changes)

    def message(self, sender: AgencyId = POLICE, recipient: AgencyId = KREIS, **changes) -> Record:
        return self.draft(sender, recipient, **changes).record()

    def receipt(
        self,
        of: Record,
        kind: str,
        *,
        code: str | None = None,
        signer: AgencyId | None = None,
        to: AgencyId | None = None,
        offset: int = 0,
        created: datetime = NOW,
        **changes,
    ) -> Record:
        """Return the gateway's own receipt for a message."""
        statement = statements.parse(of.header("statement"))
        sender = signer or statement.context.to
        members = {
            "v": 1,
            "id": new_message_id(),
            "kind": "receipt",
            "sender": sender,
            "to": to or statement.context.sender,
            "created": created,
            "exercise": False,
            "agreement": self.agreement_digest,
            "seq": Seq(outbox="ab" * 8, n=1),
            "delete_after": "2027-03-01",
            "receipt": ReceiptFor(
                of=statement.digest,
                kind=statements.ReceiptKind(kind),
                topic=of.topic,
                offset=of.offset,
                code=code,
            ),
        } | changes
        context = Context(**members)
        value = changes.get("value", b"{}")
        return self.signed(context.bytes(), value, self.offices[sender].signing, context, offset)

    def signed(self, context: bytes, value, key, about: Context, offset=0) -> Record:
        token = statements.sign(context, value, key)
        return Record(
            topics.inbox(about.to, about.sender),
            0,
            offset,
            int(NOW.timestamp() * 1000),
            about.id.encode(),
            value,
            (("statement", token), *statements.cloud_events(about)),
        )


@dataclass
class Draft:
    """A message on its way to be sealed and signed; every part can be bent before `record`."""

    world: World
    sender: AgencyId
    recipient: AgencyId
    type: MessageType = MessageType.NOTIFICATION
    content: dict[str, Any] | None = None
    places: Places | None = None
    urgency: Urgency | None = None
    override: str | None = None
    labels: bool = True
    in_reply_to: Any = None
    original: policy.Original | None = None
    created: datetime = NOW
    n: int = 1
    offset: int = 0
    thread: str | None = None
    id: Any = field(default_factory=new_message_id)
    record_changes: dict[str, Any] = field(default_factory=dict)
    context_changes: dict[str, Any] = field(default_factory=dict)
    committed: bytes | None = None  # another record than the one inside the content
    plaintext: bytes | None = None
    inside: dict[str, Any] = field(default_factory=dict)  # other members of the plaintext
    aad: bytes | None = None
    seal_to: tuple[Any, ...] | None = None
    oversight: tuple[Any, ...] | None = None
    key: SigningKey | None = None
    exercise: bool = False

    def record_body(self) -> RecordBody:
        """Decide by the policy, as an honest sender does, then write down why."""
        content = self.content_given()
        model = schemas.validate(self.type, 1, content)
        labels = {
            "collected_by": "Wache Beispielstadt",
            "means": "offen",
            "category_of_person": "Geschädigte",
            "offence": "Körperverletzung",
        }
        body: dict[str, Any] = {
            "v": 1,
            "type": self.type.value,
            "version": 1,
            "urgency": "immediate",
            "grounds": list(model.named_grounds()),
            "clause": "x",
            "legal_basis": ["x"],
            "purpose": "x",
            "actor_ref": secrets.token_hex(16),
            "data_categories": list(model.data_categories()),
            "labels": labels if self.labels and self.sender == POLICE else None,
            "entrusted": model.entrusted,
            "places": self.places.model_dump(exclude_none=True) if self.places else None,
            "handover_at": to_rfc3339(model.handover.at) if model.handover else None,
            "thread": self.thread,
            "in_reply_to": self.in_reply_to,
            "override": self.override,
            "nonce": strictjson.b64u_encode(secrets.token_bytes(32)),
        }
        asked = replace(
            policy.transfer_of(
                _body(body),
                sender=self.sender,
                recipient=self.recipient,
                exercise=self.exercise,
                original=self.original,
            ),
            urgency=self.urgency,
        )
        held = standing(self.world.agreements(), self.created)
        permit = policy.decide(held, asked, self.created)
        self.permit = permit
        body |= {
            "clause": permit.clause,
            "legal_basis": list(permit.legal_basis),
            "purpose": permit.purpose,
        }
        body["urgency"] = permit.case_urgency
        return _body(body | self.record_changes)

    def content_given(self) -> dict[str, Any]:
        if self.content is not None:
            return self.content
        return copy.deepcopy(_EXAMPLES[self.type])

    def record(self) -> Record:
        """Seal and sign."""
        world, offices = self.world, self.world.offices
        why = self.record_body().bytes()
        committed = why if self.committed is None else self.committed
        members = {
            "v": 1,
            "id": self.id,
            "kind": "message",
            "sender": self.sender,
            "to": self.recipient,
            "created": self.created,
            "urgency": self.permit.urgency,
            "ack_by": self.permit.ack_by,
            "exercise": self.exercise,
            "agreement": world.agreement_digest,
            "seq": Seq(outbox="cd" * 8, n=self.n),
            "record_sha256": Digest.of(committed),
            "delete_after": self.permit.delete_after,
        } | self.context_changes
        context = Context(**members)
        aad = Digest.of(context.bytes()).raw() if self.aad is None else self.aad
        inside = {"attachments": [], "payload": self.content_given(), "record": why.decode()}
        inside = {name: value for name, value in (inside | self.inside).items() if value != ...}
        plaintext = self.plaintext or strictjson.dumps(inside)
        recipient, sender = offices[self.recipient], offices[self.sender]
        content = seal(plaintext, self.seal_to or [recipient.seal.public], aad)
        oversight = self.oversight or (sender.oversight.public, recipient.oversight.public)
        value = b'{"content":' + content + b',"record":' + seal(why, oversight, aad) + b"}"
        key = self.key or sender.signing
        return world.signed(context.bytes(), value, key, context, self.offset)


_EXAMPLES = {
    MessageType.NOTIFICATION: examples.NOTIFICATION,
    MessageType.CORRECTION: examples.CORRECTION,
    MessageType.RETRACTION: examples.RETRACTION,
    MessageType.INQUIRY: examples.INQUIRY,
    MessageType.REPLY: examples.REPLY,
    MessageType.IMMEDIATE_ACTION: examples.IMMEDIATE_ACTION,
}


def _body(members: dict[str, Any]) -> RecordBody:
    kept = {name: value for name, value in members.items() if value is not None}
    return RecordBody.model_validate_json(json.dumps(kept))
