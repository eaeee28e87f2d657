"""Make the signed objects of trust: the ceremonies behind the CLI and the demo's set-up.

Pure: keys and times come in, a compact JWS (ASCII bytes, the value of one record) comes out.
"""

import re
from datetime import datetime, timedelta

from meldeweg.kernel import signing
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, KeyId
from meldeweg.kernel.jwk import SealKey, SignatureKey, SigningKey
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.schemas.values import LINE_PATTERN, is_readable
from meldeweg.kernel.signing import Typ
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

_LINE = re.compile(LINE_PATTERN)
LONGEST_STAY = timedelta(days=60)  # outbox, 30 days of topic, parking, and a holiday in between
KEY_LIFE = timedelta(days=365)
_TYP: dict[type[Frozen], Typ] = {
    Enrolment: Typ.ENROLMENT,
    ServiceKey: Typ.SERVICE_KEY,
    Status: Typ.STATUS,
    KeyCertificate: Typ.KEY,
    KeyRevoked: Typ.KEY_REVOKED,
    Reads: Typ.READS,
    Snapshot: Typ.SNAPSHOT,
    AgreementSignature: Typ.AGREEMENT_SIGNATURE,
}


def signed(body: Frozen, key: SigningKey) -> bytes:
    """Return the compact JWS over `body` under the `typ` of its kind; refuses as `check_lines`."""
    check_lines(body)
    return signing.sign(key, _TYP[type(body)], body.bytes()).encode()


def check_lines(body: Frozen) -> None:
    """Refuse a name or a reason for people that is not one line with a letter or a digit.

    Raises `Refused("enrolment-malformed" | "reason-malformed")`. Asked where something is signed
    or handed in; a reader asks nothing: what was signed before this was asked still counts.
    """
    match body:
        case Enrolment():
            text, code = body.name, "enrolment-malformed"
        case Status() | KeyRevoked():
            text, code = body.reason, "reason-malformed"
        case _:
            return
    if not (_LINE.fullmatch(text) and is_readable(text)):
        raise Refused(code, "one line that can be read, without control characters")


def certify(
    identity: SigningKey,
    agency: AgencyId,
    key: SignatureKey | SealKey,
    use: KeyUse,
    now: datetime,
    life: timedelta = KEY_LIFE,
) -> bytes:
    """Certify one key of the agency by its identity key."""
    body = KeyCertificate(
        v=1,
        agency=agency,
        use=use,
        key=key.public_jwk(),
        not_before=now,
        use_until=now + life,
        valid_until=now + life + LONGEST_STAY,
        at=now,
    )
    return signed(body, identity)


def revoke_key(
    identity: SigningKey, agency: AgencyId, kid: KeyId, reason: str, now: datetime
) -> bytes:
    """Revoke one key of the agency by its identity key; `Refused("reason-malformed")`."""
    body = KeyRevoked.made("reason-malformed", v=1, agency=agency, kid=kid, reason=reason, at=now)
    return signed(body, identity)


def change_status(
    key: SigningKey, agency: AgencyId, status: AgencyStatus, n: int, reason: str, now: datetime
) -> bytes:
    """Suspend, resume or revoke an agency; who may is judged by every reader.

    `Refused("reason-malformed")` for a reason that no reader would take.
    """
    body = Status.made(
        "reason-malformed", v=1, agency=agency, status=status, n=n, reason=reason, at=now
    )
    return signed(body, key)
