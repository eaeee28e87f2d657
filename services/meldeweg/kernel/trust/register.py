"""The way into the verified view: every record of trust is checked against the anchor's chain.

Guarantees: nothing enters that the trust anchor's chain does not vouch for; what is only early
waits in here and enters once its reason has come. A revocation is never undone.
Trusts: the anchor's public key, given by setting; nothing else, and no order among topics.
"""

from collections import deque
from copy import copy
from typing import Any, TypeVar

from meldeweg.kernel import agreement as agreements
from meldeweg.kernel import signing, topics
from meldeweg.kernel.errors import Early, Refused
from meldeweg.kernel.ids import Digest
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
from meldeweg.kernel.trust.view import CertifiedKey, View

# For each topic: whoever floods their own pushes out nobody else's. All of it is judged again
# whenever something else was accepted.
_PENDING_MAX = 1_000
_PENDING_BYTES = 2 * 1024 * 1024
_BELONGS: dict[str, tuple[Typ, ...]] = {
    topics.REGISTRY_AGENCIES: (Typ.ENROLMENT, Typ.SERVICE_KEY, Typ.STATUS),
    topics.REGISTRY_AGREEMENTS: (Typ.AGREEMENT_SIGNATURE,),
    topics.REGISTRY_SNAPSHOTS: (Typ.SNAPSHOT,),
}
_ON_KEYS = (Typ.KEY, Typ.KEY_REVOKED, Typ.READS)


class Register(View):
    """Applied record by record, from any topic in any order; asked by everyone who decides."""

    def __init__(self, anchor: SignatureKey) -> None:
        super().__init__()
        self._anchor = anchor
        self._pending: dict[str, deque[bytes]] = {}

    def trial(self) -> "Register":
        """Return a copy to try a record on: what that accepts changes nothing here."""
        copied = Register(self._anchor)
        for name, value in vars(self).items():
            setattr(copied, name, _own_containers(value))
        return copied

    def apply(self, topic: str, value: bytes | None) -> None:
        """Verify and take in one record of `registry.*` or `keys.*`; the same one twice is fine.

        Raises `Refused` for what will never be accepted. What is early is kept and tried again
        whenever something else was accepted.
        """
        if value is None:
            raise Refused("trust-record-malformed", "null value")
        try:
            self.admit(topic, value)
        except Early:
            self._wait(topic, value)
            return
        if topic != topics.REGISTRY_SNAPSHOTS:  # one a minute, and nothing waits for it
            self._retry_pending()

    def _wait(self, topic: str, value: bytes) -> None:
        waiting = self._pending.setdefault(topic, deque())
        if value in waiting:
            return
        waiting.append(value)
        while len(waiting) > _PENDING_MAX or sum(map(len, waiting)) > _PENDING_BYTES:
            waiting.popleft()

    def _retry_pending(self) -> None:
        progress = True
        while progress:
            accepted = [self._retry(*each) for each in self._pending.items()]
            progress = any(accepted)

    def _retry(self, topic: str, waiting: deque[bytes]) -> bool:
        """Try all of one topic again; say whether anything was accepted."""
        progress = False
        for _ in range(len(waiting)):
            value = waiting.popleft()
            try:
                self.admit(topic, value)
                progress = True
            except Early:
                waiting.append(value)
            except Refused:
                continue  # judged now, and wrong for good; it stays visible on its topic
        return progress

    def admit(self, topic: str, value: bytes) -> None:
        """As `apply`, but what is early is raised: for who hands in a record and must be told."""
        if topic == topics.REGISTRY_AGREEMENTS and value[:1] == b"{":
            document = agreements.parse(value)
            self._documents.setdefault(Digest.of(value), document)
            return
        typ = signing.typ_of(value)
        if typ not in _BELONGS.get(topic, _ON_KEYS if topic.startswith("keys.") else ()):
            raise Refused("trust-record-misplaced", f"{typ} does not belong here")
        jws = signing.parse(value, typ)
        match typ:
            case Typ.ENROLMENT:
                self._enrol(jws, _read(Enrolment, jws))
            case Typ.SERVICE_KEY:
                self._add_service_key(jws, _read(ServiceKey, jws))
            case Typ.STATUS:
                self._change_status(jws, _read(Status, jws))
            case Typ.AGREEMENT_SIGNATURE:
                self._sign_agreement(jws, _read(AgreementSignature, jws))
            case Typ.SNAPSHOT:
                self._take_snapshot(jws, _read(Snapshot, jws))
            case Typ.KEY:
                self._certify(jws, _own(topic, _read(KeyCertificate, jws)), value)
            case Typ.KEY_REVOKED:
                self._revoke(jws, _own(topic, _read(KeyRevoked, jws)))
            case _:
                self._announce(jws, _own(topic, _read(Reads, jws)))

    def _enrol(self, jws: Jws, body: Enrolment) -> None:
        signing.verify(jws, self._anchor)
        identity = SignatureKey.from_jwk(body.identity)
        known = self._enrolled.get(body.agency)
        if known is not None and known[1] != identity:
            # Agreements pin identity keys: the anchor alone must not be able to replace one.
            raise Refused("identity-changed", "an agency's identity key does not change")
        if known is None or body.at >= known[0].at:
            self._enrolled[body.agency] = (body, identity)

    def _add_service_key(self, jws: Jws, body: ServiceKey) -> None:
        signing.verify(jws, self._anchor)
        key = SignatureKey.from_jwk(body.key)
        known = self._service_keys.setdefault(body.service, {})
        if key.kid not in known or body.at >= known[key.kid][0].at:
            known[key.kid] = (body, key)
        if body.verify_until <= body.at:
            self._withdrawn.add((body.service, key.kid))  # for good, whatever comes later

    def _change_status(self, jws: Jws, body: Status) -> None:
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
        certified = self._keys.setdefault(body.agency, {})
        known = certified.get(key.kid)
        # Owners publish again what they ever published, in any order: the newest word counts.
        if known is None or body.at >= known.certificate.at:
            certified[key.kid] = CertifiedKey(body, key, token)

    def _revoke(self, jws: Jws, body: KeyRevoked) -> None:
        signing.verify(jws, self._identity(body.agency))
        which = (body.agency, body.kid)
        self._revoked[which] = min(body.at, self._revoked.get(which, body.at))
        announced = self._reads.get(body.agency)
        if announced is not None and announced[1] == body.kid:
            del self._reads[body.agency]  # whoever stole the key may have written it

    def _announce(self, jws: Jws, body: Reads) -> None:
        signing.verify(jws, self.signature_key(body.agency, jws.kid, body.at))
        known = self._reads.get(body.agency)
        if known is None or body.at >= known[0].at:
            self._reads[body.agency] = (body, jws.kid)

    def _sign_agreement(self, jws: Jws, body: AgreementSignature) -> None:
        document = self._documents.get(body.agreement)
        if document is None:
            raise Early("agreement-unknown", "signature before its document")
        pinned = {party.agency: party.identity for party in document.parties}.get(body.agency)
        if pinned is None:
            raise Refused("agreement-signature-refused", "no party of it")
        identity = self._identity(body.agency)
        if pinned != identity.kid:
            raise Refused("agreement-signature-refused", "not the identity key that was pinned")
        signing.verify(jws, identity)
        signed = self._signed.setdefault(body.agreement, {})
        # Signed twice, the earlier counts, whichever is read first.
        signed[body.agency] = min(body.at, signed.get(body.agency, body.at))

    def _take_snapshot(self, jws: Jws, body: Snapshot) -> None:
        signing.verify(jws, self.service_key("registry", jws.kid, body.at))
        # By number, not by time: a clock that was wrong once must not outdo what follows.
        if self.snapshot is None or body.n >= self.snapshot.n:
            self.snapshot = body

    def pending(self) -> int:
        """Return how many records wait for something that has not come yet."""
        return sum(map(len, self._pending.values()))


def _own_containers(value: Any) -> Any:
    """Copy dicts, sets and queues all the way down; what is in them is immutable."""
    match value:
        case dict():
            return {name: _own_containers(inner) for name, inner in value.items()}
        case set() | deque():
            return copy(value)
        case _:
            return value


_Body = TypeVar("_Body", bound=Frozen)
_KeyRecord = TypeVar("_KeyRecord", KeyCertificate, KeyRevoked, Reads)


def _read(model: type[_Body], jws: Jws) -> _Body:
    return model.read_signed(jws.payload, "trust-record-malformed")


def _own(topic: str, body: _KeyRecord) -> _KeyRecord:
    if topic != topics.keys(body.agency):
        raise Refused("trust-record-misplaced", "another agency's topic")
    return body
