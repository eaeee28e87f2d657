"""The verified view of who is who: enrolled agencies, their keys, their agreements.

Guarantees: nothing enters that the trust anchor's chain does not vouch for; what is only early waits
in here and enters once its reason has come. A revocation is never undone. Queries take `now`, so the
same view answers for any clock. Trusts: the anchor's public key, given by setting; nothing else.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from meldeweg.kernel import agreement as agreements
from meldeweg.kernel import signing, topics
from meldeweg.kernel.agreement import Agreement, AgreementStatus
from meldeweg.kernel.errors import Early, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId, Digest, KeyId
from meldeweg.kernel.jwk import SealKey, SignatureKey
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.signing import Jws, Typ
from meldeweg.kernel.trust.objects import (
    AgencyStatus,
    AgreementSignature,
    Enrolment,
    KeyCertificate,
    KeyRevoked,
    KeyUse,
    Reads,
    ServiceKey,
    Snapshot,
    Status,
)

# A gateway whose clock is a day off still works (a warning, not a refusal): what was certified
# "just now" may seem to lie in its future.
CLOCK_TOLERANCE = timedelta(hours=26)
_PENDING_MAX = 10_000


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A key with what its certificate says; `key` is a SignatureKey exactly for use `sign`."""

    certificate: KeyCertificate
    key: SignatureKey | SealKey
    token: bytes


@dataclass(frozen=True, slots=True)
class KnownAgreement:
    """A document, its digest and who has validly signed it."""

    digest: Digest
    document: Agreement
    signed_by: frozenset[AgencyId]

    def status(self, now: datetime) -> AgreementStatus:
        return agreements.status(self.document, self.signed_by, now)


class Register:
    """Applied record by record, from any topic in any order; asked by everyone who decides."""

    def __init__(self, anchor: SignatureKey) -> None:
        self._anchor = anchor
        self._enrolled: dict[AgencyId, tuple[Enrolment, SignatureKey]] = {}
        self._service_keys: dict[str, dict[KeyId, tuple[ServiceKey, SignatureKey]]] = {}
        self._status: dict[AgencyId, Status] = {}
        self._keys: dict[AgencyId, dict[KeyId, CertifiedKey]] = {}
        self._revoked: set[tuple[AgencyId, KeyId]] = set()
        self._reads: dict[AgencyId, Reads] = {}
        self._documents: dict[Digest, Agreement] = {}
        self._signed: dict[Digest, set[AgencyId]] = {}
        self._pending: deque[tuple[str, bytes]] = deque(maxlen=_PENDING_MAX)
        self.snapshot: Snapshot | None = None

    # -- entering ---------------------------------------------------------------------------

    def apply(self, topic: str, value: bytes | None) -> None:
        """Verify and take in one record of `registry.*` or `keys.*`; the same one twice is fine.

        Raises `Refused` for what will never be accepted. What is early is kept and tried again
        whenever something else was accepted.
        """
        if value is None:
            raise Refused("trust-record-malformed", "null value")
        try:
            self._apply(topic, value)
        except Early:
            if (topic, value) not in self._pending:
                self._pending.append((topic, value))
            return
        self._retry_pending()

    def _retry_pending(self) -> None:
        progress = True
        while progress and self._pending:
            progress = False
            for _ in range(len(self._pending)):
                topic, value = self._pending.popleft()
                try:
                    self._apply(topic, value)
                    progress = True
                except Early:
                    self._pending.append((topic, value))
                except Refused:
                    continue  # judged now, and wrong for good; it stays visible on its topic

    def _apply(self, topic: str, value: bytes) -> None:
        if topic == topics.REGISTRY_AGREEMENTS and value[:1] == b"{":
            document = agreements.parse(value)
            self._documents.setdefault(Digest.of(value), document)
            return
        typ = signing.typ_of(value)
        if typ not in _ALLOWED.get(topic.split(".")[0] + "." if topic.startswith("keys.") else topic, ()):  # noqa: E501 - one rule
            raise Refused("trust-record-misplaced", f"{typ} does not belong here")
        handler, model = _HANDLERS[typ]
        jws = signing.parse(value, typ)
        body = model.read(jws.payload, "trust-record-malformed")
        if topic.startswith("keys.") and topic != topics.keys(body.agency):  # type: ignore[attr-defined]  # all kinds on keys.* have it
            raise Refused("trust-record-misplaced", "another agency's topic")
        handler(self, jws, body, value)

    def _enrol(self, jws: Jws, body: Enrolment, token: bytes) -> None:
        signing.verify(jws, self._anchor)
        known = self._enrolled.get(body.agency)
        if known is None or body.at >= known[0].at:
            self._enrolled[body.agency] = (body, SignatureKey.from_jwk(body.identity))

    def _add_service_key(self, jws: Jws, body: ServiceKey, token: bytes) -> None:
        signing.verify(jws, self._anchor)
        key = SignatureKey.from_jwk(body.key)
        self._service_keys.setdefault(body.service, {})[key.kid] = (body, key)

    def _change_status(self, jws: Jws, body: Status, token: bytes) -> None:
        identity = self._identity(body.agency)
        if jws.kid == self._anchor.kid:
            signing.verify(jws, self._anchor)
        elif body.status is AgencyStatus.REVOKED:
            signing.verify(jws, identity)
        else:
            signing.verify(jws, self.service_key("registry", jws.kid, body.at))
        known = self._status.get(body.agency)
        if known is None or known.n < body.n or body.status is AgencyStatus.REVOKED:
            if known is not None and known.status is AgencyStatus.REVOKED:
                return  # for good
            self._status[body.agency] = body

    def _certify(self, jws: Jws, body: KeyCertificate, token: bytes) -> None:
        signing.verify(jws, self._identity(body.agency))
        key = (SignatureKey if body.use is KeyUse.SIGN else SealKey).from_jwk(body.key)
        self._keys.setdefault(body.agency, {})[key.kid] = CertifiedKey(body, key, token)

    def _revoke(self, jws: Jws, body: KeyRevoked, token: bytes) -> None:
        signing.verify(jws, self._identity(body.agency))
        self._revoked.add((body.agency, body.kid))

    def _announce(self, jws: Jws, body: Reads, token: bytes) -> None:
        signing.verify(jws, self.signature_key(body.agency, jws.kid, body.at))
        known = self._reads.get(body.agency)
        if known is None or body.at >= known.at:
            self._reads[body.agency] = body

    def _sign_agreement(self, jws: Jws, body: AgreementSignature, token: bytes) -> None:
        document = self._documents.get(body.agreement)
        if document is None:
            raise Early("agreement-unknown", "signature before its document")
        pinned = {party.agency: party.identity for party in document.parties}.get(body.agency)
        identity = self._identity(body.agency)
        if pinned != identity.kid:
            raise Refused("agreement-signature-refused", "not the identity key that was pinned")
        signing.verify(jws, identity)
        self._signed.setdefault(body.agreement, set()).add(body.agency)

    def _take_snapshot(self, jws: Jws, body: Snapshot, token: bytes) -> None:
        signing.verify(jws, self.service_key("registry", jws.kid, body.at))
        if self.snapshot is None or body.at >= self.snapshot.at:
            self.snapshot = body

    # -- asking -----------------------------------------------------------------------------

    def _identity(self, agency: AgencyId) -> SignatureKey:
        known = self._enrolled.get(agency)
        if known is None:
            raise Early("agency-unknown", "not enrolled in my view")
        return known[1]

    def agency(self, agency: AgencyId) -> Enrolment:
        """Return the enrolment, or `Early("agency-unknown")`."""
        self._identity(agency)
        return self._enrolled[agency][0]

    def agencies(self) -> Mapping[AgencyId, Enrolment]:
        return {agency: enrolment for agency, (enrolment, _) in self._enrolled.items()}

    def identity_kid(self, agency: AgencyId) -> KeyId:
        return self._identity(agency).kid

    def status(self, agency: AgencyId) -> AgencyStatus:
        known = self._status.get(agency)
        return known.status if known else AgencyStatus.ACTIVE

    def status_number(self, agency: AgencyId) -> int:
        """Return the number of the last status change, 0 if there was none."""
        known = self._status.get(agency)
        return known.n if known else 0

    def service_key(self, service: str, kid: KeyId, at: datetime) -> SignatureKey:
        """Return a central service's key that counted at `at`."""
        known = self._service_keys.get(service, {}).get(kid)
        if known is None:
            raise Early("signer-unknown", f"no such key of {service}")
        body, key = known
        if not body.not_before - CLOCK_TOLERANCE <= at <= body.verify_until + CLOCK_TOLERANCE:
            raise Refused("key-expired", f"key of {service} outside its time")
        return key

    def service_keys(self, service: str) -> tuple[SignatureKey, ...]:
        return tuple(key for _, key in self._service_keys.get(service, {}).values())

    def signature_key(self, agency: AgencyId, kid: KeyId, now: datetime) -> SignatureKey:
        """Return the key that `kid` names if the agency's identity certified it for signing.

        Raises `Early("signer-unknown" | "key-not-yet-valid")`, `Refused("key-revoked" |
        "key-expired" | "key-use-wrong")`.
        """
        self._identity(agency)
        certified = self._keys.get(agency, {}).get(kid)
        if certified is None:
            raise Early("signer-unknown", "no such key certified for this agency")
        if not isinstance(certified.key, SignatureKey):
            raise Refused("key-use-wrong", "certified for sealing, not for signing")
        self._check_time(certified, now, certified.certificate.valid_until)
        return certified.key

    def _check_time(self, certified: CertifiedKey, now: datetime, until: datetime) -> None:
        if (certified.certificate.agency, certified.key.kid) in self._revoked:
            raise Refused("key-revoked", "")
        if now + CLOCK_TOLERANCE < certified.certificate.not_before:
            raise Early("key-not-yet-valid", "")
        if now > until + CLOCK_TOLERANCE:
            raise Refused("key-expired", "")

    def key_for(self, agency: AgencyId, use: KeyUse, now: datetime) -> SealKey:
        """Return the newest key of the agency to seal to (`seal` or `oversight`)."""
        usable = [
            certified
            for certified in self.certified(agency)
            if certified.certificate.use is use and self.is_usable(certified, now)
        ]
        if not usable:
            raise Unavailable("no-key", f"{agency} has no valid {use} key in my view")
        key = max(usable, key=lambda certified: certified.certificate.at).key
        assert isinstance(key, SealKey)  # noqa: S101 - _certify ties class to use
        return key

    def certified(self, agency: AgencyId) -> tuple[CertifiedKey, ...]:
        """Return all keys ever certified for the agency, for listing and for choosing."""
        return tuple(self._keys.get(agency, {}).values())

    def is_usable(self, certified: CertifiedKey, now: datetime) -> bool:
        """Say whether something new may be signed with or sealed to this key."""
        try:
            self._check_time(certified, now, certified.certificate.use_until - CLOCK_TOLERANCE)
        except Refused:
            return False
        return True

    def is_revoked(self, agency: AgencyId, kid: KeyId) -> bool:
        return (agency, kid) in self._revoked

    def reads(self, agency: AgencyId) -> Mapping[str, tuple[int, ...]]:
        """Return the message types and versions that the agency announced."""
        known = self._reads.get(agency)
        return known.types if known else {}

    def agreement(self, digest: Digest) -> KnownAgreement:
        """Return the agreement that a context names, or `Early("agreement-unknown")`."""
        document = self._documents.get(digest)
        if document is None:
            raise Early("agreement-unknown", "no such document in my view")
        return KnownAgreement(digest, document, frozenset(self._signed.get(digest, ())))

    def agreements(self) -> Iterable[KnownAgreement]:
        return [self.agreement(digest) for digest in self._documents]

    def pending(self) -> int:
        """Return how many records wait for something that has not come yet."""
        return len(self._pending)


_ALLOWED: Mapping[str, tuple[Typ, ...]] = {
    topics.REGISTRY_AGENCIES: (Typ.ENROLMENT, Typ.SERVICE_KEY, Typ.STATUS),
    topics.REGISTRY_AGREEMENTS: (Typ.AGREEMENT_SIGNATURE,),
    topics.REGISTRY_SNAPSHOTS: (Typ.SNAPSHOT,),
    "keys.": (Typ.KEY, Typ.KEY_REVOKED, Typ.READS),
}
_HANDLERS: Mapping[Typ, tuple[Callable[[Register, Jws, object, bytes], None], type[Frozen]]] = {
    Typ.ENROLMENT: (Register._enrol, Enrolment),  # type: ignore[dict-item]  # noqa: SLF001
    Typ.SERVICE_KEY: (Register._add_service_key, ServiceKey),  # type: ignore[dict-item]  # noqa: SLF001
    Typ.STATUS: (Register._change_status, Status),  # type: ignore[dict-item]  # noqa: SLF001
    Typ.KEY: (Register._certify, KeyCertificate),  # type: ignore[dict-item]  # noqa: SLF001
    Typ.KEY_REVOKED: (Register._revoke, KeyRevoked),  # type: ignore[dict-item]  # noqa: SLF001
    Typ.READS: (Register._announce, Reads),  # type: ignore[dict-item]  # noqa: SLF001
    Typ.AGREEMENT_SIGNATURE: (Register._sign_agreement, AgreementSignature),  # type: ignore[dict-item]  # noqa: SLF001
    Typ.SNAPSHOT: (Register._take_snapshot, Snapshot),  # type: ignore[dict-item]  # noqa: SLF001
}
