"""Keys as JWK: Ed25519 for signatures (`OKP`, RFC 8037), the composite for sealing (`AKP`).

Guarantees: a key object in memory is well formed and not weak, its `kid` is its RFC 7638
thumbprint, and a private part shows in no repr, pickle or exception.
Trusts: the operating system's random source.

The composite `AKP` key is that of draft-ietf-jose-hpke-pq-pqt-01 (`HPKE-9-KE`): public = ML-KEM-768
encapsulation key ‖ X25519 public key, private = the 32-byte seed that SHAKE256 expands to the
ML-KEM seed (64) and the X25519 scalar (32), as in X-Wing.
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, NoReturn, Self, TypeVar, final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import KeyId
from meldeweg.kernel.points import strong_ed25519, strong_x25519
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps

SIGN_ALG = "EdDSA"
SEAL_ALG = "HPKE-9-KE"
_ML_KEM_BYTES = 1184
_CODE = "key-malformed"


def thumbprint(**required: str) -> KeyId:
    """RFC 7638 over a key type's required members (`OKP`: crv, kty, x; `AKP`: alg, kty, pub)."""
    return KeyId(b64u_encode(hashlib.sha256(dumps(required)).digest()))


class _Public:
    """What both public keys share: they are equal when their bytes are."""

    __slots__ = ("kid", "public")
    kid: KeyId
    public: bytes

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.public == other.public

    def __hash__(self) -> int:
        return hash(self.public)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kid})"


_PublicKey = TypeVar("_PublicKey", bound=_Public)


class _Private:
    """What both private keys share: they show no more than `kid` and are not copied by accident."""

    __slots__ = ("_secret", "kid")
    _secret: bytes
    kid: KeyId

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kid})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("private keys are not pickled or copied")


@final
class SignatureKey(_Public):
    """A public Ed25519 key: verifies."""

    __slots__ = ("_key",)

    def __init__(self, public: bytes) -> None:
        """`public`: 32 bytes (RFC 8032); weak or malformed ones are refused, `key-malformed`."""
        if not strong_ed25519(public):
            raise Refused(_CODE, "not a usable Ed25519 point")
        self.public = public
        self.kid = thumbprint(crv="Ed25519", kty="OKP", x=b64u_encode(public))
        self._key = Ed25519PublicKey.from_public_bytes(public)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Self:
        """Read a public JWK: kty, crv, x, and at most kid, use, alg, each of which must fit."""
        optional = {"use": "sig", "alg": SIGN_ALG}
        public = _public_part(jwk, {"kty": "OKP", "crv": "Ed25519"}, "x", optional)
        return _checked_kid(cls(public), jwk)

    def public_jwk(self) -> dict[str, str]:
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": b64u_encode(self.public),
            "kid": self.kid,
            "use": "sig",
            "alg": SIGN_ALG,
        }

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return silently, or raise `Refused("signature-invalid")`."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature as exc:
            raise Refused("signature-invalid", "") from exc


@final
class SealKey(_Public):
    """A public composite key: content is sealed to it."""

    __slots__ = ("hybrid",)

    def __init__(self, public: bytes) -> None:
        """`public`: 1216 bytes; weak or malformed ones are refused, `key-malformed`."""
        self.hybrid = _composite(public)
        self.public = public
        self.kid = thumbprint(alg=SEAL_ALG, kty="AKP", pub=b64u_encode(public))

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Self:
        """Read a public JWK: kty, alg, pub, and at most kid and use, which must fit."""
        public = _public_part(jwk, {"kty": "AKP", "alg": SEAL_ALG}, "pub", {"use": "enc"})
        return _checked_kid(cls(public), jwk)

    def public_jwk(self) -> dict[str, str]:
        return {
            "kty": "AKP",
            "alg": SEAL_ALG,
            "pub": b64u_encode(self.public),
            "kid": self.kid,
            "use": "enc",
        }


@final
class SigningKey(_Private):
    """A private Ed25519 key: signs."""

    __slots__ = ("_key", "public")

    def __init__(self, secret: bytes) -> None:
        """`secret`: the 32-byte seed of RFC 8032."""
        _length(secret, 32)
        self._secret = secret
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = SignatureKey(self._key.public_key().public_bytes_raw())
        self.kid = self.public.kid

    @classmethod
    def generate(cls) -> Self:
        return cls(secrets.token_bytes(32))

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Self:
        """Read a private JWK; its public part must be there and belong to it."""
        public, secret = _split_private(jwk, "d")
        key = cls(secret)
        if SignatureKey.from_jwk(public) != key.public:
            raise Refused(_CODE, "public and private part differ")
        return key

    def public_jwk(self) -> dict[str, str]:
        return self.public.public_jwk()

    def private_jwk(self) -> dict[str, str]:
        return self.public_jwk() | {"d": b64u_encode(self._secret)}

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of RFC 8032; deterministic."""
        return self._key.sign(data)


@final
class OpenKey(_Private):
    """A private composite key: opens what was sealed to its public part."""

    __slots__ = ("hybrid", "public")

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 bytes."""
        _length(seed, 32)
        expanded = hashlib.shake_256(seed).digest(96)
        ml_kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._secret = seed
        self.hybrid = MLKEM768X25519PrivateKey(ml_kem, x25519)
        self.public = SealKey(
            ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw(),
        )
        self.kid = self.public.kid

    @classmethod
    def generate(cls) -> Self:
        return cls(secrets.token_bytes(32))

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Self:
        """Read a private JWK; its public part must be there and belong to it."""
        public, seed = _split_private(jwk, "priv")
        key = cls(seed)
        if SealKey.from_jwk(public) != key.public:
            raise Refused(_CODE, "public and private part differ")
        return key

    def public_jwk(self) -> dict[str, str]:
        return self.public.public_jwk()

    def private_jwk(self) -> dict[str, str]:
        return self.public_jwk() | {"priv": b64u_encode(self._secret)}


def _composite(public: bytes) -> MLKEM768X25519PublicKey:
    _length(public, _ML_KEM_BYTES + 32)
    ml_kem, x25519 = public[:_ML_KEM_BYTES], public[_ML_KEM_BYTES:]
    if not strong_x25519(x25519):
        raise Refused(_CODE, "not a usable X25519 point")
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(ml_kem),
            X25519PublicKey.from_public_bytes(x25519),
        )
    except ValueError as exc:  # FIPS 203, 7.2: a coefficient is not below q
        raise Refused(_CODE, "not an ML-KEM-768 key") from exc


def _length(value: bytes, expected: int) -> None:
    if len(value) != expected:
        raise Refused(_CODE, f"expected {expected} bytes")


def _public_part(
    jwk: Mapping[str, Any],
    fixed: dict[str, str],
    carrier: str,
    optional: dict[str, str],
) -> bytes:
    """Check a public JWK's members and return the decoded one that carries the key."""
    expected = fixed | optional
    required, allowed = {*fixed, carrier}, {*expected, carrier, "kid"}
    if not required <= jwk.keys() <= allowed:
        raise Refused(_CODE, "members missing or not expected")
    if any(jwk[name] != value for name, value in expected.items() if name in jwk):
        raise Refused(_CODE, "not the kind of key expected here")
    return _decoded(jwk[carrier])


def _checked_kid(key: _PublicKey, jwk: Mapping[str, Any]) -> _PublicKey:
    if jwk.get("kid", key.kid) != key.kid:
        raise Refused(_CODE, "kid is not the thumbprint")
    return key


def _split_private(jwk: Mapping[str, Any], carrier: str) -> tuple[dict[str, Any], bytes]:
    if carrier not in jwk:
        raise Refused(_CODE, "no private part")
    public = {name: value for name, value in jwk.items() if name != carrier}
    return public, _decoded(jwk[carrier])


def _decoded(value: Any) -> bytes:
    if not isinstance(value, str):
        raise Refused(_CODE, "not text")
    return b64u_decode(value, code=_CODE)
