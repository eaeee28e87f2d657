"""What people's own systems send and read: the gateway's API, its client, and the bus below."""

import json
from types import SimpleNamespace

from fuzz import stage
from fuzz.harness import target
from meldeweg.client import types
from meldeweg.client.errors import UnexpectedAnswer
from meldeweg.client.reading import value as read_value
from meldeweg.gateway import order as orders
from meldeweg.gateway.api import auth, reading
from meldeweg.gateway.api.arrived import ReceiptOrder
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.store import headers as packed
from meldeweg.kernel import strictjson
from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.kernel.schemas import examples
from unit.kernel.bus.test_tolerant import decoded, encoded

_TYPES = (
    types.Accepted,
    types.Preview,
    types.SentMessage,
    types.SentPage,
    types.InboxPage,
    types.Opened,
    types.Receipt,
    types.Agency,
    types.Contact,
    types.Permission,
    types.QuarantineRecord,
)


def _orders():
    shown = {"notification": examples.NOTIFICATION, "inquiry": examples.INQUIRY}
    return [
        strictjson.dumps(
            {
                "type": kind,
                "to": {"place": "05166008"},
                "acting_person": "Erika Beispiel",
                "content": content,
                "thread": "V-12",
                "labels": {
                    "collected_by": "Wache Beispielstadt",
                    "means": "offen",
                    "category_of_person": "Zeugin",
                    "offence": "Körperverletzung",
                },
            }
        )
        for kind, content in shown.items()
    ]


@target(_orders, Refused, Rejected, shape="json")
def order(data):
    try:
        asked = orders.read(data)
        orders.content(asked, 1)
    except Rejected as exc:
        for each in exc.errors:
            assert each.pointer.isascii(), "a name that nobody declared"
        raise
    assert asked.content == json.loads(data)["content"]


@target(
    lambda: [b'{"kind":"refused","by":"Erika Beispiel","code":"not-responsible","reason":"r"}'],
    Refused,
    Rejected,
    shape="json",
)
def receipt_order(data):
    reading.document(data, ReceiptOrder)


@target(lambda: [b"Bearer " + b"mw_" + b"A" * 43, b"key-00000001", "Jürgen Probe".encode()])
def request_headers(data):
    accepted = 0
    secret = auth.bearer([data])
    if secret is not None and auth._SECRET.fullmatch(secret):
        auth.digest(secret)
        accepted += 1
    for name, read in (
        (b"idempotency-key", reading.idempotency_key),
        (b"acting-person", reading.acting_person),
    ):
        try:
            found = read(SimpleNamespace(scope={"headers": [(name, data)]}))
        except Refused as exc:
            assert exc.code.startswith((b"".join((name, b"-"))).decode())
        else:
            accepted += 1
            assert found.isprintable()
    if not accepted:
        raise Refused("none", "")


def _answers():
    agency = {"id": "a", "name": "A", "kind": "police", "status": "active", "municipalities": []}
    preview = {"recipient": "a", "clause": "c", "legal_basis": "l", "urgency": "today"}
    return [
        b"\x07" + json.dumps(agency).encode(),
        b"\x01" + json.dumps(preview | {"ack_by": "2026-11-22T18:19:43.000Z"}).encode(),
    ]


@target(_answers, UnexpectedAnswer, shape="byte+json")
def answer(data):
    """First byte: what the client asked for; the rest: what a gateway answered."""
    which, rest = (data[0] % len(_TYPES), data[1:]) if data else (0, b"")
    try:
        document = json.loads(rest)
    except (ValueError, RecursionError):
        raise UnexpectedAnswer("not JSON") from None
    read_value(_TYPES[which], document)


@target(lambda: [packed.pack(each.headers) for each in stage.on("inbox.")], Fatal)
def kafka_headers(data):
    """Headers with any names survive the client library with their exact bytes."""
    found = tuple((name.encode("utf-8", "surrogateescape"), v) for name, v in packed.unpack(data))
    assert decoded(encoded([(None, b"v", found)])) == [[(None, b"v", found)]]
