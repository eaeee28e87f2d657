"""Forgeries on the real bus, made with the real keys of hostile agencies, between good records.

What `unit/gateway/test_forgeries.py` shows of the steps, seen from outside: at the gateway of the
recipient and of the sender, at registry, audit and watch. Each forger writes with its own
certificate into topics that the broker lets it write.
"""

import asyncio
import base64
import json
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

import pytest
from aiokafka import AIOKafkaProducer  # noqa: TID251 - writes what our own producer refuses to

from e2e.asking import eventually
from e2e.invented import KEMPEN, KREIS, MARKS, POLICE
from e2e.test_poison import signing_key
from meldeweg.audit import verify as offline
from meldeweg.audit.sources import open_source
from meldeweg.ceremony.keys import listed
from meldeweg.demo.marks import found_in
from meldeweg.envelope import open_sealed, seal
from meldeweg.kernel import signing, strictjson, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.bus.connection import client_options
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.ids import Digest, new_message_id
from meldeweg.kernel.jwk import SealKey, SigningKey
from meldeweg.kernel.keyfile import read_open_key
from meldeweg.kernel.leaf import canonical_record, parse_leaf, raw_headers
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.statement import Context, ReceiptFor, ReceiptKind, Seq
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import KeyUse

INBOX = topics.inbox(KREIS, POLICE)


@dataclass(frozen=True)
class Wrong:
    """A record as its forger writes it. `code`: of the quarantine, None where it has none."""

    writer: str
    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple
    code: str | None


def public(district, agency, use):
    key = listed(district.places.keys(agency))
    return SealKey.from_jwk([k for k in key if k.certificate.use is use][-1].certificate.key)


def opened(district, record):
    """Return (payload, record text) of a real message, with its recipient's own key."""
    told = statements.parse(record.header("statement"))
    content = record.value[len(b'{"content":') : record.value.index(b',"record":')]
    kid = strictjson.loads(content)["recipients"][0]["header"]["kid"]
    key = read_open_key(district.places.keys(KREIS) / f"{kid}.jwk")
    members = strictjson.loads(open_sealed(content, key, told.aad))
    return members["payload"], members["record"]


def sealed(district, like, record, payload, to=KREIS, **changes):
    """Return a message like `like` as the police itself could seal and sign it."""
    fresh = {"id": new_message_id(), "created": district.now(), "ack_by": _later(district)}
    numbered = {"seq": Seq(outbox=secrets.token_hex(8), n=1)}
    committed = {"record_sha256": Digest.of(record.encode())}
    context = Context(**(like.model_dump() | fresh | numbered | committed | changes))
    aad = Digest.of(context.bytes()).raw()
    officers = [public(district, each, KeyUse.OVERSIGHT) for each in (POLICE, KREIS)]
    plain = strictjson.dumps({"attachments": [], "payload": payload, "record": record})
    value = b'{"content":%b,"record":%b}' % (
        seal(plain, [public(district, to, KeyUse.SEAL)], aad),
        seal(record.encode(), officers, aad),
    )
    return context, value


def _later(district):
    return district.now() + timedelta(hours=8)


def signed(district, context, value, code, typ=None, alg=None):
    """Sign a context, well or with another kind or algorithm in the header."""
    key = signing_key(district, context.sender)
    token = statements.sign(context.bytes(), value, key)
    if typ or alg:
        head = strictjson.loads(strictjson.b64u_decode(token.split(b".")[0]))
        head |= {"typ": typ or head["typ"], "alg": alg or head["alg"]}
        text = f"{strictjson.b64u_encode(strictjson.dumps(head))}.{token.split(b'.')[1].decode()}"
        token = f"{text}.{strictjson.b64u_encode(key.sign(text.encode()))}".encode()
    return Wrong(
        context.sender,
        topics.inbox(context.to, context.sender),
        context.id.encode(),
        value,
        (("statement", token), *statements.cloud_events(context)),
        code,
    )


def to_the_kreis(district, good):
    """Forge what the gateway of the Kreis reads; `good`: a message that it has received."""
    like = statements.parse(good.header("statement")).context
    payload, record = opened(district, good)
    as_is = Wrong(POLICE, INBOX, good.key, good.value, good.headers, None)
    fine = sealed(district, like, record, payload)
    other = json.dumps(
        json.loads(record) | {"purpose": "Neugier"}, separators=(",", ":"), ensure_ascii=False
    )
    yield as_is  # replayed: nothing new
    yield replace(as_is, writer=KEMPEN, topic=topics.inbox(KREIS, KEMPEN), code="topic-contradicts")
    yield replace(as_is, value=fine[1], code="value-mismatch")
    yield signed(district, *fine, "jws-alg-refused", alg="none")
    yield signed(district, *fine, "jws-alg-refused", alg="HS256")
    yield signed(district, *fine, "jws-typ-wrong", typ=Typ.EVENT.value)
    yield signed(district, like, b"{}", "duplicate-differs")
    yield signed(district, fine[0], good.value, "envelope-aad-mismatch")
    stolen = sealed(district, like, record, payload, to=KEMPEN)
    yield signed(district, *stolen, "envelope-not-for-this-key")
    unknown = sealed(district, like, record, payload, agreement=Digest.of(b"nothing"))
    yield signed(district, *unknown, "agreement-unknown")
    yield signed(district, *sealed(district, like, other, payload), "record-contradicts")
    differs = sealed(district, like, record, payload, record_sha256=Digest.of(other.encode()))
    yield signed(district, *differs, "record-mismatch")
    bad = payload | {"surprise": district.secret()}
    yield signed(district, *sealed(district, like, record, bad), "schema-invalid")
    expired = sealed(district, like, record, payload, delete_after="2026-01-01")
    yield signed(district, *expired, "past-delete-after")
    end = sealed(district, like, record, payload)
    late = signed(district, *end, "context-malformed")
    token = statements.sign(
        end[0].bytes().replace(b'"created":"2', b'"created":"9', 1),
        end[1],
        signing_key(district, POLICE),
    )
    yield replace(late, headers=(("statement", token), *late.headers[1:]))


def to_the_police(district, good):
    """Forge receipts."""
    like = statements.parse(good.header("statement"))

    def receipt(sender, of):
        topic = topics.inbox(sender, POLICE)
        context = Context(
            v=1,
            id=new_message_id(),
            kind="receipt",
            sender=sender,
            to=POLICE,
            created=district.now(),
            exercise=False,
            agreement=like.context.agreement,
            seq=Seq(outbox=secrets.token_hex(8), n=1),
            delete_after=like.context.delete_after,
            receipt=ReceiptFor(of=of, kind=ReceiptKind.DELIVERED, topic=topic, offset=good.offset),
        )
        return context, b"{}"

    yield signed(district, *receipt(KREIS, Digest.of(b"never sent")), "receipt-unmatched")
    yield signed(district, *receipt(KEMPEN, like.digest), "receipt-foreign")


def to_everybody(district):
    """Forge events, heartbeats and certificates, in the topics of the police itself."""
    events, keys = topics.events(POLICE), topics.keys(POLICE)
    beat = (
        b'{"v":1,"id":"%b","agency":"%b","at":"2026-11-22T18:19:43.000Z","sent":{},"received":{},'
    )
    beat += b'"parked":%b,"quarantined":0,"waiting":0,"stale_contacts":0}'
    key = signing_key(district, POLICE)
    for agency, parked in ((POLICE, b"1" + b"0" * 400), (KEMPEN, b"0")):
        said = beat % (new_message_id().encode(), agency.encode(), parked)
        token = signing.sign(key, Typ.HEARTBEAT, said).encode()
        yield Wrong(POLICE, events, b"k", b"{}", (("statement", token),), None)
    yield Wrong(POLICE, events, b"k", None, (), None)
    stranger = SigningKey.generate()
    forged = issue.certify(stranger, POLICE, stranger.public, KeyUse.SIGN, district.now())
    yield Wrong(POLICE, keys, None, forged, (), "signature-key-mismatch")
    yield Wrong(POLICE, keys, None, b"\xff" * 100, (), "jws-malformed")
    yield Wrong(POLICE, keys, b"k", None, (), "trust-record-malformed")


async def write(district, wrongs):
    """Write each as its forger; return {(topic, offset): what was written}."""
    written = {}
    for wrong in wrongs:
        connection = district.connection(wrong.writer)
        async with AIOKafkaProducer(**client_options(connection, connection.tls())) as producer:
            done = await producer.send_and_wait(
                wrong.topic, wrong.value, wrong.key, headers=list(wrong.headers)
            )
        written[wrong.topic, done.offset] = wrong
    return written


@pytest.fixture(scope="module")
def forged(district):
    """Return what was forged by place, ids of the good around it, and pids from before."""
    pids = {name: district.pid(name) for name in district.stack.pids}
    first = district.report().id
    district.becomes(first, "delivered")
    found = asyncio.run(read_all(district.super_user(), (INBOX,)))
    good = next(each for each in found if each.key == first.encode())
    ids, written = [first], {}
    for batch in (
        to_the_kreis(district, good),
        to_the_police(district, good),
        to_everybody(district),
    ):
        written |= asyncio.run(write(district, list(batch)))
        ids.append(district.report().id)
    return written, ids, pids


def _kept(district, agency):
    return {(item.topic, item.offset): item for item in _pages(district[agency])}


def _pages(gateway):
    items, after = [], None
    while True:
        page = gateway.quarantine(after=after, limit=200)
        items += page.items
        if not page.items or page.next is None:
            return items
        after = page.next


def test_the_good_records_around_forgeries_arrive_and_no_process_dies(district, forged):
    _, ids, pids = forged
    district.becomes(ids[-1], "delivered")
    assert [each for each in district.inbox(KREIS) if each in ids] == ids
    assert {name: district.pid(name) for name in pids} == pids


def test_each_forgery_is_quarantined_with_its_own_code_where_it_was_sent(district, forged):
    written, _, _ = forged
    for place, wrong in written.items():
        reader = POLICE if place[0].startswith(f"inbox.{POLICE}.") else KREIS
        if wrong.code is None:
            assert place not in _kept(district, reader)
            continue
        item = eventually(
            lambda reader=reader, place=place: _kept(district, reader).get(place),
            shown=lambda wrong=wrong: wrong.code,
        )
        assert item.code == wrong.code


def test_the_replayed_message_lies_in_the_inbox_once(district, forged):
    _, ids, _ = forged
    assert [each for each in district.inbox(KREIS) if each == ids[0]] == ids[:1]


def test_every_forgery_is_a_leaf_of_the_log_and_the_log_is_whole(district, forged):
    written, ids, _ = forged
    logged = {place: wrong for place, wrong in written.items() if not place[0].startswith("keys.")}

    def lines():
        text = district.ask("audit", "/leaves.jsonl").text
        shown = [json.loads(line) for line in text.splitlines()]
        return {(each["topic"], each["offset"]): each for each in shown if "topic" in each}

    eventually(lambda: set(logged) <= set(lines()))
    found = lines()
    for place, wrong in logged.items():
        digest = None if wrong.value is None else sha256(wrong.value).digest()
        canonical = canonical_record(wrong.key, raw_headers(wrong.headers), digest)
        leaf = parse_leaf(base64.b64decode(found[place]["leaf"]))
        assert leaf.record == sha256(canonical).digest()
    assert district.gaps() == {}
    district.logged(district.police.sent(ids[-1]).digest)
    audit = district.described.services["audit"]
    with open_source(audit.url, audit.token) as source:
        report = offline.verify(source)
    assert report.broken == []


def test_registry_and_watch_go_on_and_say_what_they_refused(district, forged):
    with district.desk() as desk:
        assert {each["agency"] for each in desk.agencies()} >= {POLICE, KREIS}
    refused = district.ask("watch", "/v1/overview").json()["not_understood"]
    for code in ("heartbeat-malformed", "topic-contradicts", "header-malformed", "jws-malformed"):
        assert refused.get(code, 0) >= 1, code
    overview = district.ask("watch", "/v1/overview").json()
    assert overview["gateways"][POLICE]["parked"] < 1000
    # The chain over the keys' topic has the garbage in it at both ends: sealing goes on.
    district.becomes(district.report().id, "delivered")


def test_no_word_of_a_forged_content_is_in_a_log_file(district, forged):
    logs = {path.parent for path in district.directory.rglob("audit.jsonl")}
    assert logs
    assert [path for each in logs for path, _ in found_in(each, MARKS)] == []
