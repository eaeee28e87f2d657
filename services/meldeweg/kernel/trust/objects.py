"""The signed objects that trust is made of, each a payload of its own JWS `typ`.

Trust anchor → `Enrolment`, `ServiceKey`; identity key → `KeyCertificate`, `KeyRevoked`, agreement
signatures; signing key → `Reads`; registry key → `Snapshot`, `Status` (the brake). Who may sign
what is judged in `register`, not here.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Ags, Digest, KeyId
from meldeweg.kernel.model import Frozen, Instant, Version1

Jwk = dict[str, Any]  # its own reader (`kernel.jwk`) is stricter than a model here could be
Name = Annotated[str, Field(min_length=1, max_length=200)]


class AgencyKind(StrEnum):
    """What an agency is under the agreement."""

    POLICE = "police"
    YOUTH_OFFICE = "youth-office"


class Enrolment(Frozen):
    """An agency belongs to the district: id, responsibility, identity key, Kafka principal."""

    v: Version1
    agency: AgencyId
    name: Name
    kind: AgencyKind
    municipalities: Annotated[tuple[Ags, ...], Field(max_length=200)]
    identity: Jwk
    principal: Annotated[str, Field(pattern=r"^gw-[a-z0-9-]{1,80}$")]
    at: Instant

    @model_validator(mode="after")
    def _principal_is_its_own(self) -> Self:
        if self.principal != f"gw-{self.agency}":
            raise Refused("enrolment-malformed", "principal is not the agency's")
        return self


class ServiceKey(Frozen):
    """A central service's signing key: registry for snapshots, audit for checkpoints."""

    v: Version1
    service: Literal["registry", "audit"]
    key: Jwk
    not_before: Instant
    verify_until: Instant
    at: Instant


class AgencyStatus(StrEnum):
    """Suspended is a brake that can be released; revoked is for good."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class Status(Frozen):
    """From `at` on the agency is `status`; a later `n` replaces an earlier one."""

    v: Version1
    agency: AgencyId
    status: AgencyStatus
    n: Annotated[int, Field(ge=1, lt=2**53)]
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    at: Instant


class KeyUse(StrEnum):
    """What a certified key may be used for, and nothing else."""

    SIGN = "sign"
    SEAL = "seal"
    OVERSIGHT = "oversight"


class KeyCertificate(Frozen):
    """The identity key certifies one key.

    `use_until`: no new signature or seal after it. `valid_until`: signatures made before count, and
    sealed parts are opened, until then; the gap covers the longest stay in outbox, topic, parking.
    """

    v: Version1
    agency: AgencyId
    use: KeyUse
    key: Jwk
    not_before: Instant
    use_until: Instant
    valid_until: Instant
    at: Instant

    @model_validator(mode="after")
    def _times_are_ordered(self) -> Self:
        if not self.not_before < self.use_until <= self.valid_until:
            raise Refused("key-certificate-malformed", "times are not in order")
        return self


class KeyRevoked(Frozen):
    """From now on nothing that this key signed counts unless it was verified before (I5)."""

    v: Version1
    agency: AgencyId
    kid: KeyId
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    at: Instant


class Reads(Frozen):
    """Which message types and versions the agency reads; the sender takes the newest both know."""

    v: Version1
    agency: AgencyId
    types: Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=60)],
            Annotated[tuple[Annotated[int, Field(ge=1, le=999)], ...], Field(max_length=100)],
        ],
        Field(max_length=100),
    ]
    at: Instant


class TopicEnd(Frozen):
    """How far a registry topic went: `end` records, chained digest over all of them."""

    end: Annotated[int, Field(ge=0, lt=2**53)]
    digest: Digest


class Snapshot(Frozen):
    """Every minute: where each topic of trust ends. Stale: a warning. Contradicting: no sealing."""

    v: Version1
    n: Annotated[int, Field(ge=1, lt=2**53)]
    at: Instant
    topics: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")], TopicEnd]


class AgreementSignature(Frozen):
    """One party signs one agreement, by the digest of the document's exact bytes."""

    v: Version1
    agreement: Digest
    agency: AgencyId
    at: Instant
