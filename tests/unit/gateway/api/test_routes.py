"""The API over flows that only remember: what is asked of them and what goes out."""

import json

import pytest
from fastapi.routing import iter_route_contexts

from meldeweg.gateway.api.app import build
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.api.routes import OPEN, ROUTES
from meldeweg.gateway.states import SentState
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.service import http
from meldeweg.kernel.statement import ReceiptKind
from unit.gateway.api.fake import ANSWER, ID, ME, Flows, application, bearer, client

KEY = {"Idempotency-Key": "11111111-2222"}
JSON = {"Content-Type": "application/json"}
RECEIPT = {"kind": "acknowledged", "by": "Erika Beispiel"}


@pytest.fixture
def flows():
    return Flows()


async def test_a_message_is_handed_over_byte_by_byte_and_answered_with_the_flows_bytes(flows):
    body = b'{ "type" : "notification" }'
    async with client(flows) as http:
        answer = await http.post("/v1/messages", content=body, headers=bearer("send") | KEY | JSON)
    assert answer.status_code == 201
    assert answer.content == ANSWER.bytes()
    assert answer.headers["location"] == f"/v1/messages/{ID}"
    assert ("accept", body, "11111111-2222") in flows.asked


@pytest.mark.parametrize(
    ("key", "raised", "status"),
    [
        (KEY, None, 201),
        ({}, None, 400),
        (KEY, Rejected("not-covered", rule="type-not-covered"), 403),
        (KEY, Unavailable("store-full", ""), 503),
        (KEY, OSError("not expected"), 500),
    ],
)
async def test_the_direct_way_answers_as_the_route_does(flows, key, raised, status):
    async def accept(body, idempotency_key):
        raise raised

    if raised is not None:
        flows.accept = accept
    answers = []
    async with client(flows) as http:
        for query in ("", "?dry_run=false"):
            headers = bearer("send") | key | JSON
            answer = await http.post(f"/v1/messages{query}", content=b"{}", headers=headers)
            answers.append((answer.status_code, answer.content, sorted(answer.headers.items())))
    direct, routed = answers
    assert direct == routed
    assert direct[0] == status


async def test_a_dry_run_accepts_nothing_and_needs_no_key(flows):
    async with client(flows) as http:
        answer = await http.post(
            "/v1/messages?dry_run=true", content=b"{}", headers=bearer("send") | JSON
        )
    assert answer.status_code == 200
    assert answer.json()["clause"] == "VIE-3"
    assert [call[0] for call in flows.asked] == ["tokens", "check"]


@pytest.mark.parametrize("query", ["dry_run=True", "dry_run=1", "dry-run=true", "dry_run"])
async def test_a_misspelt_dry_run_never_sends(flows, query):
    async with client(flows) as http:
        answer = await http.post(
            f"/v1/messages?{query}", content=b"{}", headers=bearer() | KEY | JSON
        )
    assert answer.status_code == 400
    assert [call[0] for call in flows.asked] == ["tokens"]


async def test_a_repeated_parameter_is_refused(flows):
    async with client(flows) as http:
        query = "dry_run=true&dry_run=false"
        answer = await http.post(f"/v1/messages?{query}", headers=bearer() | KEY | JSON)
    assert answer.json()["code"] == "parameter-unknown"


async def test_sent_messages_are_listed_by_state_and_shown_with_whom_to_phone(flows):
    async with client(flows) as http:
        listed = await http.get(
            "/v1/messages?state=overdue&limit=7&after=abc", headers=bearer("read")
        )
        one = await http.get(f"/v1/messages/{ID}", headers=bearer("read"))
    assert ("sent.list", "abc", 7, SentState.OVERDUE) in flows.asked
    assert listed.json()["next"] == "older"
    assert one.json()["call"]["phone"] == "030 23125 100"
    assert one.json()["timeline"] == [{"kind": "delivered", "at": "2026-11-22T18:00:00.000Z"}]


async def test_the_inbox_is_paged_and_says_nothing_of_the_case(flows):
    async with client(flows) as http:
        answer = await http.get("/v1/inbox?after=17&limit=3", headers=bearer("read"))
    assert ("inbox.list", "17", 3) in flows.asked
    assert answer.json()["next"] == "1"
    assert answer.json()["items"][0].keys().isdisjoint({"type", "grounds", "content", "record"})


async def test_a_message_opens_for_a_named_person(flows):
    async with client(flows) as http:
        headers = bearer("read") | {"Acting-Person": " Jürgen Muster ".encode()}
        answer = await http.get(f"/v1/inbox/{ID}?sender=polizei-viersen", headers=headers)
    assert answer.status_code == 200
    assert answer.json()["content"] == {"narrative": "erfunden"}
    assert ("inbox.open", ID, "Jürgen Muster", ME) in flows.asked


@pytest.mark.parametrize(("new", "status"), [(True, 201), (False, 200)])
async def test_a_new_receipt_is_201_and_the_same_again_200(flows, new, status):
    flows.new_receipt = new
    async with client(flows) as http:
        answer = await http.post(
            f"/v1/inbox/{ID}/receipts", json=RECEIPT | {"reason": "ok"}, headers=bearer("act")
        )
    assert answer.status_code == status
    order = flows.asked[-1][2]
    assert (order.kind, order.by, order.reason) == (
        ReceiptKind.ACKNOWLEDGED,
        "Erika Beispiel",
        "ok",
    )


async def test_register_and_quarantine_are_looked_up(flows):
    async with client(flows) as http:
        for path in ("agencies", "contacts", "municipalities?q=Gref&limit=2", "permissions"):
            answer = await http.get(f"/v1/{path}", headers=bearer("act"))
            assert answer.status_code == 200
            assert isinstance(answer.json()["items"], list)
        listed = await http.get("/v1/quarantine", headers=bearer("admin"))
        one = await http.get("/v1/quarantine/1", headers=bearer("admin"))
    assert ("municipalities", "Gref", 2) in flows.asked
    assert listed.json()["items"][0]["code"] == one.json()["code"] == "jws-malformed"


async def test_operation_endpoints_and_descriptions_need_no_token(flows):
    async with client(flows) as http:
        for route in ROUTES:
            if route.scopes == OPEN:
                answer = await http.get(route.path.replace("{code}", "not-covered"))
                assert answer.status_code == 200, route


@pytest.mark.parametrize("route", [route for route in ROUTES if route.scopes], ids=str)
async def test_a_route_answers_exactly_the_scopes_of_its_row(flows, route):
    path = route.path.replace("{id}", "1" if "quarantine" in route.path else str(ID))
    headers = KEY | JSON | {"Acting-Person": "P-1"}
    body = json.dumps(RECEIPT).encode() if route.body_max else b""
    async with client(flows) as http:
        for scope in ("send", "read", "act", "admin"):
            answer = await http.request(
                route.method, path, headers=headers | bearer(scope), content=body
            )
            if scope in route.scopes:
                assert answer.status_code in (200, 201), (scope, answer.text)
            else:
                assert answer.status_code == 403
                assert answer.json()["code"] == "scope-missing"
                assert answer.json()["scope"] == " ".join(sorted(route.scopes))


def test_the_table_of_routes_is_exactly_what_the_application_has(flows):
    app = build(flows.ports())
    http.build("gateway", app, http.Readiness())
    declared = {
        (method, context.path)
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ()
    }
    assert declared == {(route.method, route.path) for route in ROUTES}


async def test_every_answer_keeps_browsers_and_caches_out(flows):
    async with client(flows) as http:
        for path in ("/v1/inbox", "/nowhere", "/healthz", "/problems/internal"):
            answer = await http.get(path, headers=bearer())
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_an_absent_optional_is_left_out(flows):
    async with client(flows) as http:
        answer = await http.get("/v1/inbox", headers=bearer())
    assert None not in answer.json()["items"][0].values()


def test_an_application_can_be_built_without_being_asked_anything(flows):
    application(flows)
    assert flows.asked == []
