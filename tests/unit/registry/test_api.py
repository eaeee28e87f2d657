"""What the registry refuses before it looks at what it knows."""

import json

import pytest
from fastapi.testclient import TestClient

from meldeweg.registry.api import build

TOKEN = "token-of-a-test"


@pytest.mark.parametrize(
    "data",
    [
        b'{"status":"suspended","status":"active","reason":"r"}',
        b'{"status":"suspended","reason":"r","reason":"s"}',
        b'{"status":"suspended","reason":"\\ud800"}',
    ],
)
def test_an_order_that_two_readers_understand_differently_is_none(data):
    client = TestClient(build(None, None, None, None, TOKEN))
    known = {"Authorization": f"Bearer {TOKEN}"}
    answer = client.post("/v1/agencies/polizei-viersen/status", content=data, headers=known)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (400, "body-malformed")
