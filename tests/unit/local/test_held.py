"""A gateway is held back by the brake and by nothing else; every other reason stays one."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

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


@contextmanager
def answering(pages):
    """Run a server that answers each path of `pages` with its (status, body)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = pages[self.path]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_gateway_and_registry_are_asked_over_http():
    pages = {"/readyz": answer(SUSPENDED)}
    with answering(pages) as url:
        registry = SimpleNamespace(url=url, token="invented")
        for status, expected in (("suspended", Held), ("active", Unavailable)):
            listed = [{"agency": "x", "status": "active"}, {"agency": KEMPEN, "status": status}]
            pages["/v1/agencies"] = (200, json.dumps(listed).encode())
            with pytest.raises(Unavailable) as found:
                held.gateway_answers(f"{url}/readyz", KEMPEN, registry)
            assert type(found.value) is expected
        pages["/v1/agencies"] = (503, b"{}")
        with pytest.raises(Unavailable) as found:
            held.gateway_answers(f"{url}/readyz", KEMPEN, registry)
        assert type(found.value) is Unavailable
        pages["/readyz"] = answer({}, 200)
        held.gateway_answers(f"{url}/readyz", KEMPEN, registry)


@pytest.fixture
def watch(monkeypatch):
    """Probe watch, which lacks that, after so many seconds."""
    answers = held.WatchAnswers("http://x/readyz")

    def asked(lacks, seconds):
        monkeypatch.setattr(held, "http_get", lambda _: answer(lacks, 503 if lacks else 200))
        monkeypatch.setattr(held.time, "monotonic", lambda: 100.0 + seconds)
        return answers()

    return asked


def test_watch_that_only_reads_is_waited_for_a_moment_and_then_held_back(watch):
    """A month of heartbeats takes longer than a start may: nothing depends on watch."""
    for seconds in (0, 9):
        with pytest.raises(Unavailable) as early:
            watch({"backlog": "still-reading"}, seconds)
        assert early.value.code == "not-ready"
    with pytest.raises(Held) as found:
        watch({"backlog": "still-reading", "exchange": "register-unread"}, 11)
    lines = list(held.told("watch", found.value))
    assert "backlog: still-reading" in lines[0]
    assert "von selbst" in lines[1]
    assert watch({}, 12) is None


@pytest.mark.parametrize(
    "lacks",
    [
        {"backlog": "still-reading", "trust": "broker-unreachable"},
        {"service": "starting"},
    ],
)
def test_watch_that_lacks_anything_else_is_not_held_back(watch, lacks):
    for seconds in (0, 60):
        with pytest.raises(Unavailable) as found:
            watch(lacks, seconds)
        assert found.value.code == "not-ready"
