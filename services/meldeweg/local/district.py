"""A whole district on one backbone: its keys, its registry, its signed agreement, its gateways.

Guarantees: a second start finds the same keys, tokens and signed objects. For demo and tests: the
offline keys of everybody lie in one directory here, which no real district would ever do.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from meldeweg.ceremony import district as ceremony
from meldeweg.ceremony.desk import Desk
from meldeweg.ceremony.district import Places
from meldeweg.client import Agency, Gateway
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.clock import Clock, SystemClock
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.local import case_token, held, plan
from meldeweg.local.backbone import Backbone
from meldeweg.local.files import private_directory, secret, write_private
from meldeweg.local.pki import ServiceName
from meldeweg.local.plan import AgencyPlace, ServicePlace, Stage
from meldeweg.local.processes import ProcessSpec

SERVICES: tuple[ServiceName, ...] = ("registry", "audit", "watch")
_PROVISIONED = 30.0  # seconds for topics and ACLs of a fresh broker


class DistrictPlan:
    """What `meldeweg local up --district NAME` starts on a backbone."""

    def __init__(self, name: str, clock: Clock | None = None) -> None:
        self._config = load_district(name)
        self._clock = clock or SystemClock()
        self._agencies: dict[AgencyId, AgencyPlace] = {}
        self._services: dict[ServiceName, ServicePlace] = {}
        self.district = self._config.id

    def stages(self, backbone: Backbone) -> Iterator[Stage]:
        """Yield the registry, then, once the agreement is on the bus, everything else."""
        places = Places(backbone.directory / "trust")
        ceremony.prepare(places, self._config, self._clock)
        tokens_of = private_directory(backbone.directory / "tokens")
        self._services = {name: _service(backbone, name, tokens_of) for name in SERVICES}
        yield Stage("Register starten", (self._registry(backbone, places, tokens_of),))
        registry = self._services["registry"]
        with Desk(registry.url, registry.token) as desk:
            ceremony.publish(places, desk)
            _wait_until_provisioned(desk)
        for partner in self._config.parties:
            self._agencies[partner.agency] = self._agency(backbone, partner.agency, tokens_of)
        yield Stage(
            "Protokoll, Aufsicht und Gateways starten",
            (
                plan.audit(
                    backbone,
                    origin=f"meldeweg.example/{self.district}",
                    signing_key=places.service_key("audit"),
                    auditors=_auditors(tokens_of),
                ),
                self._watch(backbone, places, tokens_of),
                *(self._gateway(backbone, places, agency) for agency in self._agencies),
            ),
        )
        with Desk(registry.url, registry.token) as desk:
            active = _active(desk) & self._agencies.keys()
        for agency in active:
            _wait_until_all_are_known(self._agencies[agency], active)

    def _registry(self, backbone: Backbone, places: Places, tokens_of: Path) -> ProcessSpec:
        return plan.registry(
            backbone,
            anchor=places.anchor,
            signing_key=places.service_key("registry"),
            operator_token=tokens_of / "registry",
        )

    def _agency(self, backbone: Backbone, agency: AgencyId, tokens_of: Path) -> AgencyPlace:
        """Describe a gateway; its case system's token is made in its store before it runs."""
        process = f"gateway-{agency}"
        store = private_directory(backbone.directory / "gateways" / agency) / "store"
        return AgencyPlace(
            process,
            plan.url_of(backbone, process),
            backbone.pki.gateway(agency),
            case_token.kept(store, tokens_of / process, self._clock.now()),
            store,
        )

    def _watch(self, backbone: Backbone, places: Places, tokens_of: Path) -> ProcessSpec:
        spec = plan.watch(backbone, anchor=places.anchor, operator_token=tokens_of / "watch")
        answers = held.WatchAnswers(f"{self._services['watch'].url}/readyz")
        return replace(spec, ready=answers)

    def _gateway(self, backbone: Backbone, places: Places, agency: AgencyId) -> ProcessSpec:
        registry, own = self._services["registry"], self._agencies[agency]
        spec = plan.gateway(
            backbone, agency, store=own.store, keys=places.keys(agency), anchor=places.anchor
        )
        return replace(
            spec,
            ready=partial(held.gateway_answers, f"{own.url}/readyz", agency, registry),
        )

    def agencies(self) -> Mapping[AgencyId, AgencyPlace]:
        return self._agencies

    def services(self) -> Mapping[ServiceName, ServicePlace]:
        return self._services


def _service(backbone: Backbone, name: ServiceName, tokens_of: Path) -> ServicePlace:
    return ServicePlace(
        name, plan.url_of(backbone, name), backbone.pki.service(name), secret(tokens_of / name)
    )


def unannounced(known: Iterable[Agency], partners: Collection[AgencyId]) -> list[AgencyId]:
    """Return those of `partners` of whom a gateway that knows `known` does not know what they read.

    Who else is enrolled does not count: it has no gateway here that could announce anything.
    """
    return sorted(set(partners) - {agency.id for agency in known if agency.reads})


def _wait_until_all_are_known(place: AgencyPlace, partners: Collection[AgencyId]) -> None:
    """Return once a gateway knows what each of `partners` reads: before, it can't send to it."""
    end = time.monotonic() + _PROVISIONED
    with Gateway(place.url, place.token) as gateway:
        while lacking := unannounced(gateway.agencies(), partners):
            if time.monotonic() > end:
                raise Unavailable(
                    "partners-not-announced", f"{place.process}: {', '.join(lacking)}"
                )
            time.sleep(0.1)


def _active(desk: Desk) -> set[AgencyId]:
    """Return who may exchange: the others' gateways can announce nothing."""
    return {
        AgencyId(each["agency"])
        for each in desk.agencies()
        if each["status"] == AgencyStatus.ACTIVE
    }


def _auditors(tokens_of: Path) -> Path:
    """Write the list of auditors: one, whose token is the audit service's in `stack.json`."""
    digest = sha256(secret(tokens_of / "audit").encode()).hexdigest()
    path = tokens_of / "auditors"
    write_private(path, f"aufsicht {digest}\n".encode())
    return path


def _wait_until_provisioned(desk: Desk) -> None:
    """Return once every topic and right is there, so that no gateway starts against a refusal."""
    end = time.monotonic() + _PROVISIONED
    while any(desk.plan().values()):
        if time.monotonic() > end:
            raise Unavailable("not-provisioned", "the registry did not give topics and rights")
        time.sleep(0.2)
