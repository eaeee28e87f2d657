"""Each service starts with exactly the settings it knows; a name that drifts is found here."""

import os

import pytest

from meldeweg.audit.settings import AuditSettings
from meldeweg.gateway.settings import GatewaySettings
from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.settings import Mode, load
from meldeweg.local import BackboneAlone, Options, Stack, plan
from meldeweg.local.backbone import Backbone
from meldeweg.local.district import DistrictPlan
from meldeweg.registry.settings import RegistrySettings
from meldeweg.watch.settings import WatchSettings


@pytest.fixture
def backbone(tmp_path, monkeypatch):
    monkeypatch.delenv("MELDEWEG_LOCAL", raising=False)
    made = Backbone(tmp_path)
    made.postgres._socket.create()
    made.broker._cluster = (made.broker._node(1),)  # as once prepared, without formatting a disk
    return made


def specs(backbone, tmp_path):
    some = tmp_path / "some"
    agency = AgencyId("polizei-viersen")
    return {
        GatewaySettings: plan.gateway(backbone, agency, store=some, keys=some, anchor=some),
        RegistrySettings: plan.registry(
            backbone, anchor=some, signing_key=some, operator_token=some
        ),
        AuditSettings: plan.audit(
            backbone, origin="meldeweg.example/kreis-viersen", signing_key=some, auditors=some
        ),
        WatchSettings: plan.watch(backbone, anchor=some, operator_token=some),
    }


@pytest.mark.parametrize(
    "settings", [GatewaySettings, RegistrySettings, AuditSettings, WatchSettings]
)
def test_a_service_accepts_the_settings_it_is_started_with(
    settings, backbone, tmp_path, monkeypatch
):
    spec = specs(backbone, tmp_path)[settings]
    for name in [name for name in os.environ if name.startswith("MELDEWEG_")]:
        monkeypatch.delenv(name)
    for name, value in spec.env.items():
        monkeypatch.setenv(name, value)
    loaded = load(settings)
    assert loaded.mode is Mode.DEMO
    assert loaded.http.host == "127.0.0.1"
    assert plan.url_of(backbone, spec.name) == f"http://127.0.0.1:{loaded.http.port}"
    assert loaded.kafka.bootstrap == backbone.broker.bootstrap


def test_no_service_gets_a_secret_but_by_the_name_of_its_file(backbone, tmp_path):
    made = specs(backbone, tmp_path)
    secrets = [p.read_text().strip() for p in (tmp_path / "secrets").glob("postgres-registry*")]
    assert len(secrets) == 3
    for spec in made.values():
        for secret in secrets:
            assert all(secret not in value for value in (*spec.env.values(), *spec.argv))


def test_each_service_has_a_certificate_of_its_own(backbone, tmp_path):
    certificates = [spec.env["MELDEWEG_KAFKA__CERT"] for spec in specs(backbone, tmp_path).values()]
    assert len(set(certificates)) == len(certificates)


def test_a_directory_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "a-file").touch()
    below = tmp_path / "a-file" / "stack"
    with pytest.raises(Fatal) as fatal:
        Stack(Options(directory=below), BackboneAlone()).start()
    assert fatal.value.code == "directory-unusable"
    assert fatal.value.detail.startswith(str(below))


def test_a_directory_made_for_another_district_is_refused_before_anything_is_made(tmp_path):
    (tmp_path / "district").write_text("kreis-viersen")
    (tmp_path / "lock").touch()
    with pytest.raises(Refused) as refused:
        Stack(Options(directory=tmp_path), DistrictPlan("rhein-erft-kreis")).start()
    assert refused.value.code == "district-changed"
    assert refused.value.detail == f"{tmp_path} was made for kreis-viersen"
    assert not {each.name for each in tmp_path.iterdir()} & {"broker", "postgres", "trust", "pki"}
    (tmp_path / "district").write_bytes(b"\xff")
    with pytest.raises(Refused) as refused:
        Stack(Options(directory=tmp_path), DistrictPlan("rhein-erft-kreis")).start()
    assert refused.value.code == "district-changed"
