"""What the audit refuses before it looks at anything is a problem too, and quotes no request."""

import hashlib
import json

import pytest
from fastapi.testclient import TestClient

from meldeweg.audit.access import Auditors
from meldeweg.audit.api import build

TOKEN = "token-of-a-test"
MARK = "hunter2-must-not-appear"


@pytest.fixture
def client(tmp_path):
    file = tmp_path / "auditors"
    file.write_text(f"test {hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    return TestClient(build(None, Auditors(file), None, None))


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/v1/entries?start={MARK}", 400, "parameter-malformed"),
        ("GET", f"/v1/entries/{MARK}", 400, "parameter-malformed"),
        ("GET", "/v1/proofs/inclusion", 400, "parameter-malformed"),
        ("POST", f"/v1/alarms/{MARK}/resolve", 400, "parameter-malformed"),
        ("GET", f"/checkpoint?year={MARK}", 400, "parameter-malformed"),
        ("GET", f"/v1/{MARK}", 404, "not-found"),
        ("DELETE", "/checkpoint", 405, "method-not-allowed"),
    ],
)
def test_what_can_not_be_read_is_a_problem_without_its_value(client, method, path, status, code):
    answer = client.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, json.loads(answer.content)["code"]) == (status, code)
    assert MARK not in answer.text


TWICE = (
    ("streams/inbox.a.b/resume", b'{"at":7,"at":9,"by":"Erika Beispiel","reason":"r"}'),
    ("streams/inbox.a.b/resume", b'{"at":7,"by":"Erika Beispiel","reason":"r","reason":"s"}'),
    ("alarms/1/resolve", b'{"by":"Erika Beispiel","reason":"r","by":"Max Muster"}'),
)


@pytest.mark.parametrize(("path", "data"), TWICE)
def test_a_decision_that_two_readers_understand_differently_is_none(client, path, data):
    known = {"Authorization": f"Bearer {TOKEN}"}
    answer = client.post(f"/v1/{path}", content=data, headers=known)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (400, "body-malformed")


@pytest.mark.parametrize(
    "data", ['{"by":"\u200b","reason":"r"}', '{"by":"Erika Beispiel","reason":"- \U000e0041"}']
)
def test_a_decision_names_a_person_and_a_reason_that_can_be_read(client, data):
    known = {"Authorization": f"Bearer {TOKEN}"}
    answer = client.post("/v1/alarms/1/resolve", content=data.encode(), headers=known)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (400, "body-malformed")
