"""What people's own systems send: the gateway's API, and the bus below."""

import json
from types import SimpleNamespace

from fuzz import stage
from fuzz.harness import target
from meldeweg.gateway import order as orders
from meldeweg.gateway.api import auth, reading
from meldeweg.gateway.api.arrived import ReceiptOrder
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.store import headers as packed
from meldeweg.kernel import strictjson
from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.kernel.schemas import examples
from unit.kernel.bus.test_tolerant import decoded, encoded


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


@target(lambda: [packed.pack(each.headers) for each in stage.on("inbox.")], Fatal)
def kafka_headers(data):
    """Headers with any names survive the client library with their exact bytes."""
    found = tuple((name.encode("utf-8", "surrogateescape"), v) for name, v in packed.unpack(data))
    assert decoded(encoded([(None, b"v", found)])) == [[(None, b"v", found)]]
