"""What runs on the backbone: stages of processes, and where each is to be found.

Guarantees: every service gets the settings named here and no others; a secret is named by its file.
A plan yields its stages one by one: the code between two `yield`s runs when the stage before is
ready (that is where agencies are enrolled and agreements published).
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import meldeweg
from meldeweg.kernel.ids import AgencyId
from meldeweg.local.backbone import Backbone
from meldeweg.local.pki import Credential, ServiceName
from meldeweg.local.ports import LOOPBACK
from meldeweg.local.probes import http_answers
from meldeweg.local.processes import ProcessSpec


@dataclass(frozen=True, slots=True)
class Stage:
    """Processes that are started together; `title` is what is shown meanwhile."""

    title: str
    specs: tuple[ProcessSpec, ...]


@dataclass(frozen=True, slots=True)
class ServicePlace:
    """A service: the name of its process, and how to reach it. `token`: for its HTTP API."""

    process: str
    url: str
    kafka: Credential
    token: str


@dataclass(frozen=True, slots=True)
class AgencyPlace(ServicePlace):
    """A gateway. Its token has all scopes, for the demo's and the tests' case systems."""

    store: Path


class Plan(Protocol):
    """A district: what is set up and started on a backbone, in which order."""

    @property
    def district(self) -> str: ...

    def stages(self, backbone: Backbone) -> Iterator[Stage]:
        """Yield stages; whatever must happen in between happens in between."""
        ...

    def agencies(self) -> Mapping[AgencyId, AgencyPlace]:
        """Where the gateways are; asked once all stages are ready."""
        ...

    def services(self) -> Mapping[ServiceName, ServicePlace]:
        """Where the central services are; asked once all stages are ready."""
        ...


class BackboneAlone:
    """The plan without any service: broker and database, for tests that bring their own."""

    district = "none"

    def stages(self, backbone: Backbone) -> Iterator[Stage]:
        yield from ()

    def agencies(self) -> Mapping[AgencyId, AgencyPlace]:
        return {}

    def services(self) -> Mapping[ServiceName, ServicePlace]:
        return {}


def url_of(backbone: Backbone, process: str) -> str:
    """Return where `process` listens: the same address at every `up` of this directory."""
    return f"http://{LOOPBACK}:{backbone.ports.of(process)}"


def python_service(
    backbone: Backbone,
    process: str,
    module: str,
    credential: Credential,
    settings: Mapping[str, str | Path],
) -> ProcessSpec:
    """Return how to start `python -m module`, ready when its `/readyz` says so.

    `settings`: names as in `meldeweg settings`, for instance `kafka.bootstrap`.
    """
    url = url_of(backbone, process)
    common: dict[str, str | Path] = {
        "mode": "demo",
        "http.host": LOOPBACK,
        "http.port": url.rsplit(":", 1)[1],
        "kafka.bootstrap": backbone.broker.bootstrap,
        "kafka.ca": credential.ca,
        "kafka.cert": credential.cert,
        "kafka.key": credential.key,
    }
    return ProcessSpec(
        name=process,
        argv=(sys.executable, "-m", module),
        env={
            # The children run the code that started them, installed or not.
            "PYTHONPATH": str(Path(meldeweg.__file__).parents[1]),
            **{variable(name): str(value) for name, value in (common | dict(settings)).items()},
        },
        cwd=backbone.directory,
        ready=partial(http_answers, f"{url}/readyz"),
        stop_timeout=25,  # a service drains for at most 20 s (I7)
    )


def variable(setting: str) -> str:
    """Return the environment variable of a setting: `http.port` → `MELDEWEG_HTTP__PORT`."""
    return "MELDEWEG_" + setting.upper().replace(".", "__")


def gateway(
    backbone: Backbone, agency: AgencyId, *, store: Path, keys: Path, anchor: Path
) -> ProcessSpec:
    """Return how to start an agency's gateway."""
    return python_service(
        backbone,
        f"gateway-{agency}",
        "meldeweg.gateway",
        backbone.pki.gateway(agency),
        {
            "agency": agency,
            "store": store,
            "keys": keys,
            "anchor": anchor,
            "audit.url": url_of(backbone, "audit"),
        },
    )


def registry(
    backbone: Backbone, *, anchor: Path, signing_key: Path, operator_token: Path
) -> ProcessSpec:
    """Return how to start the registry."""
    return python_service(
        backbone,
        "registry",
        "meldeweg.registry",
        backbone.pki.service("registry"),
        {
            "database": backbone.postgres.uri_file("registry"),
            "anchor": anchor,
            "signing_key": signing_key,
            "operator_token": operator_token,
            "replication": str(min(3, len(backbone.broker.bootstrap.split(",")))),
        },
    )


def audit(backbone: Backbone, *, origin: str, signing_key: Path, auditors: Path) -> ProcessSpec:
    """Return how to start the audit service."""
    return python_service(
        backbone,
        "audit",
        "meldeweg.audit",
        backbone.pki.service("audit"),
        {
            "database": backbone.postgres.uri_file("audit"),
            "key": signing_key,
            "origin": origin,
            "auditors": auditors,
        },
    )


def watch(backbone: Backbone, *, anchor: Path, operator_token: Path) -> ProcessSpec:
    """Return how to start watch."""
    return python_service(
        backbone,
        "watch",
        "meldeweg.watch",
        backbone.pki.service("watch"),
        {"anchor": anchor, "operator_token": operator_token},
    )
