"""What is sealed, and what a hostile but certified sender may have sealed and signed."""

from functools import cache

from fuzz import stage
from fuzz.harness import target
from meldeweg.envelope import addressed_to, open_with
from meldeweg.gateway import opening
from meldeweg.gateway.judging import Judge, Message, Receipt
from meldeweg.gateway.receipts import ReceiptRecord
from meldeweg.gateway.store import headers as packed
from meldeweg.gateway.verification import Proven, Rejected
from meldeweg.kernel import schemas, strictjson
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.record import RecordBody
from meldeweg.kernel.schemas.vocabulary import MessageType

_KINDS = tuple(MessageType)


def _parts():
    return opening.parts(stage.message().value)


@target(lambda: list(_parts()), shape="json")
def envelope(data):
    kids = addressed_to(data)
    assert len(set(kids)) == len(kids)
    keys = {each.kid: each for each in (stage.SEAL[stage.OFFICE], stage.OVERSIGHT[stage.OFFICE])}
    open_with(data, keys, stage.told().aad)
    # AES-GCM authenticates all that a reader is given; another recipient's entry is checked for
    # its form alone, and nothing but the order of names and the blanks is free.
    mine = [strictjson.loads(each) for each in _parts()]
    document = strictjson.loads(data)
    assert any(
        all(document[name] == each[name] for name in each if name != "recipients") for each in mine
    )


@target(lambda: [stage.message().value], shape="json")
def value(data):
    for part in opening.parts(data):
        addressed_to(part)
    assert b"".join((b'{"content":', b',"record":'.join(opening.parts(data)), b"}")) == data


@target(lambda: [stage.opened()], shape="json")
def content(data):
    unsealed = opening._read(data)
    body = RecordBody.read_signed(unsealed.record, "record-malformed")
    schemas.validate(body.type, body.version, unsealed.payload)
    members = strictjson.loads(data)  # a reader of JSON sees the same three things
    assert members == {
        "attachments": [],
        "payload": strictjson.loads(unsealed.payload),
        "record": unsealed.record.decode(),
    }


@target(lambda: [opening._read(stage.opened()).record], shape="json")
def record_body(data):
    assert RecordBody.read_signed(data, "record-malformed").bytes() == data
    assert strictjson.loads(data)


def _receipts():
    record = b'{"v":1,"kind":"acknowledged","of":"%b","actor_ref":"%b","nonce":"%b"}'
    word = b'{"v":1,"by":"Erika Beispiel","reason":"erfunden","responsible":"jugendamt-nettetal"}'
    return [record % (b"ab" * 32, b"cd" * 16, b"A" * 43), word]


@target(_receipts, shape="json")
def word(data):
    refused = 0
    for read in (opening._word, lambda raw: ReceiptRecord.read_signed(raw, "receipt-malformed")):
        try:
            read(data)
        except Refused as exc:
            assert exc.code == "receipt-malformed"
            refused += 1
    if refused == 2:
        raise Refused("receipt-malformed", "both")


def _examples():
    shown = {
        MessageType.NOTIFICATION: examples.NOTIFICATION,
        MessageType.IMMEDIATE_ACTION: examples.IMMEDIATE_ACTION,
        MessageType.INQUIRY: examples.INQUIRY,
        MessageType.REPLY: examples.REPLY,
        MessageType.CORRECTION: examples.CORRECTION,
        MessageType.RETRACTION: examples.RETRACTION,
    }
    return [b"%c" % _KINDS.index(kind) + strictjson.dumps(one) for kind, one in shown.items()]


@target(_examples, shape="byte+json")
def schema(data):
    """First byte: the type."""
    kind = _KINDS[data[0] % len(_KINDS)] if data else _KINDS[0]
    read = schemas.validate(kind, 1, data[1:])
    read.named_grounds(), read.data_categories()
    assert schemas.validate(kind, 1, strictjson.loads(data[1:])) == read  # bytes or parsed


@cache
def _judge():
    key = stage.SEAL[stage.OFFICE]
    return Judge(stage.OFFICE, stage.register(), {key.kid: key}, lambda *_: None, stage.NOW)


def _judged(record):
    judge = _judge()
    found = judge.prove(record)
    if isinstance(found, Proven):
        found = judge.open(found)
    if isinstance(found, Rejected):
        assert found.code != "record-unprocessable", found
        raise Refused(found.code, found.detail)
    assert isinstance(found, Message | Receipt)
    return found


def _bent(data):  # noqa: PLR0911 - each part that may be another
    """Return (record, whether it may be accepted): the first byte says which part the rest is."""
    which, rest = (data[0] % 9, data[1:]) if data else (0, b"")
    told, good = stage.told(), stage.message()
    body = opening._read(stage.opened())
    match which:
        case 0:  # another token, signed by nobody
            return _with(good, headers=(("statement", rest), *good.headers[1:])), False
        case 1:  # other words, signed by the sender
            return stage.signed(rest, good.value), True
        case 2:  # another value, signed by the sender
            return stage.signed(told.context_bytes, rest), True
        case 3:  # another content, sealed by the sender
            return stage.sealed(rest, body.record), True
        case 4:  # another payload
            inside = b'{"attachments":[],"payload":%b,"record":%b}'
            return stage.sealed(inside % (rest, _text(body.record)), body.record), True
        case 5:  # another record
            inside = b'{"attachments":[],"payload":%b,"record":%b}'
            return stage.sealed(inside % (body.payload, _text(rest)), rest), True
        case 6:
            return _with(good, key=rest), False
        case 7:
            return _with(good, topic=rest.decode("utf-8", "replace")), False
        case _:
            return _with(good, headers=_unpacked(rest)), False


def _text(data):
    return strictjson.dumps(data.decode("utf-8", "replace"))


def _unpacked(data):
    from meldeweg.kernel.errors import Fatal

    try:
        return packed.unpack(data)
    except Fatal:
        return (("statement", data),)


def _with(record, **changes):
    names = ("topic", "partition", "offset", "timestamp", "key", "value", "headers")
    members = {name: getattr(record, name) for name in names} | changes
    return Record(**members)


def _whole():
    good, body = stage.message(), opening._read(stage.opened())
    parts = (
        good.header("statement"),
        stage.told().context_bytes,
        good.value,
        stage.opened(),
        body.payload,
        body.record,
        good.key,
        good.topic.encode(),
        packed.pack(good.headers),
    )
    return [bytes([which]) + part for which, part in enumerate(parts)]


@target(_whole, shape="byte+json")
def record(data):
    """Steps 1 to 10, with one part of a good record exchanged; see `_bent` for the first byte."""
    bent, may = _bent(data)
    found = _judged(bent)
    same = bent.key == stage.message().key and bent.topic == stage.message().topic
    same = same and sorted(bent.headers) == sorted(stage.message().headers)
    assert may or same
    assert AgencyId(found.proven.context.sender) == stage.POLICE
