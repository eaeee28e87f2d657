"""Issue, rotate, revoke and list an agency's keys: private JWKs and what the identity key signed.

Guarantees: a private key is written whole and 0600 before its certificate is, so that whoever reads
the directory meanwhile finds no certificate without its key. Nothing is ever overwritten.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from meldeweg.kernel import keyfile, signing, strictjson
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, KeyId
from meldeweg.kernel.jwk import OpenKey, SealKey, SignatureKey, SigningKey
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust.issue import KEY_LIFE, certify, revoke_key
from meldeweg.kernel.trust.objects import KeyCertificate, KeyRevoked, KeyUse

_Body = TypeVar("_Body", KeyCertificate, KeyRevoked)
ONLINE = (KeyUse.SIGN, KeyUse.SEAL)


@dataclass(frozen=True, slots=True)
class Listed:
    """One certified key of a directory."""

    kid: KeyId
    certificate: KeyCertificate
    private_here: bool
    revoked: bool


def check(directory: Path, identity: SigningKey, agency: AgencyId) -> None:
    """Raise Refused `key-of-another-agency` unless all that lies here is of these two.

    Readers refuse a certificate of another identity: who made one would believe it counted.
    """
    for path, token in _tokens(directory):
        jws = signing.parse(token, signing.typ_of(token))
        body = strictjson.loads(jws.payload, code="key-file-malformed")
        named = body.get("agency") if isinstance(body, dict) else None
        if jws.kid != identity.kid or named != agency:
            raise Refused("key-of-another-agency", path.name)


def check_known(directory: Path, kid: KeyId) -> None:
    """Raise Refused `key-unknown` unless the key is certified here: a slip would revoke nothing."""
    if kid not in {each.kid for each in listed(directory)}:
        raise Refused("key-unknown", str(kid))


@contextmanager
def _usable() -> Iterator[None]:
    """Raise Refused `directory-unusable` for what the file system does not let us make."""
    try:
        yield
    except OSError as exc:
        raise Refused("directory-unusable", f"{exc.filename}: {exc.strerror}") from exc


@_usable()
def issue(
    identity: SigningKey,
    agency: AgencyId,
    use: KeyUse,
    directory: Path,
    now: datetime,
    *,
    private_directory: Path | None = None,
    life: timedelta = KEY_LIFE,
) -> KeyId:
    """Make one key, certified by the identity key. The newest is used from then on.

    `private_directory`: where the private part goes; for the oversight key that is the data
    protection officer's own, never the gateway's.
    """
    key = SigningKey.generate() if use is KeyUse.SIGN else OpenKey.generate()
    for each in (directory, private_directory or directory):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    keyfile.write_private((private_directory or directory) / f"{key.kid}.jwk", key)
    token = certify(identity, agency, key.public, use, now, life)
    _write(directory / f"{key.kid}.jws", token)
    return key.kid


def rotate(
    identity: SigningKey, agency: AgencyId, directory: Path, now: datetime
) -> dict[KeyUse, KeyId]:
    """Make new online keys. The old ones go on opening, and being verified, until they end."""
    return {use: issue(identity, agency, use, directory, now) for use in ONLINE}


@_usable()
def revoke(
    identity: SigningKey, agency: AgencyId, kid: KeyId, reason: str, directory: Path, now: datetime
) -> None:
    """Revoke a key for good; the gateway publishes it at its next look."""
    _write(directory / f"{kid}.revoked.jws", revoke_key(identity, agency, kid, reason, now))


def listed(directory: Path) -> list[Listed]:
    """Return every certified key of the directory, oldest first; Refused if there is none."""
    if not directory.is_dir():
        raise Refused("key-directory-missing", str(directory))
    revoked = {body.kid for body in _read(directory, Typ.KEY_REVOKED, KeyRevoked)}
    found = []
    for certificate in _read(directory, Typ.KEY, KeyCertificate):
        reader = SignatureKey if certificate.use is KeyUse.SIGN else SealKey
        kid = reader.from_jwk(certificate.key).kid
        here = (directory / f"{kid}.jwk").exists()
        found.append(Listed(kid, certificate, here, kid in revoked))
    return sorted(found, key=lambda each: each.certificate.at)


def _tokens(directory: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(directory.glob("*.jws")):
        try:
            yield path, path.read_bytes().strip()
        except OSError as exc:
            raise Refused("file-unreadable", f"{path}: {exc.strerror}") from exc


def _read(directory: Path, typ: Typ, model: type[_Body]) -> Iterator[_Body]:
    for _, token in _tokens(directory):
        if signing.typ_of(token) is typ:
            yield model.read(signing.parse(token, typ).payload, "key-file-malformed")


def _write(path: Path, token: bytes) -> None:
    if path.exists():
        raise Refused("key-file-exists", str(path))
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(token + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    keyfile.sync_directory(path.parent)
