"""The demo's certificate authority and the certificates of brokers, gateways and services.

Guarantees: the subject is encoded O, OU, CN, in this order, because the broker's mapping rules see
it reversed (`CN=…,OU=…,O=…`) and map it to the principal; keys are readable by their owner alone;
what exists is used again while it has life enough, so that `up` on a directory changes nothing.
Trusts whoever can write the directory: the CA's key lies in it. For demo and tests alone; in
production an agency's certificate comes from a CA of the operators (step-ca or their own).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from meldeweg.kernel.clock import Clock, SystemClock
from meldeweg.kernel.ids import AgencyId
from meldeweg.local.files import private_directory, write_private

ORGANIZATION = "Meldeweg Demo"
CA_LIFE = timedelta(days=730)
LEAF_LIFE = timedelta(days=180)
RENEW_BEFORE = timedelta(days=30)  # less than this left: a new certificate
_BACKDATED = timedelta(minutes=5)  # a neighbour's clock may be a little behind

Unit = Literal["gateway", "service", "broker", "server"]
ServiceName = Literal["registry", "audit", "watch"]
_PREFIX: dict[Unit, str] = {
    "gateway": "gw",
    "service": "service",
    "broker": "broker",
    "server": "server",
}


@dataclass(frozen=True, slots=True)
class Credential:
    """One identity towards the broker. All three files are PEM; the key is PKCS#8, mode 0600."""

    principal: str  # as in ACLs, without the `User:` before it
    cert: Path
    key: Path
    ca: Path


class DemoPki:
    """A CA in `directory`, and the certificates it has issued."""

    def __init__(
        self, directory: Path, clock: Clock | None = None, *, broker_names: tuple[str, ...] = ()
    ) -> None:
        """`broker_names`: by which clients reach the broker, besides loopback."""
        self._directory = private_directory(directory)
        self._clock = clock or SystemClock()
        self._broker_names = broker_names
        self.ca = directory / "ca.pem"
        self._ca_key, self._ca_cert = self._authority()

    def gateway(self, agency: AgencyId) -> Credential:
        """`gw-<agency>`: the client certificate of an agency's gateway."""
        return self._issued("gateway", agency)

    def service(self, name: ServiceName) -> Credential:
        """`service-<name>`: the client certificate of a central service."""
        return self._issued("service", name)

    def broker(self, node: int) -> Credential:
        """`broker-<node>`: super user, server and client at once (brokers talk to each other)."""
        return self._issued("broker", str(node))

    def server(self, name: str) -> Credential:
        """Return what a server reached as `name` shows its clients; it is nobody at the broker."""
        return self._issued("server", name)

    def keystore(self, node: int) -> Path:
        """One PEM file, key then certificate, as the broker's `ssl.keystore.location` wants it."""
        credential = self.broker(node)
        path = self._directory / f"{credential.principal}.keystore.pem"
        content = credential.key.read_bytes() + credential.cert.read_bytes()
        if not path.exists() or path.read_bytes() != content:
            write_private(path, content)
        return path

    def _authority(self) -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
        key_path = self._directory / "ca.key"
        pair = _read_pair(key_path, self.ca)
        now = self._clock.now()
        # A CA must outlive everything it signs, or leaves die with it unnoticed.
        if pair and pair[1].not_valid_after_utc - now >= LEAF_LIFE + RENEW_BEFORE:
            return pair
        key = generate_private_key(SECP256R1())
        name = _name("ca", "Meldeweg Demo CA")
        cert = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .sign(key, hashes.SHA256())
        )
        _write_pair(key_path, self.ca, key, cert)
        return key, cert

    def _issued(self, unit: Unit, common_name: str) -> Credential:
        principal = f"{_PREFIX[unit]}-{common_name}"
        credential = Credential(
            principal=principal,
            cert=self._directory / f"{principal}.crt",
            key=self._directory / f"{principal}.key",
            ca=self.ca,
        )
        pair = _read_pair(credential.key, credential.cert)
        if not pair or not self._good_enough(pair[1]):
            self._issue(credential, unit, common_name)
        return credential

    def _good_enough(self, cert: x509.Certificate) -> bool:
        try:
            cert.verify_directly_issued_by(self._ca_cert)
        except (InvalidSignature, ValueError):
            return False
        return cert.not_valid_after_utc - self._clock.now() >= RENEW_BEFORE

    def _issue(self, credential: Credential, unit: Unit, common_name: str) -> None:
        now = self._clock.now()
        key = generate_private_key(SECP256R1())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH] if unit != "server" else []
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(unit, common_name))
            .issuer_name(self._ca_cert.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + LEAF_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca_key.public_key()), False
            )
        )
        if unit in ("broker", "server"):
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            more = self._broker_names if unit == "broker" else (common_name,)
            names = [
                *(x509.DNSName(name) for name in ("localhost", *more)),
                x509.IPAddress(IPv4Address("127.0.0.1")),
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        cert = builder.add_extension(x509.ExtendedKeyUsage(usages), False).sign(
            self._ca_key, hashes.SHA256()
        )
        _write_pair(credential.key, credential.cert, key, cert)


def _name(unit: str, common_name: str) -> x509.Name:
    parts: Iterable[tuple[x509.ObjectIdentifier, str]] = (
        (NameOID.ORGANIZATION_NAME, ORGANIZATION),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        (NameOID.COMMON_NAME, common_name),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _read_pair(
    key_path: Path, cert_path: Path
) -> tuple[EllipticCurvePrivateKey, x509.Certificate] | None:
    """Return key and certificate if both are there and belong together.

    A crash between the two writes leaves a pair that does not: then both are made anew.
    """
    if not (key_path.exists() and cert_path.exists()):
        return None
    key = load_pem_private_key(key_path.read_bytes(), password=None)
    cert = x509.load_pem_x509_certificate(cert_path.read_bytes())
    if not isinstance(key, EllipticCurvePrivateKey):
        return None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != cert.public_key().public_bytes(*form):
        return None
    return key, cert


def _write_pair(
    key_path: Path, cert_path: Path, key: EllipticCurvePrivateKey, cert: x509.Certificate
) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(key_path, pem)
    write_private(cert_path, cert.public_bytes(Encoding.PEM), mode=0o644)
