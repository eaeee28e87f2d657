"""Who is examined: a service by its own settings, or every service of a local stack."""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from meldeweg.doctor import gather_files
from meldeweg.doctor.examining import Subject
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.settings import HttpSettings, KafkaSettings, Settings, load

SERVICES = ("gateway", "registry", "audit", "watch")


def of_settings(service: str) -> Subject:
    """Read a service's settings as it would itself; `Fatal` says which is wrong."""
    module = import_module(f"meldeweg.{service}.settings")
    kind: type[Settings] = getattr(module, f"{service.capitalize()}Settings")
    settings: Any = load(kind)
    http: HttpSettings = settings.http
    scheme = "https" if http.cert else "http"
    host = f"[{http.host}]" if ":" in http.host else http.host
    agency: AgencyId | None = getattr(settings, "agency", None)
    outbox = getattr(settings, "outbox", None)
    return Subject(
        name=f"gateway-{agency}" if agency else service,
        principal=f"gw-{agency}" if agency else f"service-{service}",
        kafka=settings.kafka,
        url=f"{scheme}://{host}:{http.port}" if http.port else None,
        listens=http,
        agency=agency,
        anchor=getattr(settings, "anchor", None),
        store=getattr(settings, "store", None),
        free_min=outbox.free_min if outbox else 0.1,
        keys=getattr(settings, "keys", None),
        database=getattr(settings, "database", None),
        audit=settings.audit.url if agency else None,
    )


def of_stack(directory: Path) -> list[Subject]:
    """Read `stack.json`; `Unavailable("stack-not-running")` when there is none."""
    try:
        stack = json.loads((directory / "stack.json").read_text(encoding="utf-8"))
        return [
            *(_agency(directory, stack, name) for name in stack["agencies"]),
            *(_service(directory, stack, name) for name in stack["services"]),
        ]
    except (OSError, ValueError, KeyError, TypeError, Refused, Fatal) as exc:
        raise Unavailable("stack-not-running", f"no usable stack.json in {directory}") from exc


def taken_ports(directory: Path) -> list[str]:
    """Return which ports of a stack that does not run are somebody else's: it could not start."""
    place = directory / "ports.json"
    if (directory / "processes.json").exists():
        return []  # it starts, or its own processes are left
    try:
        ports = json.loads(place.read_text(encoding="utf-8"))
        listened = {
            name: gather_files.port(HttpSettings(port=port), runs_here=False)
            for name, port in ports.items()
        }
    except (OSError, ValueError, AttributeError):
        return []
    return [
        f"{facts.address} ({name}), see {place}"
        for name, facts in listened.items()
        if facts.taken_by
    ]


def _agency(directory: Path, stack: Mapping[str, Any], name: str) -> Subject:
    entry = stack["agencies"][name]
    return Subject(
        name=f"gateway-{name}",
        principal=entry["kafka"]["principal"],
        kafka=_kafka(stack, entry),
        url=entry["url"],
        agency=AgencyId(name),
        anchor=directory / "trust" / "anchor.pub.jwk",
        store=Path(entry["store"]),
        keys=directory / "trust" / "keys" / name,
    )


def _service(directory: Path, stack: Mapping[str, Any], name: str) -> Subject:
    entry = stack["services"][name]
    database = directory / "secrets" / f"postgres-{name}.uri"
    return Subject(
        name=name,
        principal=f"service-{name}",
        kafka=_kafka(stack, entry),
        url=entry["url"],
        database=database if name in ("registry", "audit") else None,
    )


def _kafka(stack: Mapping[str, Any], entry: Mapping[str, Any]) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=stack["broker"]["bootstrap"],
        ca=Path(stack["broker"]["ca"]),
        cert=Path(entry["kafka"]["cert"]),
        key=Path(entry["kafka"]["key"]),
    )
