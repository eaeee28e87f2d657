"""What `prepare` puts into the volumes of docker-compose.yml: secrets, certificates, rights."""

import json
import re
import stat

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from check.composed import AGENCIES, DISTRICT, GATEWAYS, LASTING, SERVICES
from meldeweg.ceremony.keys import listed
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.keyfile import read_public_key, read_signing_key
from meldeweg.kernel.settings import read_secret
from meldeweg.kernel.trust.objects import KeyUse
from meldeweg.local import compose
from meldeweg.local.broker_config import PRINCIPAL_RULES


def test_volumes_hold_secrets_that_only_their_owner_reads(prepared):
    for path in prepared.root.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700, path
        elif path.suffix not in (".crt", ".pem", ".jws") and "ceremony" not in path.parts:
            assert mode == 0o600, path


def test_preparing_again_changes_nothing(prepared):
    def snapshot():
        return {
            path: (path.read_bytes(), path.stat().st_mtime_ns)
            for path in prepared.root.rglob("*")
            if path.is_file()
        }

    before = snapshot()
    compose.prepare(prepared, DISTRICT, SystemClock())
    assert snapshot() == before


def test_no_private_key_lies_in_two_volumes_and_offline_keys_in_none(prepared):
    seen: dict[str, str] = {}
    for volume in LASTING:
        for path in prepared.of(volume).rglob("*.jwk"):
            if path.name == "anchor.pub.jwk":
                assert "d" not in json.loads(path.read_text())
                continue
            assert seen.setdefault(path.read_text(), volume) == volume
    offline = {
        json.loads(path.read_text())["kid"]
        for path in (prepared.of("ceremony") / "offline").rglob("*.jwk")
    }
    assert len(offline) == 1 + 2 * len(AGENCIES)  # anchor; identity and oversight of each
    assert offline.isdisjoint(json.loads(text)["kid"] for text in seen)


def test_each_gateway_has_certified_keys_to_sign_and_to_open(prepared):
    for agency in AGENCIES:
        found = {
            each.certificate.use: each for each in listed(prepared.of(f"gateway-{agency}") / "keys")
        }
        assert set(found) == set(KeyUse)
        assert found[KeyUse.SIGN].private_here
        assert found[KeyUse.SEAL].private_here
        assert not found[KeyUse.OVERSIGHT].private_here


def test_certificates_name_the_containers_and_map_to_their_principals(prepared):
    def certificate(volume, name):
        return x509.load_pem_x509_certificate((prepared.of(volume) / name).read_bytes())

    for name in LASTING:
        expected = f"gw-{name[8:]}" if name in GATEWAYS else f"service-{name}"
        assert principal(certificate(name, "kafka.crt")) == expected
        assert name in dns_names(certificate(name, "http.crt"))
        assert usages(certificate(name, "http.crt")) == {ExtendedKeyUsageOID.SERVER_AUTH}
    keystore = certificate("broker", "keystore.pem")
    assert principal(keystore) == "broker-1"
    assert {"broker", "localhost"} <= set(dns_names(keystore))
    assert "postgres" in dns_names(certificate("postgres", "server.crt"))


def principal(certificate):
    """What the broker's mapping rules make of a subject (Java prints it reversed)."""
    subject = ",".join(part.rfc4514_string() for part in reversed(certificate.subject.rdns))
    for rule in PRINCIPAL_RULES.split("/,"):
        found = re.fullmatch(r"RULE:(.*)/(.*)", rule)
        if found and (matched := re.fullmatch(found[1], subject)):
            return re.sub(r"\$(\d)", lambda number: matched[int(number[1])], found[2])
    return subject


def dns_names(certificate):
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


def usages(certificate):
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_the_database_lets_nobody_in_without_password_or_in_the_clear(prepared):
    rules = (prepared.of("postgres") / "pg_hba.conf").read_text()
    lines = [line for line in rules.splitlines() if not line.startswith("#")]
    assert lines
    assert all(line.endswith("scram-sha-256") for line in lines)
    assert not any(line.startswith(("host ", "hostnossl")) for line in lines)
    for role in ("registry", "audit"):
        uri = read_secret(prepared.of(role) / "database.uri")
        assert uri.startswith(f"postgresql://{role}@/")
        assert "sslmode=verify-full" in uri
        assert read_secret(prepared.of(role) / "pgpass").split(":")[4] not in uri
    assert not (prepared.of("watch") / "pgpass").exists()


def test_services_share_the_anchor_and_sign_with_keys_of_their_own(prepared):
    anchors = {
        read_public_key(prepared.of(name) / "anchor.pub.jwk").kid
        for name in LASTING
        if "MELDEWEG_ANCHOR" in SERVICES[name]["environment"]
    }
    assert len(anchors) == 1
    registry = read_signing_key(prepared.of("registry") / "signing.jwk")
    audit = read_signing_key(prepared.of("audit") / "checkpoints.jwk")
    assert registry.kid != audit.kid
