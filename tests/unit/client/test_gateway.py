"""The SDK against the real application on a real socket, over flows that only remember."""

import inspect
import json
from datetime import UTC, datetime

import pytest

from meldeweg import client
from meldeweg.client import AsyncGateway, Gateway, calls
from meldeweg.kernel.errors import Refused, Unavailable
from unit.client.served import CONTENT, TO, answering, serving
from unit.gateway.api.fake import CALL, ID, SECRETS


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
