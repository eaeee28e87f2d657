"""Facts from this machine: certificates, keys, directories, ports. Thin; judged elsewhere."""

import errno
import os
import secrets
import shutil
import socket
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from meldeweg.ceremony import keys as ceremony
from meldeweg.doctor.facts import (
    CertificateFacts,
    KeyFacts,
    KeyringFacts,
    PortFacts,
    StoreFacts,
)
from meldeweg.kernel import keyfile
from meldeweg.kernel.errors import MeldewegError
from meldeweg.kernel.settings import HttpSettings, KafkaSettings

_PREFIX = {"gateway": "gw", "service": "service", "broker": "broker"}  # as the broker maps names


def certificate(settings: KafkaSettings) -> CertificateFacts:
    """Read a client's certificate, its key and the CA file."""
    return _certificate(settings.cert, settings.key, settings.ca)


def server_certificate(settings: HttpSettings) -> CertificateFacts | None:
    """Read what the API shows to its callers; None without TLS. Whose CA it is they must know."""
    if settings.cert is None or settings.key is None:
        return None
    return _certificate(settings.cert, settings.key, None)


def _certificate(cert: Path, key: Path, ca: Path | None) -> CertificateFacts:
    try:
        own = x509.load_pem_x509_certificates(cert.read_bytes())[0]
        authorities = x509.load_pem_x509_certificates(ca.read_bytes()) if ca else ()
        private = load_pem_private_key(key.read_bytes(), password=None)
    except OSError as exc:
        return CertificateFacts(cert, trouble=f"{exc.filename}: {exc.strerror}")
    except (ValueError, TypeError, IndexError) as exc:
        return CertificateFacts(cert, trouble=type(exc).__name__)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return CertificateFacts(
        cert,
        own.not_valid_before_utc,
        own.not_valid_after_utc,
        _principal(own.subject),
        ca is None or any(_issued_by(own, each) for each in authorities),
        private.public_key().public_bytes(*form) == own.public_key().public_bytes(*form),
    )


def _issued_by(own: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        own.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _principal(subject: x509.Name) -> str:
    """Return whom the broker's mapping rules make of this name, or "" for nobody."""
    names = [
        subject.get_attributes_for_oid(oid)
        for oid in (NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME)
    ]
    if not all(names):
        return ""
    unit, common = (str(found[0].value) for found in names)
    return f"{_PREFIX[unit]}-{common}" if unit in _PREFIX else ""


def store(path: Path, demanded: float) -> StoreFacts:
    """Write a small file into `path`, durably, and take it away again."""
    probe = path / f".doctor-{secrets.token_hex(8)}"
    error = ""
    try:
        try:
            with probe.open("xb") as file:
                file.write(b"\0" * 4096)
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as exc:
        error = errno.errorcode.get(exc.errno or 0, type(exc).__name__)
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return StoreFacts(path, error or "ENOENT", 0.0, demanded)
    return StoreFacts(path, error, usage.free / usage.total if usage.total else 0.0, demanded)


def keyring(path: Path) -> KeyringFacts:
    """Read a gateway's directory of keys as the gateway does, and say what it would pass over."""
    try:
        next(path.iterdir(), None)
        listed = ceremony.listed(path)
        for each in path.glob("*.jwk"):
            keyfile.read(each)  # refuses one that others may read
    except OSError as exc:
        return KeyringFacts(path, trouble=errno.errorcode.get(exc.errno or 0, ""), detail=str(path))
    except MeldewegError as exc:
        return KeyringFacts(path, trouble=exc.code, detail=exc.detail)
    known = {each.kid for each in listed}
    return KeyringFacts(
        path,
        tuple(
            KeyFacts(
                each.kid,
                each.certificate.use,
                each.certificate.at,
                each.certificate.not_before,
                each.certificate.use_until,
                each.private_here,
                each.revoked,
            )
            for each in listed
        ),
        tuple(sorted(each.name for each in path.glob("*.jwk") if each.stem not in known)),
    )


def port(settings: HttpSettings, *, runs_here: bool) -> PortFacts:
    """Try to listen where the service is to listen. `runs_here`: the service itself answers."""
    address = f"{settings.host}:{settings.port}"
    if settings.port == 0 or runs_here:
        return PortFacts(address, "itself" if runs_here else "")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            return PortFacts(address, "another")
        return PortFacts(address, "", errno.errorcode.get(exc.errno or 0, type(exc).__name__))
    return PortFacts(address, "")
