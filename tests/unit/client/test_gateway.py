"""The SDK against the real application on a real socket, over flows that only remember."""

import asyncio
import inspect
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx2
import pytest

from meldeweg import client
from meldeweg.client import AsyncGateway, Gateway, calls
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.api.shapes import Pointer
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.service.http import Server
from meldeweg.kernel.settings import HttpSettings
from unit.gateway.api.fake import CALL, ID, SECRETS, Flows, application

TO = {"place": "05166008"}
CONTENT = {"grounds": ["domestic-violence"]}


@contextmanager
def serving(flows):
    """Serve the application in a thread of its own, as a process of its own would."""
    ready, stopped = threading.Event(), []

    def run():
        async def main():
            server = Server(application(flows), HttpSettings())
            stopped.append((asyncio.get_running_loop(), server))
            ready.set()
            await server.run_until_stopped()

        asyncio.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    loop, server = stopped[0]
    try:
        yield server.url
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(10)


class Selective(Flows):
    """Tokens work even where the flow of a test raises; `times` is how often it does."""

    times = 1000

    async def all(self):
        return self.stored

    def heard(self, *call):
        self.asked.append(call)
        if self.raises is not None and self.times > 0:
            self.times -= 1
            raise self.raises


@pytest.fixture
def flows():
    return Selective()


@pytest.fixture
def gateway(flows, monkeypatch):
    monkeypatch.setattr(calls, "pause", lambda *_: 0.0)
    with serving(flows) as url, Gateway(url, SECRETS["all"]) as one:
        yield one


def test_a_message_is_sent_in_one_call(gateway, flows):
    accepted = gateway.send(
        "notification", TO, CONTENT, acting_person="P-4711", exercise=True, key="my-own-key"
    )
    assert (accepted.id, accepted.state, accepted.key) == (ID, "queued", "my-own-key")
    assert accepted.ack_by == datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
    _, body, key = flows.asked[-1]
    assert key == "my-own-key"
    assert json.loads(body) == {
        "type": "notification",
        "to": TO,
        "acting_person": "P-4711",
        "content": CONTENT,
        "exercise": True,
    }


def test_without_a_key_each_message_gets_one_of_its_own(gateway):
    keys = {gateway.send("notification", TO, CONTENT, acting_person="P").key for _ in range(3)}
    assert len(keys) == 3


def test_the_same_arguments_are_the_same_bytes(gateway, flows):
    gateway.send("inquiry", {"a": "1", "b": "2"}, {"x": 1, "y": "ü"}, acting_person="P")
    gateway.send("inquiry", {"b": "2", "a": "1"}, {"y": "ü", "x": 1}, acting_person="P")
    assert flows.asked[-1][1] == flows.asked[-2][1]


def test_a_check_accepts_nothing(gateway, flows):
    assert gateway.check("notification", TO, CONTENT, acting_person="P").clause == "VIE-3"
    assert [call[0] for call in flows.asked] == ["check"]


def test_sent_messages_come_back_as_values(gateway):
    page = gateway.sent_messages(state="overdue")
    one = gateway.sent(page.items[0].id)
    assert one.call == client.Call("jugendamt-kreis-viersen", CALL.office, CALL.phone)
    assert one.timeline[0].kind == "delivered"
    assert page.next == "older"


def test_a_message_is_opened_by_a_person_with_any_name_and_acknowledged(gateway, flows):
    opened = gateway.open(ID, "Jürgen Müßig", sender="polizei-viersen")
    assert opened.content == {"narrative": "erfunden"}
    assert flows.asked[-1][2] == "Jürgen Müßig"
    receipt = gateway.acknowledge(ID, "Jürgen Müßig")
    assert (receipt.kind, receipt.new) == ("acknowledged", True)
    flows.new_receipt = False
    assert not gateway.acknowledge(ID, "Jürgen Müßig").new


@pytest.mark.parametrize("name", [" Vera Beispiel ", "\tVera Beispiel\n", "\u00a0Vera Beispiel"])
def test_blanks_around_a_name_matter_in_no_call(gateway, flows, name):
    gateway.open(ID, name)
    assert flows.asked[-1][2] == "Vera Beispiel"
    gateway.acknowledge(ID, name)
    assert flows.asked[-1][2].by == "Vera Beispiel"


def test_refusing_and_erasing_carry_their_members(gateway, flows):
    gateway.refuse(ID, "P", "not-responsible", responsible="jugendamt-kempen", reason="Umzug")
    order = flows.asked[-1][2]
    assert (order.code, order.responsible, order.reason) == (
        "not-responsible",
        "jugendamt-kempen",
        "Umzug",
    )
    gateway.confirm_erasure(ID, "P")
    assert flows.asked[-1][2].kind == "erased"


def test_the_inbox_is_walked_page_by_page(gateway, flows, monkeypatch):
    pages = iter([("1", 1), ("2", 1), ("2", 0)])
    real = gateway.inbox

    def page(*, after, limit):
        number, count = next(pages)
        found = real(after=after, limit=limit)
        return client.InboxPage(found.items * count, number)

    monkeypatch.setattr(gateway, "inbox", page)
    assert [one.next for one in gateway.inbox_pages(after="0")] == ["1", "2"]
    assert [call[1] for call in flows.asked] == ["0", "1", "2"]


def test_register_and_quarantine_come_back_as_values(gateway):
    assert gateway.agencies()[0].municipalities == ("05166008",)
    assert gateway.contacts()[0].phone == "030 23125 100"
    assert gateway.municipalities("Gref")[0].youth_office == "jugendamt-kreis-viersen"
    assert gateway.permissions() == ()
    assert gateway.quarantine().items[0].code == gateway.quarantined("1").code
    assert gateway.version()


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


def answering(status, content, kind="application/json"):
    answer = httpx2.Response(status, content=content, headers={"content-type": kind})
    return Gateway("http://localhost", "t", transport=httpx2.MockTransport(lambda _: answer))


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


def test_members_of_a_newer_gateway_are_passed_over():
    page = answering(200, b'{"items": [], "next": "7", "new": {"a": 1}}').inbox()
    assert page == client.InboxPage((), "7")


@pytest.mark.parametrize(
    "url",
    ["http://gateway.intern", "ftp://localhost", "https://user:pw@host", "nonsense", "http://"],
)
def test_a_token_never_goes_where_it_could_be_read(url):
    with pytest.raises(ValueError, match="url"):
        Gateway(url, "t")


def test_neither_token_nor_content_is_shown(gateway):
    assert SECRETS["all"] not in repr(gateway)
    assert "erfunden" not in repr(gateway.open(ID, "P"))
    assert "domestic" not in repr(calls.send("notification", TO, CONTENT, acting_person="P"))


def test_a_name_that_no_header_can_hold_is_the_callers_mistake(gateway, flows):
    with pytest.raises(ValueError, match="header"):
        gateway.open(ID, "a\nb")
    assert flows.asked == []


def test_waiting_ends_with_the_state_or_the_time(gateway):
    assert gateway.wait(ID, until=("overdue",)).state == "overdue"
    with pytest.raises(TimeoutError, match="still overdue"):
        gateway.wait(ID, seconds=0.05, every=0.01)


def test_pauses_grow_heed_the_gateway_and_stay_bounded():
    assert 0.16 <= calls.pause(0, None) <= 0.24
    assert calls.pause(3, None) > calls.pause(0, None)
    assert 4 <= calls.pause(0, "5") <= 6
    assert calls.pause(0, "100000") <= 12
    assert calls.pause(0, "\u00b2") <= 0.24  # a digit to Python, no number
    assert calls.pause(0, "9" * 5000) <= 12
    assert calls.pause(0, "Wed, 21 Oct 2026 07:28:00 GMT") <= 0.24


async def test_the_asynchronous_gateway_does_the_same(flows, monkeypatch):
    monkeypatch.setattr(calls, "pause", lambda *_: 0.0)
    flows.raises, flows.times = Unavailable("store-full"), 2
    with serving(flows) as url:
        async with AsyncGateway(url, SECRETS["all"]) as gateway:
            accepted = await gateway.send("notification", TO, CONTENT, acting_person="P")
            assert (await gateway.open(ID, "Jürgen")).content == {"narrative": "erfunden"}
            assert (await gateway.wait(ID, until=("overdue",))).state == "overdue"
            flows.raises, flows.times = Refused("message-unknown"), 1
            with pytest.raises(client.NotFound):
                await gateway.sent(ID)
            async for page in gateway.inbox_pages():
                assert page.next == "1"
                break
    assert accepted.id == ID
    assert len(set(flows.asked[:3])) == 1


def public(kind):
    return {
        name: str(inspect.signature(member)).replace("AsyncIterator", "Iterator")
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def test_both_gateways_have_the_same_methods():
    assert public(Gateway) == public(AsyncGateway)
    for kind in (Gateway, AsyncGateway):
        assert all(getattr(kind, name).__doc__ for name in public(kind))
