"""Seal to recipients, open what was sealed: JWE JSON, `HPKE-9-KE`, A256GCM, and nothing else.

Guarantees: only the holder of a recipient's private key reads the plaintext, today and after a
quantum computer (MLKEM768-X25519: both halves must fall); what is opened was sealed together with
exactly this `aad`; one suite, one protected header, so there is nothing to negotiate down. A
refusal carries a code and never a byte of plaintext or key; every failure after parsing looks the
same, whether key, ciphertext or tag was wrong.
Does not guarantee: who sealed it, and that each recipient got the same content key (AES-GCM does
not commit to its key). The statement's signature over the value, and the record's commitment in
the context, do that. An entry of another recipient is checked for form only.
Trusts: that the caller took the recipients' keys from certified entries.

Sources: RFC 7516; draft-ietf-jose-hpke-encrypt-20, section 6 (key encryption);
draft-ietf-jose-hpke-pq-pqt-01 (the suite). docs/spec/message.md gives the bytes.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import KeyId
from meldeweg.kernel.jwk import SEAL_ALG, OpenKey, SealKey
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps, loads

ENC = "A256GCM"
TYP = "meldeweg.sealed.v1+jwe"  # the version: the two drafts may still change
ENVELOPE_MAX = 2 * 1024 * 1024  # bytes of JSON; what a record may hold
RECIPIENTS_MAX = 8
AAD_BYTES = 32

_CEK_BYTES, _IV_BYTES, _TAG_BYTES = 32, 12, 16
_EK_BYTES = 1120  # ML-KEM-768 ciphertext 1088 ‖ X25519 ephemeral key 32
_WRAPPED_BYTES = _CEK_BYTES + 16
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.SHAKE256, AEAD.AES_256_GCM)
# Recipient_structure of the draft with empty recipient_extra_info; the HPKE aad stays empty.
_INFO = b"JOSE-HPKE rcpt\xff" + ENC.encode("ascii") + b"\xff"
_PROTECTED = b64u_encode(dumps({"alg": SEAL_ALG, "enc": ENC, "typ": TYP}))
_MEMBERS = frozenset({"aad", "ciphertext", "iv", "protected", "recipients", "tag"})
_MALFORMED = "envelope-malformed"
_UNREADABLE = "envelope-unreadable"


def seal(plaintext: bytes, recipients: Sequence[SealKey], aad: bytes) -> bytes:
    """Return the JWE JSON that any of 1 to 8 `recipients` can open with the same 32-byte `aad`.

    A key given twice gets one entry. Raises `envelope-too-large`, `envelope-recipients`.
    """
    distinct = list(dict.fromkeys(recipients))
    if not 1 <= len(distinct) <= RECIPIENTS_MAX:
        raise Refused("envelope-recipients", f"1 to {RECIPIENTS_MAX} keys")
    if len(aad) != AAD_BYTES:
        raise ValueError("aad is the SHA-256 of the context")
    cek, iv = secrets.token_bytes(_CEK_BYTES), secrets.token_bytes(_IV_BYTES)
    ciphertext, tag = _encrypt(cek, iv, plaintext, _authenticated(_PROTECTED, b64u_encode(aad)))
    envelope = dumps(
        {
            "aad": b64u_encode(aad),
            "ciphertext": b64u_encode(ciphertext),
            "iv": b64u_encode(iv),
            "protected": _PROTECTED,
            "recipients": [_entry(cek, key) for key in distinct],
            "tag": b64u_encode(tag),
        },
    )
    if len(envelope) > ENVELOPE_MAX:
        raise Refused("envelope-too-large", f"more than {ENVELOPE_MAX} bytes")
    return envelope


def open_sealed(jwe: bytes, key: OpenKey, aad: bytes) -> bytes:
    """Return the plaintext that was sealed to `key` together with `aad`.

    Raises `Refused`: `envelope-malformed`, `envelope-too-large`, `envelope-aad-mismatch`,
    `envelope-not-for-this-key`, `envelope-unreadable`.
    """
    return open_with(jwe, {key.kid: key}, aad)


def open_with(
    jwe: bytes,
    keys: Mapping[KeyId, OpenKey],
    aad: bytes,
    *,
    readers: Callable[[tuple[KeyId, ...]], None] | None = None,
) -> bytes:
    """Return the plaintext that was sealed to one of `keys`; otherwise as `open_sealed`.

    `readers` is shown the key ids of all recipients before anything opens, and may refuse them.
    """
    # 1 parse strictly, every recipient's entry included
    sealed = _parse(jwe)
    # 2 sealed for this context and no other; public on both sides, so it may be told apart
    _check_aad(sealed, aad)
    # 3 the entry for a key that is here: the first of several
    if readers is not None:
        readers(tuple(sealed.entries))
    kid = next((kid for kid in sealed.entries if kid in keys), None)
    if kid is None:
        raise Refused("envelope-not-for-this-key", f"no entry for {', '.join(keys)}")
    # 4 the content key, 5 the content; one code for both, so that nothing is told about either
    cek = _unwrap(keys[kid], *sealed.entries[kid])
    authenticated = _authenticated(_PROTECTED, b64u_encode(aad))
    return _decrypt(cek, sealed.iv, sealed.ciphertext, sealed.tag, authenticated)


def addressed_to(jwe: bytes, aad: bytes | None = None) -> tuple[KeyId, ...]:
    """Return the key ids of the recipients, in order; parsed as strictly as for opening.

    Says which of several keys to open with, and whether the oversight keys were left out. With
    `aad`, what says of itself that it was sealed together with another is `envelope-aad-mismatch`:
    its recipients could not open it, which others can see without a key.
    """
    sealed = _parse(jwe)
    if aad is not None:
        _check_aad(sealed, aad)
    return tuple(sealed.entries)


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A strictly decoded envelope. `entries`: key id → (encapsulated key, wrapped content key)."""

    aad: bytes
    iv: bytes
    ciphertext: bytes = field(repr=False)
    tag: bytes
    entries: dict[KeyId, tuple[bytes, bytes]] = field(repr=False)


def _parse(jwe: bytes) -> _Sealed:
    if len(jwe) > ENVELOPE_MAX:
        raise Refused("envelope-too-large", f"more than {ENVELOPE_MAX} bytes")
    members = _object(loads(jwe, max_depth=4, code=_MALFORMED), _MEMBERS)
    # The only header there is: compared as text, never interpreted.
    if members["protected"] != _PROTECTED:
        raise Refused(_MALFORMED, "not the protected header of this version")
    return _Sealed(
        aad=_octets(members["aad"], AAD_BYTES),
        iv=_octets(members["iv"], _IV_BYTES),
        ciphertext=_octets(members["ciphertext"]),
        tag=_octets(members["tag"], _TAG_BYTES),
        entries=_entries(members["recipients"]),
    )


def _check_aad(sealed: _Sealed, aad: bytes) -> None:
    if sealed.aad != aad:
        raise Refused("envelope-aad-mismatch", "sealed together with another context")


def _entries(recipients: Any) -> dict[KeyId, tuple[bytes, bytes]]:
    if not isinstance(recipients, list) or not 1 <= len(recipients) <= RECIPIENTS_MAX:
        raise Refused(_MALFORMED, f"not 1 to {RECIPIENTS_MAX} recipients")
    entries: dict[KeyId, tuple[bytes, bytes]] = {}
    for recipient in recipients:
        entry = _object(recipient, frozenset({"encrypted_key", "header"}))
        header = _object(entry["header"], frozenset({"ek", "kid"}))
        kid = header["kid"]
        if not isinstance(kid, str) or not KeyId.PATTERN.fullmatch(kid) or kid in entries:
            raise Refused(_MALFORMED, "a recipient's key id is malformed or there twice")
        wrapped = _octets(entry["encrypted_key"], _WRAPPED_BYTES)
        entries[KeyId(kid)] = (_octets(header["ek"], _EK_BYTES), wrapped)
    return entries


def _object(value: Any, names: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != names:
        raise Refused(_MALFORMED, f"members are not exactly {', '.join(sorted(names))}")
    return value


def _octets(value: Any, length: int | None = None) -> bytes:
    if not isinstance(value, str):
        raise Refused(_MALFORMED, "not text")
    octets = b64u_decode(value, code=_MALFORMED)
    if length is not None and len(octets) != length:
        raise Refused(_MALFORMED, f"expected {length} bytes")
    return octets


def _authenticated(protected: str, aad: str) -> bytes:
    """RFC 7516, 5.1 step 14: what the content encryption authenticates, both parts base64url."""
    return f"{protected}.{aad}".encode("ascii")


def _entry(cek: bytes, recipient: SealKey) -> dict[str, Any]:
    """Encrypt the content key to one recipient; the library returns enc ‖ ciphertext."""
    wrapped = _SUITE.encrypt(cek, recipient.hybrid, info=_INFO)
    header = {"ek": b64u_encode(wrapped[:_EK_BYTES]), "kid": recipient.kid}
    return {"encrypted_key": b64u_encode(wrapped[_EK_BYTES:]), "header": header}


def _unwrap(key: OpenKey, ek: bytes, wrapped: bytes) -> bytes:
    try:
        cek = _SUITE.decrypt(ek + wrapped, key.hybrid, info=_INFO)
    except (InvalidTag, ValueError) as exc:  # ValueError: an ephemeral X25519 key of small order
        raise Refused(_UNREADABLE) from exc
    if len(cek) != _CEK_BYTES:
        raise Refused(_UNREADABLE)
    return cek


def _encrypt(cek: bytes, iv: bytes, plaintext: bytes, authenticated: bytes) -> tuple[bytes, bytes]:
    sealed = AESGCM(cek).encrypt(iv, plaintext, authenticated)
    return sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]


def _decrypt(cek: bytes, iv: bytes, ciphertext: bytes, tag: bytes, authenticated: bytes) -> bytes:
    try:
        return AESGCM(cek).decrypt(iv, ciphertext + tag, authenticated)
    except InvalidTag as exc:
        raise Refused(_UNREADABLE) from exc
