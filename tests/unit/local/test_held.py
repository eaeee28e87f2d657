"""A gateway is held back by the brake and by nothing else; every other reason stays one."""

import json

import pytest

from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.local import held
from meldeweg.local.processes import Held

KEMPEN = AgencyId("jugendamt-kempen")
SUSPENDED = {
    "inbox-topics": "group-not-authorized",
    "broker": "cluster-not-authorized",
    "register": "agency-suspended",
}


def answer(lacks, status=503):
    said = {"service": "gateway-jugendamt-kempen", "ready": not lacks, "missing": lacks}
    return status, json.dumps(said).encode()


@pytest.fixture
def ask(monkeypatch):
    """Probe a gateway that answers so, while the registry says that status."""

    def asked(found, registry="suspended"):
        monkeypatch.setattr(held, "http_get", lambda _: found)
        monkeypatch.setattr(held, "_status", lambda *_: registry)
        return held.gateway_answers("http://x/readyz", KEMPEN, None)

    return asked


@pytest.mark.parametrize(
    "lacks",
    [
        SUSPENDED,
        {"register": "agency-suspended"},
        SUSPENDED | {"announcement": "not-announced", "broker": "topic-not-authorized"},
    ],
)
def test_a_suspended_agency_is_held_back_and_its_codes_are_told(ask, lacks):
    with pytest.raises(Held) as found:
        ask(answer(lacks))
    assert found.value.code == "agency-suspended"
    lines = list(held.told("gateway-jugendamt-kempen", found.value))
    assert all(f"{part}: {code}" in lines[0] for part, code in lacks.items())
    assert "meldeweg registry resume" in lines[1]
    assert "suspended" in lines[2]


def test_a_revoked_agency_is_held_back_for_good(ask):
    with pytest.raises(Held) as found:
        ask(answer(SUSPENDED | {"register": "agency-revoked"}), "revoked")
    german, english = list(held.told("gateway-jugendamt-kempen", found.value))[1:]
    assert "endgültig widerrufen" in german
    assert "for good" in english


@pytest.mark.parametrize(
    "lacks",
    [
        {"inbox-topics": "group-not-authorized", "broker": "cluster-not-authorized"},
        SUSPENDED | {"room": "disk-full"},
        SUSPENDED | {"service": "starting"},
        SUSPENDED | {"store": "store-locked"},
        SUSPENDED | {"broker": "broker-unreachable"},
        {"register": "no-agreement"},
        {},
    ],
)
def test_what_the_brake_does_not_explain_stays_a_reason_to_fail(ask, lacks):
    with pytest.raises(Unavailable) as found:
        ask(answer(lacks))
    assert not isinstance(found.value, Held)
    assert all(code in found.value.detail for code in lacks.values())


@pytest.mark.parametrize("registry", ["active", "revoked", None])
def test_a_gateway_that_has_not_heard_the_newest_status_is_waited_for(ask, registry):
    with pytest.raises(Unavailable) as found:
        ask(answer(SUSPENDED), registry)
    assert not isinstance(found.value, Held)


def test_a_ready_gateway_is_ready_and_the_registry_is_not_asked(monkeypatch):
    monkeypatch.setattr(held, "http_get", lambda _: answer({}, 200))
    monkeypatch.setattr(held, "_status", lambda *_: pytest.fail("asked"))
    held.gateway_answers("http://x/readyz", KEMPEN, None)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"missing":[]}', b"\xff"])
def test_what_is_no_answer_of_a_gateway_holds_nothing_back(ask, body):
    with pytest.raises(Unavailable) as found:
        ask((503, body))
    assert not isinstance(found.value, Held)
