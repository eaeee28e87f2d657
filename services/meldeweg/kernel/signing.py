"""Compact JWS with Ed25519: sign, parse strictly, verify (RFC 7515, RFC 8037).

Guarantees: one token has one reading. Exactly three parts, canonical base64url, exactly the
expected header members, one algorithm, one `typ` per kind of object, so that a signature over one
kind never passes as another. The bytes that were signed are the bytes that are verified.
Trusts: the key that the caller found certified for `Jws.kid`; nothing inside the token chooses
a key or an algorithm. A parsed token is *not* verified: call `verify` before using its payload.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import KeyId
from meldeweg.kernel.jwk import SignatureKey, SigningKey
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps, loads

ALG = "EdDSA"
TOKEN_MAX = 512 * 1024  # characters; an agreement with its clauses is the largest payload
HEADER_MAX = 4 * 1024  # characters of base64url
SIGNATURE_BYTES = 64
_BASE = frozenset({"alg", "kid", "typ"})
_VALUES = (str, int)  # exactly: bool is an int too, and is refused


class Typ(StrEnum):
    """What a signature is about; the version is part of the name, and names are never reused."""

    STATEMENT = "meldeweg.statement.v1+jws"
    EVENT = "meldeweg.event.v1+jws"
    ENROLMENT = "meldeweg.enrolment.v1+jws"
    STATUS = "meldeweg.status.v1+jws"  # suspended, active, revoked
    SERVICE_KEY = "meldeweg.service-key.v1+jws"
    KEY = "meldeweg.key.v1+jws"
    KEY_REVOKED = "meldeweg.key-revoked.v1+jws"
    READS = "meldeweg.reads.v1+jws"  # message types and versions an agency reads
    CONTACTS = "meldeweg.contacts.v1+jws"
    AGREEMENT_SIGNATURE = "meldeweg.agreement-signature.v1+jws"
    SNAPSHOT = "meldeweg.snapshot.v1+jws"
    HEARTBEAT = "meldeweg.heartbeat.v1+jws"
    MANIFEST = "meldeweg.manifest.v1+jws"
    COSIGNATURE = "meldeweg.cosignature.v1+jws"


@dataclass(frozen=True, slots=True)
class Jws:
    """A strictly decoded token whose signature has not been looked at yet."""

    typ: Typ
    kid: KeyId
    header: Mapping[str, str | int]
    payload: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def sign(key: SigningKey, typ: Typ, payload: bytes, **extra_protected: str | int) -> str:
    """Return the compact JWS over `payload`; `extra_protected` become protected header members."""
    if not _BASE.isdisjoint(extra_protected):
        raise ValueError("alg, kid and typ are not the caller's to set")
    if any(type(value) not in _VALUES for value in extra_protected.values()):
        raise TypeError("header values are text or integers")
    header = {"alg": ALG, "kid": key.kid, "typ": typ.value} | extra_protected
    signing_input = f"{b64u_encode(dumps(header))}.{b64u_encode(payload)}"
    token = f"{signing_input}.{b64u_encode(key.sign(signing_input.encode('ascii')))}"
    _split(token)  # never hand out what is too large to be read
    return token


def parse(token: str | bytes, typ: Typ, *, extra: frozenset[str] = frozenset()) -> Jws:
    """Decode a token of kind `typ` whose header has exactly alg, kid, typ and `extra`.

    Raises `Refused`: `jws-malformed`, `jws-too-large`, `jws-alg-refused`, `jws-typ-wrong`.
    """
    parts = _split(token)
    header = _header(parts[0], extra)
    if header["alg"] != ALG:
        raise Refused("jws-alg-refused", "the one algorithm is EdDSA")
    if header["typ"] != typ.value:
        raise Refused("jws-typ-wrong", f"expected {typ.value}")
    signature = b64u_decode(parts[2], code="jws-malformed")
    if len(signature) != SIGNATURE_BYTES:
        raise Refused("jws-malformed", "signature length")
    return Jws(
        typ=typ,
        kid=_kid(header["kid"]),
        header=MappingProxyType(header),
        payload=b64u_decode(parts[1], code="jws-malformed"),
        signing_input=b".".join(parts[:2]),
        signature=signature,
    )


def verify(jws: Jws, key: SignatureKey) -> None:
    """Return silently, or raise `signature-key-mismatch` or `signature-invalid`."""
    if jws.kid != key.kid:
        raise Refused("signature-key-mismatch", "signed under another key id")
    key.verify(jws.signature, jws.signing_input)


def typ_of(token: str | bytes) -> Typ:
    """Return the kind a token claims to be, to choose how to `parse` it; proves nothing."""
    claimed = _json_header(_split(token)[0]).get("typ")
    for typ in Typ:
        if claimed == typ.value:
            return typ
    raise Refused("jws-typ-wrong", "not a kind this version knows")


def _split(token: str | bytes) -> list[bytes]:
    if len(token) > TOKEN_MAX:
        raise Refused("jws-too-large", f"more than {TOKEN_MAX} characters")
    if isinstance(token, str):
        if not token.isascii():
            raise Refused("jws-malformed", "not ASCII")
        token = token.encode("ascii")
    parts = token.split(b".")
    if len(parts) != 3:
        raise Refused("jws-malformed", "not three parts")
    if len(parts[0]) > HEADER_MAX:
        raise Refused("jws-too-large", f"header of more than {HEADER_MAX} characters")
    return parts


def _json_header(part: bytes) -> dict[str, object]:
    decoded = b64u_decode(part, code="jws-malformed")
    header = loads(decoded, max_depth=1, code="jws-malformed")
    if not isinstance(header, dict):
        raise Refused("jws-malformed", "header is not an object")
    return header


def _header(part: bytes, extra: frozenset[str]) -> dict[str, str | int]:
    header = _json_header(part)
    # This alone refuses crit, b64, jwk, jku, x5c and whatever is invented next.
    if header.keys() != _BASE | extra:
        raise Refused("jws-malformed", "header members are not exactly those expected")
    checked: dict[str, str | int] = {}
    for name, value in header.items():
        if type(value) is str or type(value) is int:
            checked[name] = value
        else:
            raise Refused("jws-malformed", "header value is neither text nor integer")
    return checked


def _kid(value: str | int) -> KeyId:
    if not isinstance(value, str) or not KeyId.PATTERN.fullmatch(value):
        raise Refused("jws-malformed", "kid is not a thumbprint")
    return KeyId(value)
