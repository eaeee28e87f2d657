"""The API over the real flows of two gateways: what a case system sends, meets, opens, answers."""

import copy
import json
import shutil
from dataclasses import replace

import httpx2
import pytest

from meldeweg.gateway import tokens
from meldeweg.gateway.api.app import build
from meldeweg.gateway.api.ports import Ports, Scope
from meldeweg.gateway.directory import Directory
from meldeweg.gateway.inbox import Inbox
from meldeweg.gateway.quarantine import Quarantine
from meldeweg.gateway.settings import OutboxSettings
from meldeweg.gateway.store import Store
from meldeweg.gateway.tokens import StoredTokens
from meldeweg.kernel.schemas import examples
from unit.gateway.receiving import Gateway as Receiving
from unit.gateway.sending import LABELS, Sender
from unit.gateway.world import GREFRATH, KREIS, NETTETAL, NOW, POLICE

MARKER = "MARKER4711"


class Http:
    """Both agencies' case systems, each with a token of its own gateway."""

    def __init__(self, store, world, other, settings=None):
        self.sender = Sender(store, world, settings=settings)
        self.receiver = Receiving(other, world)
        self.police = self._client(
            self.sender,
            Ports(
                me=POLICE,
                intake=self.sender.intake,
                sent=self.sender.box,
                inbox=Inbox(store, self.sender.desk, self.receiver.inbox._lock),
                quarantine=Quarantine(store),
                directory=Directory(POLICE, self.sender.register, self.sender.clock),
                tokens=StoredTokens(store),
            ),
        )
        receiver_box = Sender(other, world, KREIS)
        self.office = self._client(
            self.receiver,
            Ports(
                me=KREIS,
                intake=receiver_box.intake,
                sent=receiver_box.box,
                inbox=self.receiver.inbox,
                quarantine=self.receiver.quarantine,
                directory=Directory(KREIS, self.receiver.view, self.receiver.clock),
                tokens=StoredTokens(other),
            ),
        )

    def _client(self, side, ports):
        secret = tokens.create(side.store.directory, "fall", list(Scope), NOW)
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(build(ports)),
            base_url="http://gateway",
            headers={"Authorization": f"Bearer {secret}"},
        )

    async def travel(self):
        """Carry what the police's outbox holds to the youth office."""
        await self.receiver.take(*self.sender.records())


@pytest.fixture
async def other(migrated, tmp_path):
    directory = tmp_path / "other"
    directory.mkdir(mode=0o700)
    shutil.copy(migrated, directory / migrated.name)
    store = Store(directory)
    await store.start()
    yield store
    await store.stop()


@pytest.fixture
async def http(store, world, other):
    both = Http(store, world, other)
    async with both.police, both.office:
        yield both


def order(**changes):
    content = copy.deepcopy(examples.NOTIFICATION)
    body = {
        "type": "notification",
        "to": {"place": GREFRATH},
        "acting_person": "P-4711",
        "labels": LABELS,
        "content": content,
    } | changes
    return {name: value for name, value in body.items() if value is not None}


async def send(client, body, key="11111111-1111", **query):
    return await client.post(
        "/v1/messages", json=body, headers={"Idempotency-Key": key}, params=query
    )


async def test_a_message_goes_the_whole_way_and_comes_back_acknowledged(http):
    sent = await send(http.police, order())
    assert sent.status_code == 201, sent.text
    assert sent.json()["recipient"] == KREIS
    again = await send(http.police, order())
    assert (again.status_code, again.content) == (201, sent.content)
    await http.travel()
    (item,) = (await http.office.get("/v1/inbox")).json()["items"]
    assert item["kennzeichen"] == sent.json()["kennzeichen"]
    early = await http.office.post(
        f"/v1/inbox/{item['id']}/receipts", json={"kind": "acknowledged", "by": "Erika Beispiel"}
    )
    assert (early.status_code, early.json()["code"]) == (409, "not-opened")
    opened = await http.office.get(
        f"/v1/inbox/{item['id']}", headers={"Acting-Person": "Erika Beispiel"}
    )
    assert opened.json()["content"] == order()["content"]
    assert opened.json()["opened"][0]["by"] == "Erika Beispiel"
    for status in (201, 200):
        taken = await http.office.post(
            f"/v1/inbox/{item['id']}/receipts",
            json={"kind": "acknowledged", "by": "Erika Beispiel"},
        )
        assert taken.status_code == status
    listed = (await http.police.get("/v1/messages")).json()["items"]
    assert [one["id"] for one in listed] == [sent.json()["id"]]
    one = (await http.police.get(f"/v1/messages/{sent.json()['id']}")).json()
    assert one["clause"] == sent.json()["clause"]


async def test_a_person_is_the_same_however_the_name_is_typed(http):
    await send(http.police, order())
    await http.travel()
    (item,) = (await http.office.get("/v1/inbox")).json()["items"]
    path, decomposed = f"/v1/inbox/{item['id']}", "Frau Mu\u0308ller "
    await http.office.get(path, headers={"Acting-Person": decomposed.encode()})
    receipt = {"kind": "acknowledged", "by": decomposed}
    assert (await http.office.post(f"{path}/receipts", json=receipt)).status_code == 201


@pytest.mark.parametrize(("length", "status"), [(1000, 201), (1001, 422)])
async def test_a_reason_is_as_long_as_a_receipt_can_carry(http, length, status):
    await send(http.police, order())
    await http.travel()
    (item,) = (await http.office.get("/v1/inbox")).json()["items"]
    receipt = {"kind": "refused", "by": "E", "code": "sent-twice", "reason": "x" * length}
    answer = await http.office.post(f"/v1/inbox/{item['id']}/receipts", json=receipt)
    assert answer.status_code == status, answer.text


async def test_a_dry_run_says_what_would_happen_and_keeps_nothing(http):
    before = http.sender.counts()
    answer = await send(http.police, order(), dry_run="true")
    assert answer.status_code == 200
    assert answer.json()["recipient"] == KREIS
    assert answer.json()["legal_basis"]
    assert http.sender.counts() == before


async def test_a_place_outside_the_district_is_refused_with_the_rule_and_whom_to_phone(http):
    answer = await send(http.police, order(to={"place": "05315000"}))
    document = answer.json()
    assert (answer.status_code, document["code"]) == (403, "not-covered")
    assert document["rule"] == "outside-district"
    assert document["rule_text"] == "Der Ort liegt außerhalb des Kreises der Vereinbarung."
    assert document["call"]["office"] == "Jugendamt am Ort"
    assert "phone" not in document["call"]  # nobody here knows it, and the note says who does
    assert document["call"]["note"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"type": MARKER.lower()}, 422, "type-unknown"),
        ({"to": {"place": MARKER}}, 422, "place-unknown"),
        ({"to": {"agency": "jugendamt-fern"}}, 422, "agency-unknown"),
        ({"to": {"agency": POLICE}}, 422, "recipient-is-sender"),
        ({"to": {}}, 422, "schema-violated"),
        ({"to": {"agency": NETTETAL, "place": GREFRATH}}, 422, "schema-violated"),
        ({"in_reply_to": "01936f2a-0000-7000-8000-000000000009"}, 409, "in-reply-to-unknown"),
        ({"labels": None}, 403, "not-covered"),
        ({"content": {MARKER: MARKER}}, 422, "schema-violated"),
        ({MARKER: MARKER}, 422, "schema-violated"),
        ({"acting_person": None}, 422, "schema-violated"),
        ({"labels": LABELS | {"means": 4711}}, 422, "schema-violated"),
        ({"labels": LABELS | {MARKER.lower(): 4711}}, 422, "schema-violated"),
    ],
)
async def test_each_wrong_order_gets_its_problem_and_keeps_nothing(http, changes, status, code):
    before = http.sender.counts()
    body = order(**changes)
    for query in ({}, {"dry_run": "true"}):
        answer = await send(http.police, body, **query)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert MARKER.lower() not in answer.text.lower()
    assert http.sender.counts() == before


async def test_a_value_in_the_wrong_place_of_the_content_is_pointed_at_and_never_quoted(http):
    body = order()
    body["content"]["grounds"] = [MARKER]
    answer = await send(http.police, body)
    assert answer.json()["code"] == "schema-violated"
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/content/grounds/0"]
    assert MARKER not in answer.text


async def test_a_key_belongs_to_one_body(http):
    assert (await send(http.police, order())).status_code == 201
    other_body = await send(http.police, order(exercise=True))
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (OutboxSettings(free_min=0.999999), "store-full"),
        (OutboxSettings(free_min=0, bytes_max=1), "outbox-full"),
    ],
)
async def test_without_room_nothing_is_taken_and_nothing_kept(store, world, other, settings, code):
    both = Http(store, world, other, settings)
    async with both.police, both.office:
        before = both.sender.counts()
        answer = await send(both.police, order())
        assert (answer.status_code, answer.json()["code"]) == (503, code)
        assert answer.headers["retry-after"]
        assert both.sender.counts() == before


async def test_what_could_not_be_processed_is_found_with_its_reason(http, world):
    record = world.message()
    await http.receiver.take(replace(record, value=b"{}"))
    (item,) = (await http.office.get("/v1/quarantine")).json()["items"]
    assert item["code"] == "value-mismatch"
    one = (await http.office.get(f"/v1/quarantine/{item['id']}")).json()
    assert one["value_size"] == 2
    assert json.dumps(one).count(item["explanation"]) == 1


async def test_permissions_places_and_contacts_come_from_the_agreement(http):
    places = (await http.police.get("/v1/municipalities?q=gref")).json()["items"]
    assert [(one["name"], one["youth_office"]) for one in places] == [("Grefrath", KREIS)]
    permitted = (await http.police.get("/v1/permissions")).json()["items"]
    assert any("domestic-violence" in one.get("grounds", ()) for one in permitted)
    assert (await http.police.get("/v1/contacts")).json()["items"]
    assert len((await http.police.get("/v1/agencies")).json()["items"]) == 6
