"""A request that is no good ends early: late, too long, no JSON, or with members nobody knows."""

import asyncio

import pytest

from meldeweg.gateway.api import reading
from meldeweg.kernel.service.protocol import BoundedProtocol
from unit.gateway.api.fake import ID, Selective, bearer, client
from unit.gateway.api.problem_form import JSON, KEY, MARKER, RECEIPTS, checked


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
