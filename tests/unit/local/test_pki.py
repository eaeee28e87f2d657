from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.ids import AgencyId
from meldeweg.local.pki import LEAF_LIFE, RENEW_BEFORE, DemoPki

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock():
    return FixedClock(NOW)


@pytest.fixture
def pki(tmp_path, clock):
    return DemoPki(tmp_path / "pki", clock)


def certificate(credential):
    return x509.load_pem_x509_certificate(credential.cert.read_bytes())


def test_subject_is_encoded_organisation_first_so_that_the_broker_sees_it_last(pki):
    cert = certificate(pki.gateway(AgencyId("polizei-viersen")))
    assert cert.subject.rfc4514_string() == "CN=polizei-viersen,OU=gateway,O=Meldeweg Demo"


@pytest.mark.parametrize(
    ("issue", "principal"),
    [
        (lambda pki: pki.gateway(AgencyId("jugendamt-nettetal")), "gw-jugendamt-nettetal"),
        (lambda pki: pki.service("audit"), "service-audit"),
        (lambda pki: pki.broker(2), "broker-2"),
    ],
)
def test_credential_names_the_principal_the_broker_will_see(pki, issue, principal):
    assert issue(pki).principal == principal


def test_keys_are_readable_by_their_owner_alone(pki, tmp_path):
    pki.service("registry")
    pki.keystore(1)
    secret = [p for p in (tmp_path / "pki").iterdir() if b"PRIVATE KEY" in p.read_bytes()]
    assert {p.name for p in secret} == {
        "ca.key",
        "service-registry.key",
        "broker-1.key",
        "broker-1.keystore.pem",
    }
    assert {p.stat().st_mode & 0o777 for p in secret} == {0o600}
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


def test_brokers_are_servers_and_clients_everyone_else_is_a_client_only(pki):
    def usages(credential):
        return set(
            certificate(credential).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        )

    both = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    assert usages(pki.broker(1)) == both
    assert usages(pki.service("watch")) == {ExtendedKeyUsageOID.CLIENT_AUTH}
    assert usages(pki.gateway(AgencyId("polizei-viersen"))) == {ExtendedKeyUsageOID.CLIENT_AUTH}


def test_a_broker_certificate_verifies_for_localhost_against_the_demo_ca(pki):
    store = Store([x509.load_pem_x509_certificate(pki.ca.read_bytes())])
    verifier = (
        PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName("localhost"))
    )
    chain = verifier.verify(certificate(pki.broker(1)), [])
    assert len(chain) == 2


def test_what_exists_is_used_again(tmp_path, pki, clock):
    before = certificate(pki.broker(1))
    clock.advance(LEAF_LIFE - RENEW_BEFORE - timedelta(days=1))
    again = DemoPki(tmp_path / "pki", clock)
    assert certificate(again.broker(1)) == before


def test_a_certificate_near_its_end_is_issued_anew_by_the_same_ca(tmp_path, pki, clock):
    before = certificate(pki.broker(1))
    authority = pki.ca.read_bytes()
    clock.advance(LEAF_LIFE - RENEW_BEFORE + timedelta(days=1))
    again = DemoPki(tmp_path / "pki", clock)
    after = certificate(again.broker(1))
    assert after.serial_number != before.serial_number
    assert after.not_valid_after_utc > before.not_valid_after_utc
    assert pki.ca.read_bytes() == authority


def test_a_new_ca_makes_every_certificate_new(tmp_path, pki, clock):
    before = certificate(pki.service("audit"))
    (tmp_path / "pki" / "ca.key").unlink()
    again = DemoPki(tmp_path / "pki", clock)
    after = certificate(again.service("audit"))
    assert after.serial_number != before.serial_number
    after.verify_directly_issued_by(x509.load_pem_x509_certificate(again.ca.read_bytes()))


def test_a_key_that_does_not_belong_to_its_certificate_is_not_used(tmp_path, pki, clock):
    """A crash between the two writes leaves such a pair."""
    one, other = pki.service("audit"), pki.service("watch")
    one.key.write_bytes(other.key.read_bytes())
    before = certificate(one)
    again = DemoPki(tmp_path / "pki", clock).service("audit")
    assert certificate(again).serial_number != before.serial_number


def test_the_broker_keystore_is_key_then_certificate(pki):
    text = pki.keystore(1).read_text()
    assert text.index("BEGIN PRIVATE KEY") < text.index("BEGIN CERTIFICATE")
