"""Certify the registry's and the audit's own keys with the trust anchor, also before their end.

Guarantees: a key that is certified again counts from when it first did, so that what it signed
before goes on being verified; another key counts from now; a withdrawn one never again. Trusts:
the anchor's holder.
"""

from datetime import datetime
from typing import Literal

from meldeweg.kernel import signing
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.jwk import SignatureKey, SigningKey
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust.issue import KEY_LIFE, LONGEST_STAY, signed
from meldeweg.kernel.trust.objects import ServiceKey

ServiceName = Literal["registry", "audit"]


def certify(
    anchor: SigningKey,
    service: ServiceName,
    key: SignatureKey,
    now: datetime,
    earlier: ServiceKey | None = None,
) -> bytes:
    """Return the certificate of a service's key, to be handed in at the registry.

    `earlier`: the certificate that it follows; `Refused("service-key-differs")` if it is another
    service's. The service may sign for `KEY_LIFE`; it is verified for `LONGEST_STAY` longer.
    """
    first = now
    if earlier is not None:
        if earlier.service != service:
            raise Refused("service-key-differs", f"a key of {earlier.service}")
        if SignatureKey.from_jwk(earlier.key).kid == key.kid:
            first = earlier.not_before
    body = ServiceKey(
        v=1,
        service=service,
        key=key.public_jwk(),
        not_before=first,
        verify_until=now + KEY_LIFE + LONGEST_STAY,
        at=now,
    )
    return signed(body, anchor)


def withdraw(anchor: SigningKey, certificate: ServiceKey, now: datetime) -> bytes:
    """Return the object that withdraws a certified key for good: it ends when it is made.

    From then on no reader takes anything that the key signed and that it had not read before.
    """
    body = certificate.model_copy(update={"verify_until": now, "at": now})
    return signed(body, anchor)


def read(token: bytes) -> ServiceKey:
    """Return what a certificate says; its signature is judged by whoever takes it in."""
    payload = signing.parse(token, Typ.SERVICE_KEY).payload
    return ServiceKey.read_signed(payload, "service-key-malformed")


def is_due(certificate: ServiceKey, now: datetime) -> bool:
    """Say whether the service should get its next certificate: a month before it stops signing."""
    return now + LONGEST_STAY / 2 >= certificate.verify_until - LONGEST_STAY
