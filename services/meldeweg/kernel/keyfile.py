"""Private keys, and other secrets, in files.

Guarantees: a secret's file is created whole, durable and with mode 0600, or not at all; one that is
there is never overwritten; one that anybody else may read or write is not used.
Trusts: the file system's owner and mode bits, and root.
"""

import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.kernel.jwk import OpenKey, SignatureKey, SigningKey
from meldeweg.kernel.strictjson import dumps, loads

_FILE_MAX = 16 * 1024  # bytes
_SIGN, _SEAL = "OKP", "AKP"  # kty
# What a file may hold, in words of ours: a file's own could be the secret.
_KINDS = {
    _SIGN: "key for signatures (OKP)",
    _SEAL: "key for sealing (AKP)",
    "EC": "key on another curve (EC)",
    "RSA": "key for RSA",
    "oct": "symmetric key (oct)",
}
_OTHER_OKP = "key of another curve (OKP, not Ed25519)"
_SECRET = frozenset({"d", "priv", "k"})  # members of a JWK that nobody else may know
_Key = TypeVar("_Key", SigningKey, OpenKey)


def write_private(path: Path, key: SigningKey | OpenKey) -> None:
    """Create `path` whole and durable with mode 0600.

    `Fatal("key-file-exists")` if it is there, `key-file-not-writable` if it can't be.
    """
    with _writing(path):
        create(path, dumps(key.private_jwk()) + b"\n")


def create(path: Path, secret: bytes) -> None:
    """Create `path` whole and durable with mode 0600; `Fatal("key-file-exists")` if it is there."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, cannot replace a key that is already there.
        path.hardlink_to(temporary)
    except FileExistsError as exc:
        raise Fatal("key-file-exists", str(path)) from exc
    finally:
        temporary.unlink()
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable, as fsync does a file's content."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_public(path: Path, key: SignatureKey) -> None:
    """Write a public JWK to a new file; `Fatal` as `write_private`."""
    with _writing(path), path.open("xb") as file:
        file.write(dumps(key.public_jwk()) + b"\n")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as exc:
        raise Fatal("key-file-exists", str(path)) from exc
    except OSError as exc:
        raise Fatal("key-file-not-writable", f"{path}: {exc.strerror}") from exc


def read_signing_key(path: Path) -> SigningKey:
    """Read a private key; `Fatal`: `key-file-missing`, `-unreadable`, `-open`, `-malformed`."""
    return _from_file(path, _SIGN, SigningKey.from_jwk)


def read_public_key(path: Path) -> SignatureKey:
    """Read a public Ed25519 JWK; `Fatal`: `key-file-missing`, `-unreadable`, `-malformed`."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise Fatal("key-file-unreadable", f"{path}: {exc.strerror}") from exc
    try:
        return SignatureKey.from_jwk(_object(data, f"public {_KINDS[_SIGN]}"))
    except Refused as exc:
        raise Fatal("key-file-malformed", f"{path}: {exc.detail}") from exc


def read_open_key(path: Path) -> OpenKey:
    """Read a private key; `Fatal`: `key-file-missing`, `-unreadable`, `-open`, `-malformed`."""
    return _from_file(path, _SEAL, OpenKey.from_jwk)


def read(path: Path) -> bytes:
    """Return the first 16 KiB and one byte of a file that nobody else can read.

    `Fatal`: `key-file-missing`, `-unreadable`, `-open`, `-malformed` (not a regular file).
    """
    try:
        with path.open("rb") as file:
            _private(os.fstat(file.fileno()), path)
            return file.read(_FILE_MAX + 1)
    except FileNotFoundError as exc:
        raise Fatal("key-file-missing", str(path)) from exc
    except OSError as exc:
        raise Fatal("key-file-unreadable", f"{path}: {exc.strerror}") from exc


def _from_file(path: Path, kty: str, parse: Callable[[Mapping[str, Any]], _Key]) -> _Key:
    data = read(path)
    try:
        return parse(_object(data, f"private {_KINDS[kty]}"))
    except Refused as exc:
        raise Fatal("key-file-malformed", f"{path}: {exc.detail}") from exc


def _object(data: bytes, needed: str) -> dict[str, Any]:
    if len(data) > _FILE_MAX:
        raise Refused("key-malformed", f"more than {_FILE_MAX} bytes")
    if data.startswith(b"-----BEGIN "):
        raise Refused("key-malformed", f"a PEM file; needed is the JWK of a {needed}")
    jwk = loads(data, max_depth=1)
    if not isinstance(jwk, dict):
        raise Refused("key-malformed", "not an object")
    # Said before the members are looked at: those of another kind have other names.
    if (kind := _kind(jwk)) is not None and kind != needed:
        raise Refused("key-malformed", f"a {kind}; needed is a {needed}")
    return jwk


def _kind(jwk: Mapping[str, Any]) -> str | None:
    """Say which kind of key a JWK is, or None if it is none that has a name here."""
    kty = jwk.get("kty")
    kind = _KINDS.get(kty) if isinstance(kty, str) else None
    if kind is None:
        return None
    if kty == _SIGN and jwk.get("crv", "Ed25519") != "Ed25519":
        kind = _OTHER_OKP
    return f"{'private' if _SECRET & jwk.keys() else 'public'} {kind}"


def _private(status: os.stat_result, path: Path) -> None:
    """Look at the opened file, not at the name: nobody can swap it in between."""
    if not stat.S_ISREG(status.st_mode):
        raise Fatal("key-file-malformed", f"{path}: not a regular file")
    if status.st_mode & 0o077:
        raise Fatal("key-file-open", f"{path}: others may read or write it; chmod 600")
    if status.st_uid not in (0, os.geteuid()):
        raise Fatal("key-file-open", f"{path}: belongs to another user")
