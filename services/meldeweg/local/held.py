"""When a process is well and yet not ready: a gateway's agency is under the register's brake, or
watch is still reading what its topics hold.

Guarantees: a gateway is held back only where it says so itself, of its verified register, where
the registry says the same at that moment, and where nothing is missing that the brake doesn't
explain. Every other reason stays one for which a start fails. Trusts the registry of this stack.
"""

import http.client
import time
from collections.abc import Iterator, Mapping

from meldeweg.ceremony.desk import Desk
from meldeweg.doctor.gather_net import missing
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.local.plan import ServicePlace
from meldeweg.local.probes import demand_ok, http_get
from meldeweg.local.processes import Held

_BRAKES = {
    "agency-suspended": AgencyStatus.SUSPENDED,
    "agency-revoked": AgencyStatus.REVOKED,
}
# What a gateway without rights at the broker lacks besides; suspended before it announced what it
# reads (or updated meanwhile), it can't until it is resumed.
_FOLLOWS = {
    "inbox-topics": {"group-not-authorized", "topic-not-authorized"},
    "trust-topics": {"group-not-authorized", "topic-not-authorized"},
    "broker": {"cluster-not-authorized", "topic-not-authorized"},
    "announcement": {"not-announced"},
}
_READING = {"still-reading", "register-unread"}  # what watch lacks until it has read
_PATIENCE = 10.0  # seconds: most backlogs are read by then
_WHY = {
    "agency-suspended": (
        "Die Behörde ist gesperrt; nach `meldeweg registry resume` wird es von selbst bereit.",
        "the agency is suspended; it gets ready by itself after `meldeweg registry resume`",
    ),
    "agency-revoked": (
        "Die Behörde ist endgültig widerrufen; es wird nicht wieder bereit.",
        "the agency is revoked for good; it does not get ready again",
    ),
    "watch-reading": (
        "Die Aufsicht liest noch und zählt bis dahin nichts; sie wird von selbst bereit.",
        "watch is still reading and counts nothing until then; it gets ready by itself",
    ),
}


def gateway_answers(url: str, agency: AgencyId, registry: ServicePlace) -> None:
    """Return when the gateway of `agency` is ready; `url`: its `/readyz`.

    Raises `Held` under the register's brake, `Unavailable(not-ready)` for any other reason.
    """
    status, body = http_get(url)
    lacks = dict(missing(body)) if status == http.client.SERVICE_UNAVAILABLE else {}
    code = brake(lacks)
    if code is not None and _status(agency, registry) == _BRAKES[code]:
        raise Held(code, ", ".join(f"{part}: {why}" for part, why in sorted(lacks.items())))
    demand_ok(url, status, body)


class WatchAnswers:
    """Returns when watch is ready; held back while it has only to read what may be a month's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._reading_since: float | None = None

    def __call__(self) -> None:
        status, body = http_get(self._url)
        lacks = dict(missing(body)) if status == http.client.SERVICE_UNAVAILABLE else {}
        if lacks and set(lacks.values()) <= _READING:
            now = time.monotonic()
            self._reading_since = self._reading_since or now
            if now - self._reading_since > _PATIENCE:
                raise Held(
                    "watch-reading", ", ".join(f"{p}: {w}" for p, w in sorted(lacks.items()))
                )
        demand_ok(self._url, status, body)


def brake(lacks: Mapping[str, str]) -> str | None:
    """Return the code of the brake if it explains all that a gateway lacks (part → code)."""
    code = lacks.get("register")
    others = [(part, why) for part, why in lacks.items() if part != "register"]
    explained = all(why in _FOLLOWS.get(part, ()) for part, why in others)
    return code if code in _BRAKES and explained else None


def told(process: str, why: Held) -> Iterator[str]:
    """Yield the lines that say what is not ready, and what makes it ready again."""
    german, english = _WHY[why.code]
    yield f"{process}: nicht bereit / not ready ({why.detail})"
    yield f"  {german} Alles andere läuft."
    yield f"  ({english}; everything else runs.)"


def _status(agency: AgencyId, registry: ServicePlace) -> str | None:
    with Desk(registry.url, registry.token) as desk:
        found = (each["status"] for each in desk.agencies() if each["agency"] == agency)
        return next(found, None)
