"""Registry and audit behind TLS of their own, asked by the commands."""

import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2

from meldeweg.local.pki import DemoPki


def test_a_registry_behind_tls_is_asked_with_its_own_authority(run, tmp_path):
    own = DemoPki(tmp_path / "pki").server("127.0.0.1")
    (tmp_path / "token").write_text("an invented token\n")
    with https(own, {"/v1/plan": {"create_topics": ["inbox.a.b"]}}) as url:
        given = ("registry", "plan", "--url", url, "--token-file", tmp_path / "token")
        assert run(*given)[0] == 3, "not trusted by itself"
        assert run(*given, "--ca", tmp_path / "gone")[0] == 1
        code, out, err = run(*given, "--ca", own.ca)
    assert (code, out) == (0, "create_topics: inbox.a.b\n"), err


def test_an_audit_behind_tls_is_asked_and_verified_with_its_own_authority(run, tmp_path):
    own = DemoPki(tmp_path / "pki").server("127.0.0.1")
    (tmp_path / "token").write_text("an invented token\n")
    with https(own, {"/v1/alarms?everything=false": [], "/checkpoint": "no note"}) as url:
        asked = ("audit", "alarms", "--url", url, "--token-file", tmp_path / "token")
        verified = ("audit", "verify", url)
        for given, code in ((asked, 0), (verified, 1)):
            assert run(*given)[0] == 3, "not trusted by itself"
            assert run(*given, "--ca", tmp_path / "gone")[0] == 1
            found, _, err = run(*given, "--ca", own.ca)
            assert found == code, err
        assert "ca-unreadable" not in err


def test_the_auditor_sees_alarms_and_decides_by_name_and_reason(run, tmp_path, monkeypatch):
    asked = []
    answers = {
        "/v1/alarms?everything=true": [
            {"id": 7, "code": "offset-gap", "subject": "inbox.a.b", "detail": "at 4",
             "last_at": "2026-11-22T18:30:00Z", "count": 2, "resolved_by": None}
        ],
        "/v1/streams/inbox.a.b/resume": {"topic": "inbox.a.b", "next": 9, "halted": None},
        "/v1/alarms/7/resolve": {"id": 7, "code": "offset-gap", "subject": "inbox.a.b"},
    }  # fmt: skip

    def request(method, url, *, headers, json=None, **_):
        path = url.removeprefix("http://audit.example")
        asked.append((method, path, headers["Authorization"], json))
        if path not in answers:
            return httpx2.Response(409, json={"code": "stream-not-halted"})
        return httpx2.Response(200, json=answers[path])

    monkeypatch.setattr(httpx2, "request", request)
    (tmp_path / "token").write_text("an invented token\n")
    here = ("--url", "http://audit.example", "--token-file", tmp_path / "token")
    by = ("--by", "Erika Beispiel", "--reason", "Probe")
    code, out, _ = run("audit", "alarms", "--all", *here)
    assert code == 0
    assert "offset-gap\tinbox.a.b\tat 4\t22.11.2026 19:30\t2" in out
    assert run("audit", "resume", "inbox.a.b", "--at", 9, *by, *here)[0] == 0
    assert run("audit", "resolve", 7, *by, *here, "--json")[0] == 0
    code, _, err = run("audit", "resume", "inbox.c.d", "--at", 1, *by, *here)
    assert code == 1
    assert "stream-not-halted" in err
    who = {"by": "Erika Beispiel", "reason": "Probe"}
    bearer = "Bearer an invented token"
    assert asked[1:3] == [
        ("POST", "/v1/streams/inbox.a.b/resume", bearer, who | {"at": 9}),
        ("POST", "/v1/alarms/7/resolve", bearer, who),
    ]
    assert run("audit", "resume", "inbox.a.b", "--at", 9, *here)[0] == 2, (
        "who and why are asked for"
    )


@contextmanager
def https(own, answers):
    """A server with a certificate of its own, in a thread."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answers[self.path]).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answering)
    server.handle_error = lambda *_: None  # who does not trust it hangs up
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.cert, own.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
