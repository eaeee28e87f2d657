"""Records of the way, bent in each part by the agency that signs and seals them: what both
implementations are asked."""

import hashlib
import json
from datetime import timedelta
from functools import cache
from itertools import permutations

from meldeweg.envelope import open_sealed, seal
from meldeweg.gateway.judging import Judge, Message, Receipt
from meldeweg.gateway.verification import Proven
from meldeweg.kernel import event, topics
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import from_rfc3339, to_rfc3339
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.event import Event, EventKind
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.signing import Typ, sign, verify
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps, loads
from unit.gateway.bending import bends
from unit.gateway.test_refused_vectors import WAY, view_of
from vectors.make_way import IDENTITY, OFFICE, OVERSIGHT, POLICE, SEAL, SIGN, drawn
from vectors.refused_cases import (
    ACKNOWLEDGED,
    DELIVERED,
    JUDGED,
    MESSAGE,
    context_of,
    signed,
    token_of,
    value_of,
)
from vectors.refused_told import BEAT, EVENT
from vectors.refused_trust import compact

RECORDS = {"message": MESSAGE, "delivered": DELIVERED, "acknowledged": ACKNOWLEDGED}
PARTS = ("header", "context", "value", "plaintext", "payload", "record")


def reader_of(at):
    return OFFICE if at == MESSAGE else POLICE


def bent(at, part):
    """Yield (place, how, record) for each bend of a part, made anew by the record's own sender."""
    key = SIGN[POLICE if at == MESSAGE else OFFICE]
    context, value = context_of(at), value_of(at)
    if part == "header":
        head = b64u_decode(token_of(at).split(".")[0])
        for place, how, text in clean(head):
            signing = f"{b64u_encode(text)}.{b64u_encode(context)}"
            signature = b64u_encode(key.sign(signing.encode()))
            yield place, how, put(at, f"{signing}.{signature}", value)
    elif part == "context":
        for place, how, text in clean(context):
            yield place, how, put(at, signed(text, value, key), value)
    elif part == "value":
        for place, how, text in clean(value):
            yield place, how, put(at, signed(context, text, key), text)
    elif value != b"{}":
        yield from _sealed(at, part, key)


def bent_events():
    """Yield (what, how, record) for each bend of an event and a heartbeat, in payload and header,
    signed by the agency that tells it."""
    key = SIGN[OFFICE]
    for at, body in ((EVENT, EVERY), (EVENT, _body(EVENT)), (BEAT, COUNTED), (BEAT, _body(BEAT))):
        text = json.dumps(body, separators=(",", ":")).encode()
        head = b64u_decode(token_of(at).split(".")[0])
        said = [*((place, how, head, bent_) for place, how, bent_ in clean(text))]
        said += [(f"header {place}", how, bent_, text) for place, how, bent_ in clean(head)]
        said += [
            ("kind", kind, head, json.dumps(body | {"kind": kind}, separators=(",", ":")).encode())
            for kind in [*EventKind, "", "x", "OPENED", "opened ", "key_published"]
            if at == EVENT
        ]
        for place, how, header, payload in said:
            signing = f"{b64u_encode(header)}.{b64u_encode(payload)}"
            token = f"{signing}.{b64u_encode(key.sign(signing.encode()))}"
            yield f"{at}: {place}", how, put(at, token, b"{}")


def _body(at):
    return json.loads(b64u_decode(token_of(at).split(".")[1]))


EVERY = _body(EVENT) | {
    "message": "ab" * 32,
    "urgency": "immediate",
    "exercise": False,
    "actor_ref": "ab" * 16,
    "code": "too-late",
    "partner": POLICE,
    "topic": "inbox.a.b",
    "offset": 7,
    "record_sha256": "cd" * 32,
    "seq": {"outbox": "0" * 16, "n": 3},
}
"""An event with every member that one may have."""
EVERY = {name: EVERY[name] for name in Event.model_fields}
COUNTED = _body(BEAT) | {
    name: {POLICE: {"outbox": "0" * 16, "n": 9}} for name in ("sent", "received")
}


def judge_events():
    """Return a function from a record of `events.<agency>` to our code for it, or None."""
    view = view_of({})
    now = from_rfc3339(JUDGED)

    def said(record):
        try:
            told = event.judge(
                record["Topic"],
                record["Key"].encode(),
                tuple((name, text.encode()) for name, text in record["Headers"]),
                record["Value"].encode(),
            )
            verify(told.jws, view.signature_key(told.body.agency, told.jws.kid, now))
        except Refused as exc:
            return exc.code
        return None

    return said


def oversize():
    """Yield (code, record) for what is longer than § 14 allows by one byte, and for what is not."""
    context, value = context_of(MESSAGE), value_of(MESSAGE)
    first, _, second = value.removeprefix(b'{"content":')[:-1].partition(b',"record":')
    for code, one, other in (
        ("envelope-too-large", first, _padded(second, 256 * 1024 + 1)),
        ("oversight-contradicts", first, _padded(first, 256 * 1024)),
        ("envelope-too-large", _padded(first, 2 * 1024 * 1024 + 1), second),
        ("envelope-not-for-this-key", _padded(second, 2 * 1024 * 1024), second),
    ):
        made = b'{"content":%b,"record":%b}' % (one, other)
        yield code, put(MESSAGE, signed(context, made), made)
    for code, size in (("jws-too-large", 16 * 1024 + 1), ("jws-malformed", 16 * 1024)):
        yield code, put(MESSAGE, "x" * size, value)


def _padded(envelope, size):
    """Blanks between members, which an envelope may have."""
    return b"{" + b" " * (size - len(envelope)) + envelope[1:]


OTHER, STRANGER = (OpenKey(drawn(f"seal key of {whose}")) for whose in ("mine", "nobody here"))
TIMES = {"counts": (-1, 400), "ended": (-400, -30), "for later": (30, 400), "officer's": (-1, 400)}


def sealed_to_several():
    """Yield (what, case, keys of the reader, record): a message to one, two or three keys, of which
    one is of a third party, and a second one of the recipient's own is certified in some way; and
    each with its ciphertext changed."""
    context, mine = context_of(MESSAGE), SEAL[OFFICE]
    readers = [each for n in (1, 2, 3) for each in permutations((mine, OTHER, STRANGER), n)]
    for to in readers:
        value = sealed(MESSAGE, context, opened(MESSAGE), to)
        at = value.index(b'"ciphertext":"') + 20
        changed = value[:at] + (b"B" if value[at : at + 1] == b"A" else b"A") + value[at + 1 :]
        for text in (value, changed):
            record = put(MESSAGE, signed(context, text), text)
            for how in ("not certified", *TIMES):
                for opens in ((mine,), (OTHER,), (mine, OTHER), (OTHER, mine)):
                    names = [
                        ("mine", "other", "stranger")[(mine, OTHER, STRANGER).index(k)] for k in to
                    ]
                    what = (
                        f"to {names}, {text is value}, other {how}, {opens[0] is mine} {len(opens)}"
                    )
                    yield what, _certified(how), opens, record


def _certified(how):
    """What the office says of its other key."""
    if how not in TIMES:
        return {}
    begins, ends = (from_rfc3339(JUDGED) + timedelta(days=days) for days in TIMES[how])
    body = {
        "v": 1,
        "agency": OFFICE,
        "use": "oversight" if how == "officer's" else "seal",
        "key": OTHER.public.public_jwk(),
        "not_before": to_rfc3339(begins),
        "use_until": to_rfc3339(ends - timedelta(days=1)),
        "valid_until": to_rfc3339(ends),
        "at": JUDGED,
    }
    return {"add": [[topics.keys(OFFICE), sign(IDENTITY[OFFICE], Typ.KEY, compact(body))]]}


def _sealed(at, part, key):
    whole = opened(at)
    inside = loads(whole)
    payload, record = dumps(inside["payload"]), inside["record"].encode()
    around = json.dumps(inside | {"payload": 1}, ensure_ascii=False, separators=(",", ":"))
    texts = {"plaintext": around.encode(), "payload": payload, "record": record}
    for place, how, text in clean(texts[part]):
        committed = record
        if part == "plaintext":
            plain = text.replace(b'"payload":1', b'"payload":' + payload, 1)
        elif part == "payload":
            plain = content(text, record)
        else:
            plain, committed = content(payload, text), text
        context = context_of(at).replace(
            hashlib.sha256(record).hexdigest().encode(),
            hashlib.sha256(committed).hexdigest().encode(),
        )
        value = sealed(at, context, plain)
        yield place, how, put(at, signed(context, value, key), value)


def content(payload, record):
    text = json.dumps(record.decode(), ensure_ascii=False).encode()
    return b'{"attachments":[],"payload":%b,"record":%b}' % (payload, text)


def sealed(at, context, plain, readers=()):
    aad = hashlib.sha256(context).digest()
    inside = seal(plain, [key.public for key in readers or [SEAL[reader_of(at)]]], aad)
    officers = _for_officers().replace(b64u_encode(bytes(32)), b64u_encode(aad), 1).encode()
    return b'{"content":%b,"record":%b}' % (inside, officers)


@cache
def _for_officers():
    """Sealed once: whoever receives it reads of it whom it is for, and the `aad` that it states."""
    keys = [OVERSIGHT[POLICE].public, OVERSIGHT[OFFICE].public]
    return seal(b"{}", keys, bytes(32)).decode()


def opened(at):
    first = value_of(at).removeprefix(b'{"content":').partition(b',"record":')[0]
    return open_sealed(first, SEAL[reader_of(at)], hashlib.sha256(context_of(at)).digest())


def clean(text):
    """Bends that are UTF-8: questions to the other implementation are JSON lines."""
    for place, how, bent_text in bends(text):
        try:
            bent_text.decode()
        except UnicodeDecodeError:
            continue
        yield place, how, bent_text


def put(at, token, value):
    made = WAY["records"][at]
    headers = [[name, token if name == "statement" else said] for name, said in made["headers"]]
    return {
        "Topic": made["topic"],
        "Key": made["key"],
        "Headers": headers,
        "Value": value.decode(),
    }


def judge_of(me, view=None, opens=None):
    """Return a function from a record to what our implementation says of it: in `view` or the
    way's own, with the private keys `opens` in place of the way's."""
    keys = opens or [OpenKey.from_jwk(WAY["private"]["seal"][me])]
    mine = {key.kid: key for key in keys}
    judge = Judge(me, view or view_of({}), mine, lambda *_: None, from_rfc3339(JUDGED))

    def said(record):
        found = judge.prove(
            Record(
                topic=record["Topic"],
                partition=0,
                offset=0,
                timestamp=0,
                key=record["Key"].encode(),
                value=record["Value"].encode(),
                headers=tuple((name, text.encode()) for name, text in record["Headers"]),
            )
        )
        if isinstance(found, Proven):
            found = judge.open(found)
        if isinstance(found, Message):
            return to_rfc3339(found.covered.ack_by), found.covered.delete_after
        return (None, None) if isinstance(found, Receipt) else found.code

    return said
