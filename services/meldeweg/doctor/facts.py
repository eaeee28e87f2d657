"""What was found out, before anybody judges it. Times are UTC; None: could not be found out."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meldeweg.kernel.trust.objects import KeyUse


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A client certificate as it lies in its file. `trouble`: why it could not be read."""

    path: Path
    not_before: datetime | None = None
    not_after: datetime | None = None
    principal: str = ""
    of_our_ca: bool = False
    has_its_key: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """What the broker at `address` did when this client came. `code`: "" if it answered."""

    address: str
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """A directory that must take what is written. `error`: errno's name, "" if it took a file."""

    path: Path
    error: str
    free: float  # part of the disk that is free, 0 to 1
    demanded: float = 0.1


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A certified key of the gateway's directory."""

    kid: str
    use: KeyUse
    made: datetime
    not_before: datetime
    use_until: datetime
    private_here: bool
    revoked: bool


@dataclass(frozen=True, slots=True)
class KeyringFacts:
    """A gateway's directory of keys. `trouble`: code of what hindered reading, with `detail`."""

    path: Path
    keys: tuple[KeyFacts, ...] = ()
    uncertified: tuple[str, ...] = ()
    trouble: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """Two clocks, read at one instant; or, `at_least`, a time that has already been there."""

    whose: str
    ours: datetime
    theirs: datetime
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """The newest snapshot of the registry that the broker has; `at` None: there is none."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class RightsFacts:
    """Rights that the agreements give this agency, tried at the broker."""

    status: str  # of the agency in the register; "" if it is not enrolled
    refused_reads: tuple[str, ...] = ()
    refused_writes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What a service said of itself. `reached`: it answered at all; `service`: which it is."""

    url: str
    reached: bool
    missing: tuple[tuple[str, str], ...] = ()
    service: str = ""


@dataclass(frozen=True, slots=True)
class PortFacts:
    """An address that a service is to listen on. `taken_by`: "" free, "itself", or "another".

    `trouble`: why nobody could listen there.
    """

    address: str
    taken_by: str
    trouble: str = ""
