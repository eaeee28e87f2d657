"""A file that a setting names, and that is no good, is refused with the setting's name."""

import importlib
import os

import pytest

from meldeweg.kernel import failpoints, keyfile
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.settings import said
from meldeweg.local.pki import DemoPki

POLICE = AgencyId("polizei-viersen")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return DemoPki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def given(tmp_path, pki):
    """Service → a good set of settings."""
    key = SigningKey.generate()
    keyfile.write_private(tmp_path / "key.jwk", key)
    keyfile.write_public(tmp_path / "anchor.jwk", key.public)
    (tmp_path / "keys").mkdir()
    (tmp_path / "secret").write_text("postgresql:///nowhere")
    secret, anchor, own = (str(tmp_path / name) for name in ("secret", "anchor.jwk", "key.jwk"))

    def as_who(credential):
        return {
            "mode": "demo",
            "kafka.bootstrap": "127.0.0.1:1",
            **{f"kafka.{name}": str(getattr(credential, name)) for name in ("ca", "cert", "key")},
        }

    return {
        "gateway": as_who(pki.gateway(POLICE))
        | {
            "agency": str(POLICE),
            "store": str(tmp_path / "store"),
            "keys": str(tmp_path / "keys"),
            "anchor": anchor,
            "audit.url": "http://127.0.0.1:1",
        },
        "registry": as_who(pki.service("registry"))
        | {"database": secret, "anchor": anchor, "signing_key": own, "operator_token": secret},
        "audit": as_who(pki.service("audit"))
        | {"database": secret, "key": own, "origin": "audit.example/log"},
        "watch": as_who(pki.service("watch")) | {"anchor": anchor, "operator_token": secret},
    }


@pytest.fixture
def wire(given, monkeypatch):
    """Wire a service with some of its settings changed; return why it was refused."""

    def refusal(service, **changes):
        for name in [name for name in os.environ if name.startswith("MELDEWEG_")]:
            monkeypatch.delenv(name)
        for name, value in (given[service] | changes).items():
            monkeypatch.setenv(f"MELDEWEG_{name.replace('.', '__').upper()}", str(value))
        with pytest.raises(Fatal) as fatal:
            importlib.import_module(f"meldeweg.{service}.__main__").wire()
        return fatal.value

    return refusal


FILES = {
    "gateway": ("anchor", "keys", "vault_key", "kafka.ca", "kafka.cert", "kafka.key", "audit.ca"),
    "registry": ("database", "anchor", "signing_key", "operator_token", "kafka.ca", "kafka.key"),
    "audit": ("database", "key", "auditors", "kafka.ca", "kafka.cert"),
    "watch": ("anchor", "operator_token", "kafka.ca", "kafka.cert"),
}


@pytest.mark.parametrize(
    ("service", "name"), [(service, name) for service, names in FILES.items() for name in names]
)
def test_a_file_that_is_not_there_is_refused_with_its_setting(wire, tmp_path, service, name):
    gone = tmp_path / "gone" / "file"
    assert said(name) in wire(service, **{name: gone}).detail


@pytest.mark.parametrize("name", FILES["gateway"])
def test_a_file_that_holds_something_else_is_refused_with_its_setting(wire, tmp_path, name):
    other = tmp_path / "other"
    other.write_text("something else")
    other.chmod(0o600)
    assert said(name) in wire("gateway", **{name: other}).detail


ADDRESSES = (
    "nonsense",
    "http://127.0.0.1/audit",
    "postgresql://[::1/audit",
    "postgresql://audit:s3cret%@127.0.0.1/audit",
    "postgresql://audit:s3cret@127.0.0.1/audit?more=1",
    "postgresql://audit:s3cret@127.0.0.1:port/audit",
    "postgresql://audit:s3cret@127.0.0.1:65536/audit",
    "host=127.0.0.1 port=0 password=s3cret",
    "postgresql://audit\0:s3cret@127.0.0.1/audit",
)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("service", ["registry", "audit"])
def test_an_address_that_can_be_no_database_is_refused_with_its_setting(
    wire, tmp_path, service, address
):
    file = tmp_path / "address"
    file.write_text(address)
    refused = wire(service, database=file)
    assert refused.code == "setting-invalid"
    assert said("database") in refused.detail
    assert "s3cret" not in str(refused)


def test_a_key_of_another_certificate_is_refused_with_both_settings(wire, pki):
    other = pki.gateway(AgencyId("jugendamt-kempen")).key
    refused = wire("gateway", **{"kafka.key": other})
    assert (refused.code, refused.detail) == (
        "setting-invalid",
        f"{said('kafka.cert')} or {said('kafka.key')}: not a readable pair",
    )


def test_a_vault_key_beside_the_store_is_refused_with_the_stores_setting(wire, tmp_path):
    refused = wire("gateway", store=tmp_path / "gone" / "store")
    assert refused.code == "setting-invalid"
    assert refused.detail.startswith("store (MELDEWEG_STORE): ")


def test_good_settings_are_wired(wire, monkeypatch):
    """Or the tests above would show nothing: here only the last step refuses."""

    def stop(spec):
        raise Fatal("setting-failpoints", spec)

    monkeypatch.setattr(failpoints, "arm", stop)
    for service in FILES:
        assert wire(service).code == "setting-failpoints"
