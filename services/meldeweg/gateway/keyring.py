"""The agency's online keys: a directory that an operator fills and the gateway reads.

`<kid>.jwk` is a private key (mode 0600); `*.jws` is what the identity key signed: certificates (of
the oversight key too, whose private part is not here) and revocations.

Guarantees: signs only with a key that the agency's identity key certified, newest first, within its
time; opens with any key that is here, however old. New files are picked up while running; a file
that is wrong then is named in the log and passed over. Trusts: the directory's owner; `View` for
what is certified and revoked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from meldeweg.kernel import keyfile, logs, signing
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId, KeyId
from meldeweg.kernel.jwk import OpenKey, SealKey, SignatureKey, SigningKey
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust.objects import KeyCertificate, KeyRevoked, KeyUse
from meldeweg.kernel.trust.view import View

_TOKEN_MAX = 64 * 1024  # bytes
log = logs.get()
logs.allow(file=re.compile(r"[\w.-]{1,120}"))


@dataclass(frozen=True, slots=True)
class Keys:
    """What one scan found. `tokens`: certificates and revocations, to be published."""

    signing: dict[KeyId, SigningKey]
    opening: dict[KeyId, OpenKey]
    certificates: dict[KeyId, KeyCertificate]
    tokens: tuple[bytes, ...]


class Keyring:
    """`scan` reads the directory; everything else answers from the last scan."""

    def __init__(self, directory: Path, me: AgencyId) -> None:
        """Read the directory for the first time; here a wrong file is `Fatal`."""
        self._directory = directory
        self._me = me
        self._seen: frozenset[tuple[str, int, int]] = frozenset()
        self._bad: set[str] = set()
        self.keys = Keys({}, {}, {}, ())
        self.scan(strict=True)

    def scan(self, *, strict: bool = False) -> bool:
        """Read the directory if it changed; say whether the keys did. Call it every few seconds."""
        seen = frozenset(self._listed())
        if seen == self._seen:
            return False
        found = Keys({}, {}, {}, tuple(self._tokens(strict=strict)))
        for token in found.tokens:
            if signing.typ_of(token) is Typ.KEY:
                certificate = _certificate(token)
                found.certificates[_kid(certificate)] = certificate
        for path in sorted(self._directory.glob("*.jwk")):
            self._private(path, found, strict=strict)
        changed, self.keys, self._seen = found != self.keys, found, seen
        return changed

    def signing_key(self, view: View, now: datetime) -> SigningKey:
        """Return the key to sign with now, or `Unavailable("no-signing-key")`."""
        usable = [
            (certified.certificate.at, key)
            for certified in view.certified(self._me)
            if certified.certificate.use is KeyUse.SIGN
            and (key := self.keys.signing.get(certified.key.kid)) is not None
            and view.is_usable(certified, now)
        ]
        if not usable:
            raise Unavailable("no-signing-key", "no certified signing key within its time")
        return max(usable, key=lambda pair: pair[0])[1]

    def opening_key(self, kid: KeyId) -> OpenKey | None:
        """Return the private key that opens what was sealed to `kid`."""
        return self.keys.opening.get(kid)

    def _listed(self) -> Iterator[tuple[str, int, int]]:
        try:
            for path in self._directory.iterdir():
                if path.suffix in (".jwk", ".jws"):
                    status = path.stat()
                    yield path.name, status.st_mtime_ns, status.st_size
        except OSError as exc:
            raise Fatal("keys-unreadable", f"{self._directory}: {exc.strerror}") from exc

    def _tokens(self, *, strict: bool) -> Iterator[bytes]:
        for path in sorted(self._directory.glob("*.jws")):
            try:
                yield _own(path, self._me)
            except Refused as exc:
                self._passed_over(path, exc, strict=strict)

    def _private(self, path: Path, found: Keys, *, strict: bool) -> None:
        """Take in a private key for the use that its certificate names."""
        certificate = next((c for kid, c in found.certificates.items() if kid == path.stem), None)
        if certificate is None:  # its certificate may come a moment later
            self._passed_over(path, Refused("key-uncertified", "no certificate"), strict=False)
            return
        try:
            if certificate.use is KeyUse.SIGN:
                signing_key = keyfile.read_signing_key(path)
                found.signing[_named(signing_key.kid, path)] = signing_key
            else:
                opening_key = keyfile.read_open_key(path)
                found.opening[_named(opening_key.kid, path)] = opening_key
        except (Refused, Fatal) as exc:
            self._passed_over(path, exc, strict=strict)

    def _passed_over(self, path: Path, exc: Refused | Fatal, *, strict: bool) -> None:
        if strict:
            raise Fatal(exc.code, f"{path}: {exc.detail}") from exc
        if path.name not in self._bad:
            self._bad.add(path.name)
            log.error("key_file_passed_over", file=path.name, code=exc.code)


def _own(path: Path, me: AgencyId) -> bytes:
    """Return the token of a certificate or revocation of this agency."""
    try:
        token = path.read_bytes().strip()
    except OSError as exc:
        raise Refused("key-file-unreadable", "") from exc
    if len(token) > _TOKEN_MAX:
        raise Refused("jws-too-large", "")
    typ = signing.typ_of(token)
    match typ:
        case Typ.KEY:
            agency = _certificate(token).agency
        case Typ.KEY_REVOKED:
            payload = signing.parse(token, typ).payload
            agency = KeyRevoked.read(payload, "key-revoked-malformed").agency
        case _:
            raise Refused("jws-typ-wrong", "neither a certificate nor a revocation")
    if agency != me:
        raise Refused("key-of-another-agency", "")
    return token


def _named(kid: KeyId, path: Path) -> KeyId:
    if kid != path.stem:
        raise Refused("key-file-misnamed", "the name is not the key's id")
    return kid


def _certificate(token: bytes) -> KeyCertificate:
    payload = signing.parse(token, Typ.KEY).payload
    return KeyCertificate.read(payload, "key-certificate-malformed")


def _kid(certificate: KeyCertificate) -> KeyId:
    if certificate.use is KeyUse.SIGN:
        return SignatureKey.from_jwk(certificate.key).kid
    return SealKey.from_jwk(certificate.key).kid
