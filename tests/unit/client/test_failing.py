"""The SDK when it goes wrong: each failure has its exception, and only what is safe is repeated."""

import inspect
import json
from datetime import UTC

import httpx2
import pytest

from meldeweg import client
from meldeweg.client import Gateway, calls
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.api.shapes import Pointer
from meldeweg.kernel.errors import Refused, Unavailable
from unit.client.served import CONTENT, TO, answering, serving
from unit.gateway.api.fake import CALL, ID, SECRETS


def test_what_the_agreement_does_not_cover_says_rule_and_whom_to_phone(gateway, flows):
    flows.raises = Rejected("not-covered", rule="VIE-3", call=CALL)
    with pytest.raises(client.NotCovered) as refused:
        gateway.send("notification", TO, CONTENT, acting_person="P")
    assert refused.value.rule == "VIE-3"
    assert refused.value.call.phone == "030 23125 100"
    assert refused.value.type == "/problems/not-covered"


@pytest.mark.parametrize(
    ("raises", "kind"),
    [
        (Refused("message-unknown"), client.NotFound),
        (Refused("message-erased"), client.NotFound),
        (Refused("message-ambiguous"), client.Conflict),
        (Refused("place-unknown"), client.Invalid),
        (Unavailable("store-full"), client.NotAvailable),
        (RuntimeError(), client.Problem),
    ],
)
def test_each_problem_has_its_exception(gateway, flows, raises, kind):
    flows.raises = raises
    with pytest.raises(kind) as refused:
        gateway.sent(ID)
    assert type(refused.value) is kind


def test_a_token_that_does_not_count_is_told_so(flows):
    with serving(flows) as url:
        with Gateway(url, "mw_none") as gateway, pytest.raises(client.Unauthorized):
            gateway.inbox()
        with Gateway(url, SECRETS["send"]) as gateway, pytest.raises(client.Forbidden) as refused:
            gateway.inbox()
    assert refused.value.scope == "read"


def test_what_is_wrong_is_pointed_at(gateway, flows):
    flows.raises = Rejected("schema-violated", errors=(Pointer(pointer="/to", code="missing"),))
    with pytest.raises(client.Invalid) as refused:
        gateway.send("notification", TO, CONTENT, acting_person="P")
    assert refused.value.errors == (("/to", "missing"),)


def test_a_full_gateway_is_asked_again_with_the_same_key_and_bytes(gateway, flows):
    flows.raises, flows.times = Unavailable("store-full"), 2
    accepted = gateway.send("notification", TO, CONTENT, acting_person="P")
    assert len(flows.asked) == 3
    assert len(set(flows.asked)) == 1
    assert flows.asked[0][2] == accepted.key


def test_it_gives_up_after_its_tries(gateway, flows):
    flows.raises = Unavailable("store-full")
    with pytest.raises(client.NotAvailable):
        gateway.inbox()
    assert len(flows.asked) == 5


def test_a_refusal_is_not_repeated(gateway, flows):
    flows.raises = Refused("place-unknown")
    with pytest.raises(client.Invalid):
        gateway.send("notification", TO, CONTENT, acting_person="P")
    assert len(flows.asked) == 1


@pytest.mark.parametrize(
    ("error", "sends", "looks"),
    [
        (httpx2.ConnectError("no"), 5, 5),  # surely not processed
        (httpx2.ReadTimeout("lost"), 5, 1),  # perhaps processed: a look would be on the record
    ],
)
def test_after_a_broken_connection_only_what_is_safe_is_repeated(monkeypatch, error, sends, looks):
    monkeypatch.setattr(calls, "pause", lambda *_: 0.0)
    asked = []

    def broken(request):
        asked.append(request)
        raise error

    gateway = Gateway("http://localhost", "t", transport=httpx2.MockTransport(broken))
    with pytest.raises(client.Unreachable):
        gateway.send("notification", TO, CONTENT, acting_person="P")
    assert len(asked) == sends
    assert len({request.headers["idempotency-key"] for request in asked}) == 1
    asked.clear()
    with pytest.raises(client.Unreachable):
        gateway.open(ID, "P")
    assert len(asked) == looks


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (200, b"<html>MARKER</html>", "text/html"),
        (200, b'{"items": "MARKER"}', "application/json"),
        (200, b'{"items": [{"id": "MARKER"}], "next": "1"}', "application/json"),
        (200, b'["MARKER"]', "application/json"),
        (500, b'{"detail": "MARKER"}', "application/json"),
        (302, b'"MARKER"', "application/json"),
    ],
)
def test_what_is_no_gateway_is_said_so_without_its_words(status, content, kind):
    with pytest.raises(client.UnexpectedAnswer) as refused:
        answering(status, content, kind).inbox()
    assert "MARKER" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "application/json", b"[" * 100_000),
        (400, "application/problem+json", b'{"detail":' * 100_000),
        (200, "application/json", b'{"items":[],"next":"\\ud800MARKER"}'),
        (200, "application/json", b"\xff"),
        (200, "application/json", b"9" * 5000),
        (200, "application/json", b"{}"),
        (200, "application/json", b"[]"),
        (200, "application/json", b"null"),
        (200, "application/json", b'{"version":["MARKER"]}'),
        (409, "application/problem+json", b'["MARKER"]'),
    ],
)
def test_an_answer_that_nobody_can_read_is_unexpected_and_nothing_of_it_is_carried_on(
    status, kind, body
):
    for call in (calls.version(), calls.inbox(None, 5), calls.agencies(), calls.sent_one(ID)):
        with pytest.raises(client.UnexpectedAnswer) as refused:
            call.answer(status, kind, body)
        assert refused.value.code == "unexpected-answer"
        assert "MARKER" not in str(refused.value)
        assert refused.value.__context__ is None, "a parser's own exception carries the answer"


@pytest.mark.parametrize(
    "members",
    [
        {"errors": [1]},
        {"errors": {"x": 1}},
        {"errors": 5},
        {"errors": None},
        {"errors": [{"pointer": 1, "code": []}, {}]},
        {"call": {}},
        {"call": {"office": 7}},
        {"code": ["MARKER"], "title": {"MARKER": 1}, "detail": 1, "rule": 3, "reason": []},
        {"code": "MARKER and more", "title": None},
        {"code": "a" * 100},
    ],
)
def test_a_broken_problem_document_is_a_problem_without_what_is_broken(members):
    said = json.dumps(members).encode()
    for status, kind in ((400, client.Invalid), (503, client.NotAvailable), (999, client.Problem)):
        with pytest.raises(client.Problem) as refused:
            calls.inbox(None, 5).answer(status, "application/problem+json", said)
        problem = refused.value
        assert type(problem) is kind
        assert (problem.code, problem.call, problem.rule) == ("unknown", None, None)
        assert all(pair == ("", "") for pair in problem.errors)
        assert str(problem) == f"unknown ({status}): "


def test_times_are_utc_and_one_before_the_calendar_is_none():
    said = {"recipient": "a", "clause": "c", "legal_basis": "l", "urgency": "today"}
    check = calls.send("t", {}, {}, acting_person="P", dry_run=True)

    def answered(ack_by):
        return check.answer(200, "application/json", json.dumps(said | {"ack_by": ack_by}).encode())

    at = answered("2026-11-22T19:00:00+01:00").ack_by
    assert (at.isoformat(), at.tzinfo) == ("2026-11-22T18:00:00+00:00", UTC)
    for odd in ("0001-01-01T00:00:00+23:59", "2026-11-22T19:00:00", "", 7, None):
        with pytest.raises(client.UnexpectedAnswer):
            answered(odd)


def test_an_answer_in_another_encoding_than_it_names_is_unexpected():
    headers = {"content-encoding": "gzip"}
    broken = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(b"no gzip"))
    )
    with pytest.raises(client.UnexpectedAnswer):
        Gateway("http://localhost", "t", transport=broken).version()


def test_every_error_has_a_stable_code():
    kinds = {each for each in vars(client).values() if inspect.isclass(each)}
    failures = {each for each in kinds if issubclass(each, client.GatewayError)}
    assert len(failures) == 11
    said = {each: each.code for each in failures if not issubclass(each, client.Problem)}
    assert set(said.values()) == {"gateway-error", "unreachable", "unexpected-answer"}
