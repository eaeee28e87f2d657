"""Every problem of the catalogue is reached here, in one form, and says nothing of content."""

import html
import json
import re

import pytest
from structlog.testing import capture_logs

from meldeweg.gateway.api import describe, problems
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.api.shapes import Pointer
from meldeweg.kernel.errors import Early, Fatal, Refused, Unavailable
from meldeweg.kernel.policy import Rule
from meldeweg.kernel.service import problem
from unit.gateway.api.fake import CALL, Flows, Selective, bearer, client
from unit.gateway.api.problem_form import JSON, KEY, MARKER, OPEN, RECEIPT, RECEIPTS, SEND, checked

# code -> (what a flow raises or None, method and address, headers, body)
ASKED = {
    "not-found": (None, ("GET", f"/{MARKER}"), {}, b""),
    "method-not-allowed": (None, ("DELETE", "/v1/inbox"), {}, b""),
    "token-missing": (None, ("GET", "/v1/inbox"), {"Authorization": f"Basic {MARKER}"}, b""),
    "token-invalid": (None, ("GET", "/v1/inbox"), {"Authorization": f"Bearer {MARKER}"}, b""),
    "scope-missing": (None, ("GET", "/v1/inbox"), bearer("send"), b""),
    "parameter-invalid": (None, ("GET", f"/v1/inbox?limit={MARKER}"), {}, b""),
    "parameter-unknown": (None, ("GET", f"/v1/inbox?{MARKER}=1"), {}, b""),
    "cursor-malformed": (Refused("cursor-malformed"), ("GET", "/v1/inbox?after=x"), {}, b""),
    "json-malformed": (None, RECEIPTS, JSON, f'{{"kind": {MARKER}'.encode()),
    "content-type-unsupported": (
        None,
        SEND,
        KEY | {"Content-Type": f"text/{MARKER}"},
        MARKER.encode(),
    ),
    "body-too-large": (None, SEND, KEY | JSON, MARKER.encode() * 200_000),
    "schema-violated": (
        None,
        RECEIPTS,
        JSON,
        json.dumps(RECEIPT | {MARKER: MARKER}).encode(),
    ),
    "idempotency-key-missing": (None, SEND, JSON, b"{}"),
    "idempotency-key-malformed": (None, SEND, JSON | {"Idempotency-Key": "short"}, b"{}"),
    "acting-person-missing": (None, OPEN, {}, b""),
    "acting-person-malformed": (
        None,
        OPEN,
        {"Acting-Person": b"M\xfcller " + MARKER.encode()},
        b"",
    ),
    "not-covered": (
        Rejected("not-covered", MARKER, rule="VIE-3 verlangt einen Anlass", call=CALL),
        SEND,
        KEY | JSON,
        MARKER.encode(),
    ),
    "internal": (RuntimeError(MARKER), SEND, KEY | JSON, MARKER.encode()),
    "refused": (Refused("a-code-without-page", MARKER), SEND, KEY | JSON, MARKER.encode()),
    "unavailable": (Unavailable("a-code-without-page", MARKER), SEND, KEY | JSON, MARKER.encode()),
}
for _code in describe.PROBLEMS[describe.SEND]:
    if problems.catalogue()[_code].status == 503:
        ASKED.setdefault(_code, (Unavailable(_code, MARKER), SEND, KEY | JSON, b"{}"))
    elif _code != "request-too-slow":
        ASKED.setdefault(_code, (Refused(_code, MARKER), SEND, KEY | JSON, b"{}"))
for _code in describe.PROBLEMS[describe.RECEIPT]:
    if _code != "request-too-slow":
        ASKED.setdefault(
            _code, (Refused(_code, MARKER), RECEIPTS, JSON, json.dumps(RECEIPT).encode())
        )
for _code in describe.PROBLEMS[describe.OPENING]:
    ASKED.setdefault(_code, (Refused(_code, MARKER), OPEN, {"Acting-Person": MARKER}, b""))
ASKED["quarantine-unknown"] = (Refused("quarantine-unknown"), ("GET", "/v1/quarantine/9"), {}, b"")

BELOW = {"request-malformed", "headers-too-large", "overloaded"}  # tests/unit/kernel/service
ELSEWHERE = {"starting", "draining", "request-too-slow"}  # test_requests.py beside


@pytest.mark.parametrize("code", ASKED)
async def test_every_problem_is_reached_in_one_form_without_content(code):
    raises, (method, path), headers, body = ASKED[code]
    flows = Selective()
    flows.raises = raises
    async with client(flows) as http:
        answer = await http.request(method, path, headers=bearer() | headers, content=body)
    checked(answer, code)


def test_no_code_of_the_catalogue_lacks_a_test():
    assert set(problems.catalogue()) == set(ASKED) | BELOW | ELSEWHERE


def test_every_code_is_named_by_a_route_or_is_about_none():
    named = {code for name in describe.PROBLEMS for code in describe.codes(name)}
    about_none = BELOW | {"not-found", "method-not-allowed"}
    assert set(problems.catalogue()) == named | about_none


async def test_a_rejection_says_rule_and_whom_to_phone():
    raises, (method, path), headers, body = ASKED["not-covered"]
    flows = Selective()
    flows.raises = raises
    async with client(flows) as http:
        answer = await http.request(method, path, headers=bearer() | headers, content=body)
    document = checked(answer, "not-covered")
    assert document["rule"] == "VIE-3 verlangt einen Anlass"
    assert document["call"] == {
        "agency": "jugendamt-kreis-viersen",
        "office": "Bereitschaft (erfunden)",
        "phone": "030 23125 100",
    }


@pytest.mark.parametrize(
    ("pointer", "shown"),
    [
        ("/content/children/0/born", "/content/children/0/born"),
        (f"/content/{MARKER}/born", "/content"),
        ("/content/Erika Beispiel", "/content"),
        ("", ""),
        ("no-slash", ""),
        ("/labels/" + "a" * 60, "/labels"),
        ("/content/children/99999", "/content/children"),
    ],
)
async def test_a_pointer_shows_declared_names_alone(pointer, shown):
    flows = Selective()
    flows.raises = Rejected("schema-violated", errors=(Pointer(pointer=pointer, code="missing"),))
    async with client(flows) as http:
        answer = await http.post("/v1/messages", content=b"{}", headers=bearer() | KEY | JSON)
    assert checked(answer, "schema-violated")["errors"] == [{"pointer": shown, "code": "missing"}]


async def test_pointers_are_bounded():
    flows = Selective()
    flows.raises = Rejected("schema-violated", errors=(Pointer(pointer="/to", code="x"),) * 500)
    async with client(flows) as http:
        answer = await http.post("/v1/messages", content=b"{}", headers=bearer() | KEY | JSON)
    assert len(checked(answer, "schema-violated")["errors"]) == 20


@pytest.mark.parametrize(
    ("raises", "status", "code"),
    [
        (Refused("internal"), 422, "refused"),
        (Refused("store-full"), 422, "refused"),
        (Unavailable("not-covered"), 503, "unavailable"),
        (Early("in-reply-to-unknown"), 409, "in-reply-to-unknown"),
        (Fatal("store-failed", MARKER), 500, "internal"),
    ],
)
async def test_an_outcome_decides_the_class_of_the_answer_whatever_its_code(raises, status, code):
    flows = Selective()
    flows.raises = raises
    async with client(flows) as http:
        answer = await http.post("/v1/messages", content=b"{}", headers=bearer() | KEY | JSON)
    checked(answer, code)
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_what_nobody_expected_is_logged_once_and_answered():
    flows = Selective()
    flows.raises = RuntimeError(MARKER)
    with capture_logs() as lines:
        async with client(flows) as http:
            answer = await http.post("/v1/messages", content=b"{}", headers=bearer() | KEY | JSON)
    checked(answer, "internal")
    assert [line["event"] for line in lines] == ["request_failed"]
    assert MARKER not in str(lines)


async def test_every_problem_has_a_page_that_stands_alone():
    async with client(Flows()) as http:
        index = await http.get("/problems")
        for code, found in problems.catalogue().items():
            assert f'href="/problems/{code}"' in index.text
            page = await http.get(f"/problems/{code}")
            assert page.status_code == 200
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "script-src" not in page.headers["content-security-policy"]
            assert page.headers["content-security-policy"].startswith("default-src 'none'")
            assert '<html lang="de">' in page.text
            assert 'lang="en"' in page.text
            assert not re.search(r"<script|javascript:|\son\w+=|src=|@import|url\(", page.text)
            for text in (found.title, found.meaning, found.action, found.meaning_en):
                assert html.escape(text) in page.text


async def test_the_page_of_not_covered_says_every_rule():
    async with client(Flows()) as http:
        page = await http.get("/problems/not-covered")
    for rule in Rule:
        assert f"<code>{rule}</code>" in page.text
        assert html.escape(rule.german) in page.text


async def test_an_unknown_page_is_a_problem_too():
    async with client(Flows()) as http:
        checked(await http.get(f"/problems/{MARKER}"), "not-found")


def test_texts_are_german_first_and_end_as_sentences():
    for found in problems.catalogue().values():
        assert found.meaning.endswith(".")
        assert found.action.endswith(".")
        assert not found.title.endswith(".")
        assert found.title != found.title_en
        assert 400 <= found.status < 600


def test_basics_are_not_told_twice():
    own = {found.code for found in problem.BASICS}
    assert len(problems.catalogue()) > len(own)
    assert all(problems.catalogue()[code] in problem.BASICS for code in own)
