"""What is known for certain of agencies, keys and agreements, and the questions asked of it.

Guarantees: answers come from verified objects alone (`register` lets nothing else in). Queries take
`now`, so the same view answers for any clock; a check that must not be ignored raises.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from meldeweg.kernel.agreement import Agreement
from meldeweg.kernel.errors import Early, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId, Digest, KeyId
from meldeweg.kernel.jwk import SealKey, SignatureKey
from meldeweg.kernel.trust.objects import (
    AgencyStatus,
    Enrolment,
    KeyCertificate,
    KeyUse,
    Reads,
    ServiceKey,
    Snapshot,
    Status,
)

# A gateway whose clock is a day off still works (a warning, not a refusal): what was certified
# "just now" may seem to lie in its future.
CLOCK_TOLERANCE = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A key with what its certificate says; `key` is a SignatureKey exactly for use `sign`."""

    certificate: KeyCertificate
    key: SignatureKey | SealKey
    token: bytes


def check_time(certified: CertifiedKey, at: datetime, until: datetime) -> None:
    """Raise `Early("key-not-yet-valid")` or `Refused("key-expired")` unless the key counts at `at`.

    Says nothing of a revocation.
    """
    if at + CLOCK_TOLERANCE < certified.certificate.not_before:
        raise Early("key-not-yet-valid", "")
    if at > until + CLOCK_TOLERANCE:
        raise Refused("key-expired", "")


@dataclass(frozen=True, slots=True)
class KnownAgreement:
    """A document, its digest and who has validly signed it."""

    digest: Digest
    document: Agreement
    signed_by: frozenset[AgencyId]
    signed_at: datetime | None  # by the last of all parties; None while one has not


class View:
    """The state of the register, without the right to change it."""

    def __init__(self) -> None:
        self._enrolled: dict[AgencyId, tuple[Enrolment, SignatureKey]] = {}
        self._service_keys: dict[str, dict[KeyId, tuple[ServiceKey, SignatureKey]]] = {}
        self._withdrawn: set[tuple[str, KeyId]] = set()  # of services
        self._status: dict[AgencyId, Status] = {}
        self._keys: dict[AgencyId, dict[KeyId, CertifiedKey]] = {}
        self._revoked: dict[tuple[AgencyId, KeyId], datetime] = {}  # by the first that says so
        self._reads: dict[AgencyId, tuple[Reads, KeyId]] = {}  # and who signed it
        self._documents: dict[Digest, Agreement] = {}
        self._signed: dict[Digest, dict[AgencyId, datetime]] = {}
        self.snapshot: Snapshot | None = None

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

    def of_the_anchor(self) -> object:
        """Return all that the anchor vouches for, to be compared with another view's."""
        return self._enrolled, self._service_keys, self._withdrawn

    def last_status(self, agency: AgencyId) -> Status | None:
        """Return the change of status that counts, None if there was none."""
        return self._status.get(agency)

    def status_number(self, agency: AgencyId) -> int:
        """Return the number of the last status change, 0 if there was none."""
        known = self._status.get(agency)
        return known.n if known else 0

    def service_key(self, service: str, kid: KeyId, at: datetime) -> SignatureKey:
        """Return a central service's key that counted at `at`.

        Raises `Early("signer-unknown")`, `Refused("key-revoked" | "key-expired")`.
        """
        known = self._service_keys.get(service, {}).get(kid)
        if known is None:
            raise Early("signer-unknown", f"no such key of {service}")
        if (service, kid) in self._withdrawn:
            # `at` is the signer's own word, and who has a stolen key says what counts.
            raise Refused("key-revoked", f"key of {service}, withdrawn by the anchor")
        body, key = known
        if not body.not_before - CLOCK_TOLERANCE <= at <= body.verify_until + CLOCK_TOLERANCE:
            raise Refused("key-expired", f"key of {service} outside its time")
        return key

    def service_keys(self, service: str) -> tuple[SignatureKey, ...]:
        return tuple(key for _, key in self._service_keys.get(service, {}).values())

    def signature_key(
        self, agency: AgencyId, kid: KeyId, now: datetime, *, there_at: datetime | None = None
    ) -> SignatureKey:
        """Return the key that `kid` names if the agency's identity certified it for signing.

        `there_at`: when what it signed was there already, for who counts and trusts who says so:
        a revocation of later than that does not matter. Whoever believes leaves it out.

        Raises `Early("signer-unknown" | "key-not-yet-valid")`, `Refused("key-revoked" |
        "key-expired" | "key-use-wrong")`.
        """
        self._identity(agency)
        certified = self._keys.get(agency, {}).get(kid)
        if certified is None:
            raise Early("signer-unknown", "no such key certified for this agency")
        if not isinstance(certified.key, SignatureKey):
            raise Refused("key-use-wrong", "certified for sealing, not for signing")
        revoked = self._revoked.get((agency, kid))
        if revoked is not None and there_at is not None and there_at < revoked:
            check_time(certified, now, certified.certificate.valid_until)
        else:
            self._check_time(certified, now, certified.certificate.valid_until)
        return certified.key

    def _check_time(self, certified: CertifiedKey, now: datetime, until: datetime) -> None:
        if (certified.certificate.agency, certified.key.kid) in self._revoked:
            raise Refused("key-revoked", "")
        check_time(certified, now, until)

    def key_for(self, agency: AgencyId, use: KeyUse, now: datetime) -> SealKey:
        """Return the newest key of the agency to seal to (`seal` or `oversight`).

        An officer whose key was not renewed in time has it still, until `valid_until`: that nobody
        renewed it must not stop a message about a child (I8).
        """
        try:
            key = self.newest(agency, use, now).key
        except Unavailable:
            if use is not KeyUse.OVERSIGHT:
                raise
            key = self._newest(agency, use, partial(self._opens, now=now)).key
        assert isinstance(key, SealKey)
        return key

    def newest(self, agency: AgencyId, use: KeyUse, now: datetime) -> CertifiedKey:
        """Return the newest certified key of the agency for `use`, or `Unavailable("no-key")`."""
        return self._newest(agency, use, partial(self.is_usable, now=now))

    def _newest(
        self, agency: AgencyId, use: KeyUse, fits: Callable[[CertifiedKey], bool]
    ) -> CertifiedKey:
        found = [
            certified
            for certified in self.certified(agency)
            if certified.certificate.use is use and fits(certified)
        ]
        if not found:
            raise Unavailable("no-key", f"{agency} has no valid {use} key in my view")
        return max(found, key=lambda certified: certified.certificate.at)

    def certified(self, agency: AgencyId) -> tuple[CertifiedKey, ...]:
        """Return all keys ever certified for the agency, for listing and for choosing."""
        return tuple(self._keys.get(agency, {}).values())

    def is_usable(self, certified: CertifiedKey, now: datetime) -> bool:
        """Say whether something new may be signed with or sealed to this key."""
        return self._counts(certified, now, certified.certificate.use_until)

    def _opens(self, certified: CertifiedKey, now: datetime) -> bool:
        return self._counts(certified, now, certified.certificate.valid_until)

    def _counts(self, certified: CertifiedKey, now: datetime, until: datetime) -> bool:
        try:
            self._check_time(certified, now, until - CLOCK_TOLERANCE)
        except Refused:
            return False
        return True

    def is_revoked(self, agency: AgencyId, kid: KeyId) -> bool:
        return (agency, kid) in self._revoked

    def reads(self, agency: AgencyId) -> Mapping[str, tuple[int, ...]]:
        """Return the message types and versions that the agency announced."""
        known = self._reads.get(agency)
        return known[0].types if known else {}

    def announced_at(self, agency: AgencyId) -> datetime | None:
        """Return the time that the announcement which counts states; None without one."""
        known = self._reads.get(agency)
        return known[0].at if known else None

    def agreement(self, digest: Digest) -> KnownAgreement:
        """Return the agreement that a context names, or `Early("agreement-unknown")`."""
        document = self._documents.get(digest)
        if document is None:
            raise Early("agreement-unknown", "no such document in my view")
        signed = self._signed.get(digest, {})
        whole = all(party.agency in signed for party in document.parties)
        return KnownAgreement(
            digest, document, frozenset(signed), max(signed.values()) if whole else None
        )

    def agreements(self) -> Iterable[KnownAgreement]:
        return [self.agreement(digest) for digest in self._documents]
