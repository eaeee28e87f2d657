"""The form of every problem, and requests with a marker that no answer may show again."""

import jsonschema

from meldeweg.gateway.api import problems
from meldeweg.gateway.api.openapi import problem_schema
from unit.gateway.api.fake import ID

MARKER = "MARKER4711"
JSON = {"Content-Type": "application/json"}
KEY = {"Idempotency-Key": f"{MARKER}-key"}
SEND = ("POST", "/v1/messages")
RECEIPTS = ("POST", f"/v1/inbox/{ID}/receipts")
OPEN = ("GET", f"/v1/inbox/{ID}")
RECEIPT = {"kind": "acknowledged", "by": MARKER}
SCHEMA = jsonschema.Draft202012Validator(problem_schema())


def checked(answer, code):
    """The form of a problem: RFC 9457, the catalogue's text, and nothing of what was asked."""
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    SCHEMA.validate(document)
    assert document["code"] == code, document
    assert document["type"] == f"/problems/{code}"
    assert document["status"] == answer.status_code == problems.catalogue()[code].status
    assert document["title"] == problems.catalogue()[code].title
    assert MARKER not in answer.text
    assert MARKER not in str(answer.headers)
    return document
