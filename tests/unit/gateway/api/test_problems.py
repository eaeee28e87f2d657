"""Every problem of the catalogue is reached here, in one form, and says nothing of content."""

import asyncio
import html
import json
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from starlette.requests import Request
from structlog.testing import capture_logs

from meldeweg.gateway.api import describe, problems, reading
from meldeweg.gateway.api.openapi import problem_schema
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.api.shapes import Person, Pointer
from meldeweg.kernel.errors import Early, Fatal, Refused, Unavailable
from meldeweg.kernel.policy import Rule
from meldeweg.kernel.service import problem
from meldeweg.kernel.service.protocol import BoundedProtocol
from unit.gateway.api.fake import CALL, ID, Flows, bearer, client

MARKER = "MARKER4711"
JSON = {"Content-Type": "application/json"}
KEY = {"Idempotency-Key": f"{MARKER}-key"}
SEND = ("POST", "/v1/messages")
RECEIPTS = ("POST", f"/v1/inbox/{ID}/receipts")
OPEN = ("GET", f"/v1/inbox/{ID}")
RECEIPT = {"kind": "acknowledged", "by": MARKER}

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
ELSEWHERE = {"starting", "draining", "request-too-slow"}  # further down here

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


class Selective(Flows):
    """Tokens work even where the flow of a test raises."""

    async def all(self):
        return self.stored


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


@pytest.mark.parametrize("phase", ["starting", "draining"])
async def test_until_ready_and_while_draining_nothing_is_taken(phase):
    flows = Selective()
    async with client(flows, phase=phase) as http:
        answer = await http.post("/v1/messages", content=b"{}", headers=bearer() | KEY | JSON)
        page = await http.get(f"/problems/{phase}")
    checked(answer, phase)
    assert flows.asked == []
    assert page.status_code == 200


async def test_a_body_that_dawdles_is_ended(monkeypatch):
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.1)

    async def dawdling():
        yield b"{"
        await asyncio.sleep(5)
        yield MARKER.encode()

    async with client(Selective()) as http:
        answer = await http.post("/v1/messages", content=dawdling(), headers=bearer() | KEY | JSON)
    checked(answer, "request-too-slow")
    assert answer.headers["connection"] == "close"


def test_the_application_gives_up_before_the_connection_does():
    assert reading.BODY_SECONDS < BoundedProtocol.BODY_SECONDS


async def test_a_body_of_unknown_size_is_ended_at_the_bound():
    read = 0

    async def endless():
        nonlocal read
        for _ in range(100):  # endless for the bound, not for the machine
            read += 1
            yield b"x" * 65536

    flows = Selective()
    async with client(flows) as http:
        answer = await http.post("/v1/messages", content=endless(), headers=bearer() | KEY | JSON)
    checked(answer, "body-too-large")
    assert read < 40
    assert flows.asked == []


async def test_what_says_it_is_too_large_is_refused_before_a_byte_is_read():
    read = []

    async def body():
        read.append(1)
        yield b"{}"

    headers = bearer() | KEY | JSON | {"Content-Length": "1048577"}
    async with client(Selective()) as http:
        answer = await http.post("/v1/messages", content=body(), headers=headers)
    checked(answer, "body-too-large")
    assert len(read) <= 1  # the in-process transport asks once before anyone reads


async def test_a_route_without_a_body_takes_none():
    async with client(Selective()) as http:
        for content in (b"x", asyncio_lines()):
            answer = await http.request("GET", "/v1/inbox", content=content, headers=bearer())
            checked(answer, "body-too-large")


async def asyncio_lines():
    yield b"x"


async def test_who_asks_is_judged_before_what_is_asked():
    headers = {"Content-Type": "text/plain"}
    async with client(Selective()) as http:
        answer = await http.post("/v1/messages?nonsense=1", content=b"x", headers=headers)
    checked(answer, "token-missing")
    assert answer.headers["www-authenticate"] == 'Bearer realm="meldeweg"'


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
    ("body", "code", "pointers"),
    [
        (b"", "json-malformed", None),
        (b"\xff", "json-malformed", None),
        (b'{"kind":"acknowledged","kind":"refused","by":"P"}', "json-malformed", None),
        (b"[" * 5000, "json-malformed", None),
        (b'{"kind":NaN}', "json-malformed", None),
        (b"[]", "schema-violated", [{"pointer": "", "code": "wrong-type"}]),
        (
            b'{"kind":"MARKER4711","by":""}',
            "schema-violated",
            [
                {"pointer": "/kind", "code": "not-in-list"},
                {"pointer": "/by", "code": "too-short"},
            ],
        ),
        (
            b'{"kind":"refused","by":"P","responsible":"MARKER 4711"}',
            "schema-violated",
            [{"pointer": "/responsible", "code": "not-in-form"}],
        ),
        (
            b'{"kind":"erased","by":"   "}',
            "schema-violated",
            [{"pointer": "/by", "code": "too-short"}],
        ),
        (
            '{"kind":"erased","by":"x\u202ey"}'.encode(),
            "schema-violated",
            [{"pointer": "/by", "code": "not-in-form"}],
        ),
        (
            b'{"kind":"refused","code":"sent-twice","by":"P","reason":"  "}',
            "schema-violated",
            [{"pointer": "/reason", "code": "not-in-form"}],
        ),
    ],
)
async def test_a_receipt_that_is_not_one_is_refused_with_pointers(body, code, pointers):
    flows = Selective()
    async with client(flows) as http:
        answer = await http.request(*RECEIPTS, content=body, headers=bearer() | JSON)
    assert checked(answer, code).get("errors") == pointers
    assert flows.asked == []


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/inbox?limit=0", "/limit"),
        ("/v1/inbox?limit=201", "/limit"),
        ("/v1/messages?state=MARKER4711", "/state"),
        ("/v1/messages/MARKER4711", "/id"),
        (f"/v1/inbox/{ID}?sender=MARKER4711", "/sender"),
        ("/v1/quarantine/MARKER4711", "/id"),
        ("/v1/municipalities?q=" + MARKER * 20, "/q"),
    ],
)
async def test_a_wrong_parameter_is_named_and_not_quoted(path, pointer):
    async with client(Selective()) as http:
        answer = await http.get(path, headers=bearer() | {"Acting-Person": "P"})
    assert [e["pointer"] for e in checked(answer, "parameter-invalid")["errors"]] == [pointer]


@pytest.mark.parametrize("query", ["limit=%ff", "limit", "&".join(f"a{n}=1" for n in range(50))])
async def test_a_query_that_cannot_be_read_is_refused(query):
    async with client(Selective()) as http:
        answer = await http.get(f"/v1/inbox?{query}", headers=bearer())
    checked(answer, "parameter-invalid")


@pytest.mark.parametrize(
    "kind",
    [
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "Application/JSON",
        "application/json;",
    ],
)
async def test_json_may_be_written_in_each_of_its_spellings(kind):
    async with client(Selective()) as http:
        headers = bearer() | KEY | {"Content-Type": kind}
        answer = await http.post("/v1/messages", content=b"{}", headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json; profile=x"},
        {"Content-Type": "application/problem+json"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_nothing_but_plain_json_is_taken(headers):
    async with client(Selective()) as http:
        answer = await http.post("/v1/messages", content=b"{}", headers=bearer() | KEY | headers)
    checked(answer, "content-type-unsupported")


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


@pytest.mark.parametrize(
    ("name", "problem_code"),
    [
        (b"", "acting-person-missing"),
        (b"   ", "acting-person-missing"),
        (b"a\tb", "acting-person-malformed"),
        ("x\u202ey".encode(), "acting-person-malformed"),
        (b"x" * 201, "acting-person-malformed"),
    ],
)
async def test_a_person_has_a_name_that_can_be_shown(name, problem_code):
    async with client(Selective()) as http:
        answer = await http.get(OPEN[1], headers=bearer() | {"Acting-Person": name})
    checked(answer, problem_code)


@pytest.mark.parametrize("name", ["Vera\u00a0Beispiel", "م\u200cن", "क्\u200dष", "Zoë"])
async def test_a_name_that_a_receipt_takes_is_taken_here(name):
    assert TypeAdapter(Person).validate_python(name) == name
    flows = Selective()
    async with client(flows) as http:
        sent = bearer() | {"Acting-Person": name.encode()}
        assert (await http.get(OPEN[1], headers=sent)).status_code == 200


_ODD = st.sampled_from(
    "\u00a0\u200b\u200c\u200d\u200e\u202e\u2028\u3000\u0085\u0000\u007f\t\n e\u0301"
)


@given(st.text(st.characters(exclude_categories=["Cs"]) | _ODD, max_size=12), st.integers(1, 201))
def test_body_and_header_take_the_same_names(name, times):
    """The header as it arrives: HTTP takes the blanks around it away."""
    name *= times if len(name) == 1 else 1
    sent = name.encode().strip(b" \t")
    request = Request({"type": "http", "headers": [(b"acting-person", sent)]})
    try:
        by = TypeAdapter(Person).validate_python(name)
    except ValueError:
        with pytest.raises(Refused, match="acting-person"):
            reading.acting_person(request)
    else:
        assert reading.acting_person(request) == by


async def test_two_persons_in_one_request_are_none():
    async with client(Selective()) as http:
        headers = [*bearer().items(), ("Acting-Person", "A"), ("Acting-Person", "B")]
        answer = await http.get(OPEN[1], headers=headers)
    checked(answer, "acting-person-malformed")


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
