"""What the audit serves: everyone sees what says nothing, auditors see the rest, nobody more."""

import base64
import json
import os
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import plain
from integration.audit.harness import ORIGIN, OTHER, TOPIC, record, serving
from interop.sumdb_judge import judge  # noqa: F401 - a fixture
from meldeweg.audit.access import Auditors
from meldeweg.audit.api import build
from meldeweg.audit.deciding import Deciding
from meldeweg.audit.export import export
from meldeweg.audit.sources import open_source
from meldeweg.audit.verify import verify
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.keyfile import write_private
from meldeweg.kernel.leaf import parse_canonical
from meldeweg.kernel.merkle import leaf_hash, verify_consistency, verify_inclusion
from meldeweg.local.pki import DemoPki
from unit.audit.synthetic import message

TOKEN = "an-invented-token"


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "auditors"
    path.write_text(f"# who may look\nerika.beispiel {sha256(TOKEN.encode()).hexdigest()}\n")
    return path


@pytest.fixture
def filled(audit):
    numbers = range(300)
    audit.append(*(record(n, headers=(("statement", message(n + 1)),)) for n in numbers))
    audit.seal()
    audit.append(record(0, OTHER), record(300, value=None, headers=()))
    audit.seal()
    return audit


@pytest.fixture
def app(filled, tokens):
    return build(
        filled.reading,
        Auditors(tokens),
        filled.sealer.verifiers,
        Deciding(filled.ledger, at_once, ends_at_nine),
    )


async def ends_at_nine(_):
    return 9


async def at_once(job):
    return job()


@pytest.fixture
def client(app):
    with TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


PUBLIC = ["/checkpoint", "/vkey", "/tile/0/000", "/tile/0/001.p/47", "/tile/entries/001.p/47"]
PRIVATE = ["/manifest", "/manifests.jsonl", "/leaves.jsonl", "/v1/logs", "/v1/entries",
           "/v1/entries/1", "/v1/streams", "/v1/alarms", "/v1/decisions",
           "/v1/proofs/inclusion?index=1",
           "/v1/proofs/consistency?old=1"]  # fmt: skip


@pytest.mark.parametrize("path", PUBLIC)
def test_the_tree_is_served_to_anyone(app, path):
    with TestClient(app) as anyone:
        assert anyone.get(path).status_code == 200


@pytest.mark.parametrize("path", PRIVATE)
def test_what_says_who_wrote_to_whom_needs_a_token(app, client, path):
    with TestClient(app) as anyone:
        answer = anyone.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "token-missing")
        assert answer.headers["content-type"] == "application/problem+json"
        for wrong in ("Bearer x", "Basic x", "Bearer "):
            answer = anyone.get(path, headers={"Authorization": wrong})
            assert answer.status_code in (401, 403)
    assert client.get(path).status_code == 200


def test_every_path_is_public_on_purpose_or_needs_a_token(app):
    paths = {route.path for route in app.routes if hasattr(route, "dependant")}
    public = {"/checkpoint", "/vkey", "/tile/{path:path}"}
    assert public <= paths
    for route in app.routes:
        if hasattr(route, "dependant") and route.path not in public:
            assert route.dependencies, route.path


def test_a_token_that_was_taken_back_is_refused_at_once(client, tokens):
    assert client.get("/v1/alarms").status_code == 200
    tokens.write_text("")
    assert client.get("/v1/alarms").status_code == 403


def test_without_a_file_of_tokens_nobody_is_an_auditor(filled):
    decide = Deciding(filled.ledger, at_once, ends_at_nine)
    with TestClient(
        build(filled.reading, Auditors(None), filled.sealer.verifiers, decide)
    ) as client:
        answer = client.get("/v1/alarms", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 403


def test_a_malformed_file_of_tokens_is_refused_at_start(tmp_path):
    (tmp_path / "bad").write_text("erika plain-token\n")
    with pytest.raises(Fatal, match="setting-invalid"):
        Auditors(tmp_path / "bad")
    with pytest.raises(Fatal, match="setting-invalid"):
        Auditors(tmp_path / "none")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/tile/0/002", 404, "tile-absent"),
        ("/tile/0/001", 404, "tile-absent"),
        ("/tile/0/..%2f000", 404, "tile-path-malformed"),
        ("/tile/x", 404, "tile-path-malformed"),
        ("/checkpoint?year=2031", 404, "checkpoint-absent"),
        ("/checkpoint?size=7", 404, "checkpoint-absent"),
        ("/v1/entries/303", 404, "entry-absent"),
        ("/v1/proofs/inclusion?index=303", 422, "index-out-of-range"),
        (f"/v1/proofs/inclusion?index={2**63}", 400, "parameter-malformed"),
        (f"/v1/proofs/consistency?old={2**63}", 400, "parameter-malformed"),
        (f"/v1/entries/{2**63}", 400, "parameter-malformed"),
        (f"/v1/entries?start={2**63}", 400, "parameter-malformed"),
        ("/v1/entries?topic=a%00b&offset=1", 400, "parameter-malformed"),
        (f"/v1/entries?topic=a&offset={2**63}", 400, "parameter-malformed"),
        (f"/checkpoint?size={2**63}", 400, "parameter-malformed"),
        ("/v1/proofs/consistency?old=999", 422, "size-out-of-range"),
        ("/other.jsonl", 404, "file-missing"),
    ],
)
def test_problems_have_a_status_and_a_stable_code(client, path, status, code):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_an_entry_shows_statement_and_sealed_record_and_never_the_content(client):
    entry = client.get("/v1/entries/5").json()
    assert entry["statement"] == message(5).decode()
    assert json.loads(entry["record"]) == {"ciphertext": "cmVjb3Jk4"}
    assert (entry["topic"], entry["offset"]) == (TOPIC, 4)
    canonical = base64.b64decode(entry["canonical"])
    assert sha256(canonical).digest() == base64.b64decode(entry["leaf"])[32:64]
    assert parse_canonical(canonical).key == b"polizei-musterstadt"
    assert "Y29udGVudA" not in client.get("/v1/entries/5").text


def test_entries_come_in_pages_and_by_topic_and_offset(client):
    first = client.get("/v1/entries?limit=200").json()
    second = client.get(f"/v1/entries?start={first['next']}").json()
    assert [e["index"] for e in first["items"] + second["items"]] == list(range(303))
    assert second["next"] is None
    assert first["items"][0]["topic"] is None  # the genesis
    (found,) = client.get("/v1/entries", params={"topic": OTHER, "offset": 0}).json()["items"]
    assert found["index"] == 301
    assert client.get(f"/v1/entries?topic={OTHER}&offset=9").json()["items"] == []


def test_proofs_prove(client):
    def raw(answer, name):
        return base64.b64decode(answer[name])

    answer = client.get("/v1/proofs/inclusion?index=7").json()
    leaf = base64.b64decode(client.get("/v1/entries/7").json()["leaf"])
    proof = [base64.b64decode(step) for step in answer["proof"]]
    verify_inclusion(7, answer["size"], leaf_hash(leaf), proof, raw(answer, "root"))
    old = client.get("/v1/proofs/consistency?old=301").json()
    first = client.get("/v1/proofs/inclusion?index=0&size=301").json()
    proof = [base64.b64decode(step) for step in old["proof"]]
    verify_consistency(301, 303, proof, raw(first, "root"), raw(old, "root"))


def test_streams_and_alarms_are_told(client, filled):
    assert [s["next"] for s in client.get("/v1/streams").json()] == [301, 1]
    filled.append(record(9, OTHER))
    (alarm,) = client.get("/v1/alarms").json()
    assert (alarm["code"], alarm["subject"]) == ("offset-gap", OTHER)


@pytest.fixture
def url(app):
    """The application behind a real server."""
    with serving(app) as url:
        yield url


def test_an_export_over_http_verifies_also_by_the_go_checksum_database(url, tmp_path, judge):  # noqa: F811
    with open_source(url, TOKEN) as source:
        seen = []
        head = export(source, tmp_path / "out", lambda done, size: seen.append((done, size)))
    assert (head.size, seen) == (303, [(256, 303), (303, 303)])
    with open_source(str(tmp_path / "out")) as source:
        report = verify(source)
    assert report.ok, report
    assert report.topics == {TOPIC: 301, OTHER: 1}
    vkey = (tmp_path / "out/vkey").read_text().strip()
    asked = {"Dir": str(tmp_path / "out"), "Vkey": vkey, "Origin": f"{ORIGIN}/2026"}
    assert judge.ask("log", **asked) == {"ok": True, "size": 303}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "checkpoint", "leaves.jsonl", "manifest", "manifests.jsonl", "tile", "vkey",
    ]  # fmt: skip


def test_a_running_audit_is_verified_by_its_url_while_it_grows(url, filled):
    with open_source(url, TOKEN) as source:
        source.read("checkpoint", 10_000)
        filled.fill(5)
        filled.seal()
        assert verify(source).size == 308
        assert verify(source).ok
    with open_source(url) as source:
        assert verify(source, shown=False).ok


def test_an_export_that_fails_leaves_nothing_behind(url, tmp_path):
    with open_source(url, "wrong") as source, pytest.raises(Refused, match="token-refused"):
        export(source, tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == []


def test_an_export_overwrites_nothing(url, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/kept").write_text("kept")
    with open_source(url, TOKEN) as source, pytest.raises(Refused, match="export-exists"):
        export(source, tmp_path / "out")
    assert (tmp_path / "out/kept").read_text() == "kept"


def test_a_url_where_nobody_answers_is_unavailable():
    with open_source("http://127.0.0.1:1") as source, pytest.raises(Unavailable):
        verify(source)


def environment(tmp_path, uri, **changes):
    write_private(tmp_path / "key.json", SigningKey(b"k" * 32))
    (tmp_path / "uri").write_text(uri)
    client = DemoPki(tmp_path / "pki").service("audit")
    given = {
        "PYTHONPATH": str(Path(__file__).parents[3] / "services"),
        "MELDEWEG_MODE": "demo",
        "MELDEWEG_DATABASE": str(tmp_path / "uri"),
        "MELDEWEG_KEY": str(tmp_path / "key.json"),
        "MELDEWEG_ORIGIN": ORIGIN,
        "MELDEWEG_KAFKA__BOOTSTRAP": "127.0.0.1:1",
        "MELDEWEG_KAFKA__CA": str(client.ca),
        "MELDEWEG_KAFKA__CERT": str(client.cert),
        "MELDEWEG_KAFKA__KEY": str(client.key),
    }
    return {**os.environ, **given, **changes}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"MELDEWEG_ORIGIN": "no origin"}, "MELDEWEG_ORIGIN"),
        ({"MELDEWEG_ORIGINS": "x"}, "did you mean MELDEWEG_ORIGIN"),
        ({"MELDEWEG_KEY": "/nowhere"}, "key-file-missing"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(tmp_path, uri, changes, told):
    ended = subprocess.run(
        [sys.executable, "-m", "meldeweg.audit"], env=environment(tmp_path, uri, **changes),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert told in ended.stderr


def test_the_service_starts_says_what_it_waits_for_and_ends_on_sigterm(tmp_path, uri):
    running = subprocess.Popen(
        [sys.executable, "-m", "meldeweg.audit"], env=environment(tmp_path, uri), text=True,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        base = ""
        for line in running.stderr:
            event = json.loads(line)
            base = event.get("url", base)
            if base:
                break
        assert plain.get(f"{base}/healthz").status_code == 200
        for _ in range(100):
            answer = plain.get(f"{base}/readyz").json()
            if answer["missing"].keys() == {"ingest"}:
                break
            time.sleep(0.1)
        assert answer["missing"].keys() == {"ingest"}
        assert b"meldeweg_audit" in plain.get(f"{base}/metrics").content
    finally:
        running.terminate()
        assert running.wait(25) in (0, 10)
        running.stderr.close()
