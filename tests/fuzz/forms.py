"""The forms that everything else is written in: JSON, base64url, times, ids, keys, tokens."""

import base64
import json
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fuzz import stage
from fuzz.harness import target, text_of
from meldeweg.gateway import cursor as cursors
from meldeweg.gateway.store import headers as packed
from meldeweg.kernel import clock, event, ids, points, signing, strictjson, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.kernel.jwk import OpenKey, SealKey, SignatureKey, SigningKey
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.statement import Context


def _documents():
    return [
        b"{}",
        b'{"a":[1,-2.5e3,null,true,"\\u00e4\xc3\xa4"]}',
        b"[[[[]]]]",
        b'"\\ud83d\\ude00"',
    ]


def _entries(value):
    """Members and elements beyond the first of each container, and the containers."""
    if not isinstance(value, dict | list):
        return 0
    inner = list(value.values() if isinstance(value, dict) else value)
    return 1 + max(len(inner) - 1, 0) + sum(map(_entries, inner))


@target(_documents, shape="json")
def strict_json(data):
    if strictjson.crowded(data, 5):
        assert data.count(b",") + data.count(b"{") + data.count(b"[") > 5
    value = strictjson.loads(data, max_depth=8)
    assert strictjson.crowded(data, 5) == (_entries(value) > 5)
    assert value == json.loads(data)  # any other reader sees the same
    again = strictjson.dumps(value)
    assert strictjson.loads(again, max_depth=8) == value
    assert strictjson.dumps(strictjson.loads(again)) == again


@target(lambda: [b"", b"AA", b"AAA", b"AAAA", b"-_-_", b"Zm9vYmFy"])
def base64url(data):
    decoded = strictjson.b64u_decode(data)
    assert strictjson.b64u_encode(decoded).encode() == data  # one text for one value
    assert decoded == base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))


@target(lambda: [b"2026-11-22T18:19:43.000Z", b"2000-02-29T00:00:00.000Z"])
def instant(data):
    at = clock.from_rfc3339(text_of(data))
    assert clock.to_rfc3339(at).encode() == data
    # What is computed with it: tolerance of clocks, working days, the zone of the offices.
    assert at - timedelta(days=400) < at < at + timedelta(days=400)


@target(
    lambda: [
        b"polizei-viersen",
        b"05166008",
        b"01930000-0000-7000-8000-000000000001",
        b"ab" * 32,
        b"A" * 43,
        b"7K3M9P",
    ]
)
def identifiers(data):
    text = text_of(data)
    kinds = (ids.AgencyId, ids.Ags, ids.MessageId, ids.Digest, ids.KeyId, ids.Kennzeichen)
    accepted = []
    for kind in kinds:
        try:
            accepted.append(kind(text))
        except Refused as exc:
            assert exc.code == kind.CODE
    if not accepted:
        raise Refused("none", "of the kinds")
    assert all(one.encode() == data and "\n" not in one for one in accepted)


@target(lambda: [b"inbox.a.b", stage.message().topic.encode(), b"keys.a", b"registry.agencies"])
def topic(data):
    name = text_of(data)
    try:
        topics.described(name)
    except Refused as exc:
        assert exc.code == "topic-malformed"
    recipient, sender = topics.parse_inbox(name)
    assert topics.inbox(recipient, sender) == name


@target(lambda: [b"0", b"17", b"9007199254740991"])
def cursor(data):
    assert 0 <= cursors.position(text_of(data)) < 2**53


@target(
    lambda: [packed.pack(stage.message().headers), packed.pack((("a", None), ("", b"")))], Fatal
)
def headers(data):
    found = packed.unpack(data)
    assert packed.unpack(packed.pack(found)) == found
    assert len(packed.pack(found)) == len(data)


@target(lambda: [stage.SIGN[stage.POLICE].public.public, bytes(32), b"\xff" * 32])
def curve_points(data):
    strong = points.strong_ed25519(data)
    points.strong_x25519(data)
    if not strong:
        raise Refused("weak", "")
    Ed25519PublicKey.from_public_bytes(data)


def _keys():
    keys = (
        stage.SIGN[stage.POLICE].public.public_jwk(),
        stage.SIGN[stage.POLICE].private_jwk(),
        stage.SEAL[stage.POLICE].private_jwk(),
    )
    return [strictjson.dumps(each) for each in keys]


@target(_keys, shape="json")
def jwk(data):
    document = strictjson.loads(data, max_depth=1)
    if not isinstance(document, dict):
        raise Refused("key-malformed", "not an object")
    accepted = 0
    for kind in (SignatureKey, SealKey, SigningKey, OpenKey):
        try:
            key = kind.from_jwk(document)
        except Refused as exc:
            assert exc.code == "key-malformed"
            assert not any(
                str(one) in exc.detail for one in document.values() if len(str(one)) > 40
            )
        else:
            accepted += 1
            public = kind in (SignatureKey, SealKey)
            told = key.public_jwk() if public else key.private_jwk()
            assert document.items() <= told.items()  # nothing in it that was not understood
    if not accepted:
        raise Refused("key-malformed", "no kind of key")


def _tokens():
    return stage.tokens("registry.", "keys.", "inbox.", "events.")


@target(_tokens, shape="jws")
def jws(data):
    typ = signing.typ_of(data)
    extra = statements.VALUE_EXTRAS if typ is Typ.STATEMENT else frozenset()
    parsed = signing.parse(data, typ, extra=extra)
    parts = (strictjson.b64u_encode(each).encode() for each in (parsed.payload, parsed.signature))
    assert data.split(b".")[1:] == list(parts)
    signing.verify(parsed, stage.SIGN[stage.POLICE].public)
    assert data in _tokens()  # nobody but us can have signed it


@target(lambda: stage.tokens("inbox."), shape="jws")
def statement(data):
    parsed = statements.parse(data)
    assert parsed.context.bytes() == parsed.context_bytes
    assert len(parsed.aad) == 32
    parsed.context.deletes_at()


@target(lambda: stage.payloads(Typ.STATEMENT), shape="json")
def context(data):
    read = Context.read_signed(data, "context-malformed")
    assert read.bytes() == data
    assert (read.receipt is None) == (read.kind == "message")
    assert strictjson.loads(data)  # what we read, a strict reader reads too


@target(lambda: stage.payloads(Typ.EVENT, Typ.HEARTBEAT), shape="json")
def event_body(data):
    refused = 0
    for typ, model in ((Typ.EVENT, event.Event), (Typ.HEARTBEAT, event.Heartbeat)):
        token = signing.sign(stage.SIGN[stage.OFFICE], typ, data).encode()
        try:
            body = event.parse(token).body
        except Refused:
            refused += 1
            continue
        assert isinstance(body, model)
        assert body.bytes() == data
        assert strictjson.loads(data)
    if refused == 2:
        raise Refused("event-malformed", "")
