"""Set up a whole district: anchor, identity keys, enrolments, online keys, the signed agreement.

What takes a district's partners some weeks and several offline machines, in one directory: for the
demo and for tests. In production each step is a command of its own, on a machine of its own.

Guarantees: idempotent. What was made once is used again, byte for byte, so that a backbone which
starts again, or a broker that lost its disk, gets the same objects; online keys whose time is over
get successors. Killed at any instruction, it goes on where it was.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ParamSpec

from meldeweg.ceremony import keys, services
from meldeweg.ceremony.desk import Desk
from meldeweg.kernel import agreement, keyfile
from meldeweg.kernel.agreement import BERLIN, DistrictConfig, Term
from meldeweg.kernel.agreement.document import Partner
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.strictjson import dumps
from meldeweg.kernel.trust.issue import signed
from meldeweg.kernel.trust.objects import AgreementSignature, Enrolment, KeyUse

_SERVICES: tuple[services.ServiceName, ...] = ("registry", "audit")


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything lies below one directory."""

    root: Path

    @property
    def anchor(self) -> Path:
        """The anchor's public JWK: what every service is given."""
        return self.root / "anchor.pub.jwk"

    def offline(self, name: str) -> Path:
        """Keys that no service ever sees: anchor, identities, the officers' oversight keys."""
        return self.root / "offline" / name

    def oversight(self, agency: AgencyId) -> Path:
        return self.root / "offline" / f"datenschutz-{agency}"

    def keys(self, agency: AgencyId) -> Path:
        """The directory that the agency's gateway reads its keys from."""
        return self.root / "keys" / agency

    def service_key(self, service: str) -> Path:
        return self.root / "keys" / f"{service}.jwk"

    def issued(self, name: str = "") -> Path:
        """Signed objects as they were handed in, named in the order they build on each other."""
        return self.root / "issued" / name


def prepare(places: Places, district: DistrictConfig, clock: Clock) -> None:
    """Make whatever is missing: keys and signed objects. Touches nothing that is there."""
    places.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in ("offline", "keys", "issued"):
        (places.root / each).mkdir(mode=0o700, exist_ok=True)
    anchor = _key(places.offline("anchor.jwk"))
    _once(places.anchor, dumps, anchor.public_jwk())
    for service in _SERVICES:
        _certify_service(places, service, anchor, clock)
    identities = {}
    for partner in district.parties:
        agency = partner.agency
        identity = identities[agency] = _key(places.offline(f"identity-{agency}.jwk"))
        _once(places.issued(f"2-{agency}"), signed, _enrolment(partner, identity, clock), anchor)
        _agency_keys(places, agency, identity, clock)
    kids = {agency: identity.kid for agency, identity in identities.items()}
    term = demonstration_term(district, clock.now())
    document = _once(places.issued("3-agreement"), agreement.build, district, kids, term=term)
    for agency, identity in identities.items():
        _sign_agreement(places, agency, identity, Digest.of(document), clock)


def demonstration_term(district: DistrictConfig, now: datetime) -> Term | None:
    """Return a year from today, marked assumed, once the district's real term is over; else None.

    Nobody agreed to it: whoever uses it says so (`extended`), and signs with demo keys alone.
    """
    today = now.astimezone(BERLIN).date()
    if district.term.until is None or today <= district.term.until:
        return None
    return Term(
        first=today,
        until=today + timedelta(days=365),
        run_off_days=district.term.run_off_days,
        assumed=True,
        source=f"nur zur Vorführung; die wirkliche Laufzeit endete am {district.term.until}",
    )


def extended(places: Places, district: DistrictConfig) -> Term | None:
    """Return the term that was made up for a demonstration, if the agreement here has one."""
    made = agreement.parse(places.issued("3-agreement").read_bytes()).term
    return made if made != district.term else None


def publish(places: Places, desk: Desk) -> int:
    """Hand everything in, in the order in which it builds on each other; returns how many."""
    found = sorted(path for path in places.issued().iterdir() if not path.name.startswith("."))
    for path in found:
        desk.submit(path.read_bytes())
    return len(found)


def _agency_keys(places: Places, agency: AgencyId, identity: SigningKey, clock: Clock) -> None:
    directory, now = places.keys(agency), clock.now()
    here = {
        each.certificate.use
        for each in (keys.listed(directory) if directory.exists() else ())
        if not each.revoked and now < each.certificate.use_until
    }
    for use in KeyUse:
        if use not in here:
            private = places.oversight(agency) if use is KeyUse.OVERSIGHT else None
            keys.issue(identity, agency, use, directory, now, private_directory=private)


def _enrolment(partner: Partner, identity: SigningKey, clock: Clock) -> Enrolment:
    return Enrolment(
        v=1,
        agency=partner.agency,
        name=partner.name,
        kind=partner.kind,
        municipalities=partner.municipalities,
        identity=identity.public_jwk(),
        principal=f"gw-{partner.agency}",
        at=clock.now(),
    )


def _certify_service(
    places: Places, service: services.ServiceName, anchor: SigningKey, clock: Clock
) -> None:
    """Certify a service's key, and again a month before it would end."""
    public = _key(places.service_key(service)).public
    now = clock.now()
    first = places.issued(f"1-{service}")
    earlier = services.read(_once(first, services.certify, anchor, service, public, now))
    for path in sorted(places.root.glob(f"issued/1-{service}-*")):
        earlier = services.read(path.read_bytes())
    if services.is_due(earlier, now):
        path = places.issued(f"1-{service}-{now:%Y%m%d}")
        _once(path, services.certify, anchor, service, public, now, earlier)


def _sign_agreement(
    places: Places, agency: AgencyId, identity: SigningKey, digest: Digest, clock: Clock
) -> None:
    body = AgreementSignature(v=1, agreement=digest, agency=agency, at=clock.now())
    _once(places.issued(f"4-{agency}"), signed, body, identity)


def _key(path: Path) -> SigningKey:
    if not path.exists():
        keyfile.write_private(path, SigningKey.generate())
    return keyfile.read_signing_key(path)


_P = ParamSpec("_P")


def _once(path: Path, make: Callable[_P, bytes], *args: _P.args, **kwargs: _P.kwargs) -> bytes:
    """Return what the file holds; make it first, whole, if it is not there."""
    if not path.exists():
        temporary = path.with_name(f".{path.name}.new")
        with temporary.open("wb") as file:
            file.write(make(*args, **kwargs))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        keyfile.sync_directory(path.parent)
    return path.read_bytes()
