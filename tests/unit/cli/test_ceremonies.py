"""The commands of ceremonies and of doctor, as a person and a script use them, without a stack."""

import json
import ssl
import sys
import threading
import time
import tomllib
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2
import pytest
from structlog.testing import capture_logs

from meldeweg.ceremony import services
from meldeweg.cli import __main__ as command_line
from meldeweg.cli import commands, refusals, showing
from meldeweg.doctor.catalogue import catalogue
from meldeweg.kernel import agreement, keyfile
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.trust.issue import change_status
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.local.pki import DemoPki

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def run(monkeypatch, capsys):
    for name in ("MELDEWEG_DIR", "MELDEWEG_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(commands, "quieten", lambda: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["meldeweg", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended, capture_logs():
            command_line.main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run


def test_an_agency_is_enrolled_issued_keys_and_signs_offline(run, tmp_path):
    made = {}
    for name in ("anchor", "police"):
        code, out, _ = run("agency", "new-key", tmp_path / f"{name}.jwk", "--json")
        assert code == 0
        made[name] = json.loads(out)
    enrol = (
        "agency", "enrol", "polizei-musterstadt", "--name", "Polizei Musterstadt",
        "--kind", "police", "--identity", tmp_path / "police.pub.jwk",
        "--anchor", tmp_path / "anchor.jwk", "--out", tmp_path / "enrolment",
        "--municipality", "05166008", "--json",
    )  # fmt: skip
    code, out, _ = run(*enrol)
    assert code == 0
    assert json.loads(out)["digest"] == Digest.of((tmp_path / "enrolment").read_bytes())
    code, _, err = run(*enrol)
    assert code == 1
    assert json.loads(err)["error"] == "file-exists"

    keys = ("--identity", tmp_path / "police.jwk", "--agency", "polizei-musterstadt",
            "--keys", tmp_path / "keys")  # fmt: skip
    code, out, _ = run("keys", "issue", *keys, "--use", "sign", "--json")
    assert code == 0
    kid = json.loads(out)["sign"]
    assert run("keys", "rotate", *keys)[0] == 0
    assert run("keys", "issue", *keys, "--use", "oversight")[0] == 2, "not the gateway's"
    code, out, _ = run("keys", "revoke", kid, *keys, "--reason", "Übung", "--json")
    assert (code, json.loads(out)) == (0, {"revoked": kid})
    assert run("keys", "revoke", kid, *keys, "--reason", "Übung")[0] == 1
    listed = json.loads(run("keys", "list", "--keys", tmp_path / "keys", "--json")[1])
    assert [each["use"] for each in listed].count("sign") == 2
    assert [each["kid"] for each in listed if each["revoked"]] == [kid]
    assert kid in run("keys", "list", "--keys", tmp_path / "keys")[1]


@pytest.mark.parametrize("ahead", [(), ("--",)])
def test_a_kid_that_begins_with_a_hyphen_is_no_option(run, tmp_path, ahead):
    run("agency", "new-key", tmp_path / "police.jwk")
    call = ("keys", "revoke", "--identity", tmp_path / "police.jwk", "--reason", "Übung",
            "--agency", "polizei-musterstadt", "--keys", tmp_path / "keys", "--unseen")  # fmt: skip
    kid = "-h" + "A" * 41
    (tmp_path / "keys").mkdir()
    assert run(*call, *ahead, kid)[:2] == (0, f"revoked: {kid}\n")
    assert run(*call, "-Z")[0] == run(*call)[0] == 2


def test_keys_of_the_wrong_hand_or_in_the_wrong_place_are_not_made(run, tmp_path):
    for name in ("police", "office"):
        assert run("agency", "new-key", tmp_path / f"{name}.jwk")[0] == 0
    held = tmp_path / "keys"

    def call(verb, *more, identity="police", agency="polizei-musterstadt"):
        where = ("--identity", tmp_path / f"{identity}.jwk", "--agency", agency, "--keys", held)
        return run("keys", verb, *where, *more, "--json")

    kid = json.loads(call("issue", "--use", "sign")[1])["sign"]
    before = sorted(held.iterdir())
    for wrong in ({"identity": "office"}, {"agency": "jugendamt-musterstadt"}):
        for verb, *more in (("issue", "--use", "sign"), ("rotate",),
                            ("revoke", kid, "--reason", "Übung")):  # fmt: skip
            code, _, err = call(verb, *more, **wrong)
            assert (code, json.loads(err)["error"]) == (1, "key-of-another-agency")
    slip = "A" * 43
    code, _, err = call("revoke", slip, "--reason", "Übung")
    assert (code, json.loads(err)["error"]) == (1, "key-unknown")
    assert call("issue", "--use", "oversight", "--private", held)[0] == 2
    assert sorted(held.iterdir()) == before, "nothing was written"
    assert call("revoke", slip, "--reason", "Übung", "--unseen")[0] == 0
    code, _, err = run("keys", "list", "--keys", tmp_path / "nowhere", "--json")
    assert (code, json.loads(err)["error"]) == (1, "key-directory-missing")


def test_a_service_key_is_certified_and_renewed_offline(run, tmp_path):
    for name in ("anchor", "registry"):
        assert run("agency", "new-key", tmp_path / f"{name}.jwk")[0] == 0
    given = ("keys", "service", "registry", "--key", tmp_path / "registry.pub.jwk",
             "--anchor", tmp_path / "anchor.jwk")  # fmt: skip
    code, out, _ = run(*given, "--out", tmp_path / "first", "--json")
    assert code == 0
    assert json.loads(out)["digest"] == Digest.of((tmp_path / "first").read_bytes())
    assert run(*given, "--out", tmp_path / "next", "--earlier", tmp_path / "first")[0] == 0
    first, following = (services.read((tmp_path / n).read_bytes()) for n in ("first", "next"))
    assert following.not_before == first.not_before
    assert following.verify_until > first.verify_until
    assert run("keys", "service", "watch", *given[3:], "--out", tmp_path / "no")[0] == 2
    back = ("keys", "withdraw", tmp_path / "next", "--anchor", tmp_path / "anchor.jwk")
    assert run(*back, "--out", tmp_path / "gone")[0] == 0
    gone = services.read((tmp_path / "gone").read_bytes())
    assert gone.key == following.key
    assert gone.verify_until == gone.at
    assert run("keys", "withdraw", tmp_path / "registry.pub.jwk", *back[3:], "--out", "x")[0] == 1


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


def test_times_are_german_time_whatever_the_machines_zone_is(monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        assert showing.local(datetime(2026, 11, 22, 18, 43, tzinfo=UTC)) == "22.11.2026 19:43"
        assert showing.local(datetime(2026, 7, 1, 18, 43, tzinfo=UTC)) == "01.07.2026 20:43"
    finally:
        monkeypatch.undo()
        time.tzset()


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


def test_an_agreement_is_made_shown_and_signed_by_its_parties_alone(run, tmp_path):
    district = agreement.load_district("kreis-viersen")
    kids = {}
    for partner in district.parties:
        _, out, _ = run("agency", "new-key", tmp_path / f"{partner.agency}.jwk", "--json")
        kids[partner.agency] = json.loads(out)["kid"]
    (tmp_path / "kids").write_text(json.dumps(kids))
    document = tmp_path / "agreement"
    made = run("agreement", "make", "kreis-viersen", "--identities", tmp_path / "kids",
               "--out", document, "--json")  # fmt: skip
    assert made[0] == 0
    assert "Grefrath" in run("agreement", "show", document)[1]
    assert json.loads(run("agreement", "show", document, "--json")[1])["v"] == 1
    one, other = (each.agency for each in district.parties[:2])

    def sign(agency, key):
        identity, out = tmp_path / f"{key}.jwk", tmp_path / f"by-{agency}"
        given = ("--agency", agency, "--identity", identity, "--out", out)
        return run("agreement", "sign", document, *given)

    assert sign(one, one)[0] == 0
    code, _, err = sign(other, one)
    assert code == 1
    assert "agreement-signature-refused" in err
    assert not (tmp_path / f"by-{other}").exists()


@pytest.fixture
def hand(run, tmp_path):
    """Make two key files, some wrong files, and what commands of the ceremonies take of them."""
    for name in ("anchor", "police"):
        run("agency", "new-key", tmp_path / f"{name}.jwk")
    run("agency", "new-key", tmp_path / "one.jwk")
    (tmp_path / "one.jwk").unlink()  # its public part is still there
    (tmp_path / "number.json").write_text('{"polizei-viersen": 5}')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "wrong.toml").write_text("term = 5")
    (tmp_path / "odd" / "odd.jws").mkdir(parents=True)
    named = {
        "ENROL": ("--kind", "police", "--anchor", "@anchor.jwk", "--out", "@out"),
        "OWN": ("--identity", "@police.jwk", "--agency", "polizei-viersen"),
        "LONG": ("x" * 501,),
        "LONG-ID": ("-".join(["a" * 40] * 5),),
    }

    def given(*words):
        for word in words:
            if word in named:
                yield from given(*named[word])
            else:
                yield str(tmp_path / word[1:]) if word.startswith("@") else word

    return lambda *words: run(*given(*words))


@pytest.mark.parametrize(
    ("command", "refused", "code"),
    [
        (("agency", "enrol", "a", "--name", "", "--identity", "@police.pub.jwk", "ENROL"),
         "enrolment-malformed", 1),
        (("agency", "enrol", "a", "--name", "\udc80", "--identity", "@police.pub.jwk", "ENROL"),
         "enrolment-malformed", 1),
        (("agency", "enrol", "a", "--name", "A\x1b[2J", "--identity", "@police.pub.jwk", "ENROL"),
         "enrolment-malformed", 1),
        (("agency", "enrol", "LONG-ID", "--name", "A", "--identity", "@police.pub.jwk", "ENROL"),
         "enrolment-malformed", 1),
        (("agency", "enrol", "a", "--name", "A", "--identity", "@anchor.pub.jwk", "ENROL"),
         "identity-is-anchor", 1),
        (("agency", "enrol", "A b", "--name", "A", "--identity", "@police.pub.jwk", "ENROL"),
         "agency-id-malformed", 1),
        (("agency", "new-key", "@gone/key.jwk"), "key-file-not-writable", 1),
        (("agency", "new-key", "@one.jwk"), "key-file-exists", 1),
        (("keys", "revoke", "KID", "OWN", "--keys", "@keys", "--unseen", "--reason", ""),
         "reason-malformed", 1),
        (("keys", "revoke", "KID", "OWN", "--keys", "@keys", "--unseen", "--reason", "LONG"),
         "reason-malformed", 1),
        (("keys", "revoke", "KID", "OWN", "--keys", "@keys", "--unseen", "--reason", "a\nb"),
         "reason-malformed", 1),
        (("keys", "revoke", "KID", "OWN", "--keys", "@gone", "--unseen", "--reason", "x"),
         "directory-unusable", 2),
        (("keys", "issue", "OWN", "--keys", "@list.json", "--use", "sign"),
         "directory-unusable", 2),
        (("keys", "issue", "OWN", "--keys", "@list.json/below", "--use", "sign"),
         "directory-unusable", 2),
        (("keys", "rotate", "OWN", "--keys", "@list.json"), "directory-unusable", 2),
        (("keys", "issue", "OWN", "--keys", "@odd", "--use", "sign"), "file-unreadable", 1),
        (("keys", "list", "--keys", "@odd"), "file-unreadable", 1),
        (("agreement", "make", "kreis-viersen", "--identities", "@number.json", "--out", "@out"),
         "identities-malformed", 1),
        (("agreement", "make", "kreis-viersen", "--identities", "@list.json", "--out", "@out"),
         "identities-malformed", 1),
        (("agreement", "make", "@wrong.toml", "--identities", "@kids.json", "--out", "@out"),
         "district-malformed", 1),
        (("agreement", "make", "@gone.toml", "--identities", "@kids.json", "--out", "@out"),
         "district-malformed", 1),
    ],
)  # fmt: skip
def test_bad_input_to_a_ceremony_is_refused_by_code_and_in_both_languages(
    hand, tmp_path, command, refused, code
):
    kid = keyfile.read_public_key(tmp_path / "police.pub.jwk").kid
    (tmp_path / "kids.json").write_text(json.dumps({"polizei-viersen": kid}))
    (tmp_path / "keys").mkdir()
    command = [kid if word == "KID" else word for word in command]
    ended, _, err = hand(*command)
    assert (err.partition(":")[0], ended) == (refused, code)
    sentence = next(group[refused] for group in refusals.catalogue().values() if refused in group)
    assert sentence.german in err
    assert sentence.english
    assert json.loads(hand(*command, "--json")[2])["error"] == refused
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "keys").iterdir())


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\0b", "a\u202eb", "a\nb"])
def test_a_revocation_of_an_agency_needs_a_reason_that_readers_take(reason):
    with pytest.raises(Refused) as refused:
        change_status(SigningKey.generate(), AgencyId("a"), AgencyStatus.REVOKED, 1, reason, NOW)
    assert refused.value.code == "reason-malformed"


def test_a_failed_signing_leaves_no_file(run, tmp_path):
    (tmp_path / "open.jwk").write_text("{}")
    (tmp_path / "doc").write_bytes(b"{}")
    out = tmp_path / "out"
    assert run("agreement", "sign", tmp_path / "doc", "--agency", "x", "--identity",
               tmp_path / "open.jwk", "--out", out)[0] == 1  # fmt: skip
    assert not out.exists()
    assert run("agreement", "show", tmp_path / "gone")[0] == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("registry", "plan"), 2),
        (("registry", "plan", "--dir", "/nowhere"), 3),
        (("registry", "plan", "--url", "http://127.0.0.1:1", "--token-file", "TOKEN"), 3),
        (("registry", "plan", "--url", "nonsense", "--token-file", "TOKEN"), 3),
        (("registry", "suspend", "x", "--reason", "y", "--dir", "/nowhere"), 3),
        (("registry", "suspend", "x", "--dir", "/nowhere"), 2),
        (("agency", "list", "--dir", "/nowhere", "--json"), 3),
        (("agreement", "list", "--dir", "/nowhere"), 3),
        (("audit", "export", "/tmp/x", "--dir", "/nowhere"), 3),
        (("audit", "open", "--key", "/nowhere", "--dir", "/nowhere"), 3),
        (("audit", "open", "1", "--key", "/nowhere", "--dir", "STACK"), 1),
        (("audit", "export", "STACK", "--dir", "STACK"), 1),
        (("audit", "verify", "/nowhere", "--json"), None),
        (("doctor",), 2),
        (("doctor", "--dir", "/nowhere"), 3),
        (("doctor", "nothing"), 2),
    ],
)
def test_exit_codes_are_those_of_the_api(run, tmp_path, command, code):
    (tmp_path / "token").write_text("x\n")
    audit = {"services": {"audit": {"url": "http://127.0.0.1:1", "token": "x"}}}
    (tmp_path / "stack.json").write_text(json.dumps(audit))
    named = {"TOKEN": tmp_path / "token", "STACK": tmp_path}
    command = [named.get(each, each) for each in command]
    assert run(*command)[0] == code or (code is None and run(*command)[0] in (1, 3))


def test_doctor_says_what_is_wrong_means_and_mends_it(run):
    code, out, _ = run("doctor", "--dir", "/nowhere")
    assert code == 3
    entry = catalogue()["stack-not-running"]
    for text in (entry.meaning, entry.fix, entry.meaning_en, entry.fix_en):
        assert text in out
    assert out.index(entry.meaning) < out.index(entry.meaning_en), "German first"
    (found,) = json.loads(run("doctor", "--dir", "/nowhere", "--json")[1])["findings"]
    assert found["code"] == "stack-not-running"


def test_doctor_names_a_wrong_setting(run, monkeypatch):
    monkeypatch.setenv("MELDEWEG_AGENCI", "polizei-viersen")
    code, out, _ = run("doctor", "gateway", "--json")
    assert code == 10
    (found,) = json.loads(out)["findings"]
    assert found["code"] == "setting-wrong"
    assert "MELDEWEG_AGENCI" in found["detail"]


def test_doctor_examines_a_service_by_its_settings(run, tmp_path, monkeypatch, places):
    from meldeweg.local.pki import DemoPki

    own = DemoPki(tmp_path / "pki").gateway("polizei-viersen")
    settings = {
        "mode": "demo", "agency": "polizei-viersen", "store": str(tmp_path / "gone"),
        "keys": str(places.keys("polizei-viersen")), "anchor": str(places.anchor),
        "kafka": {"bootstrap": "127.0.0.1:1", "ca": str(own.ca), "cert": str(own.cert),
                  "key": str(own.key)},
        "audit": {"url": "http://127.0.0.1:1"},
    }  # fmt: skip
    lines = [f"{k} = {json.dumps(v)}" for k, v in settings.items() if isinstance(v, str)]
    for table in ("kafka", "audit"):
        lines += [f"[{table}]", *(f"{k} = {json.dumps(v)}" for k, v in settings[table].items())]
    (tmp_path / "gateway.toml").write_text("\n".join(lines))
    assert tomllib.loads("\n".join(lines)) == settings
    monkeypatch.setenv("MELDEWEG_CONFIG", str(tmp_path / "gateway.toml"))
    code, out, _ = run("doctor", "gateway", "--json")
    found = {each["code"] for each in json.loads(out)["findings"]}
    assert {"store-not-writable", "broker-unreachable"} <= found
    assert code == 3
    assert keyfile.read_public_key(places.anchor)
