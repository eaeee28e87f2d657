"""Every header and field of what watch reads, bent in every way: counted with its code, and nothing
of it believed. The sender itself signs what is bent, so that each bend reaches the step that must
see it.
"""

import asyncio
from dataclasses import replace

import pytest

from meldeweg.kernel import event, statement, strictjson, topics
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.event import Event, EventKind
from meldeweg.kernel.ids import Digest, new_message_id
from meldeweg.kernel.signing import Typ, sign
from meldeweg.kernel.statement import ReceiptKind, Seq, Urgency
from meldeweg.watch.feed import Feed
from meldeweg.watch.ledger import Ledger
from unit.conftest import NOW
from unit.gateway.bending import HEADERS, bends, bent_records
from unit.watch.test_feed import (
    OFFICE,
    POLICE,
    SILENT_AFTER,
    beating,
    context,
    on_inbox,
    receipt,
    signing_key,
    told,
)


def happened():
    return Event(
        v=1,
        id=new_message_id(),
        agency=POLICE,
        kind=EventKind.UNDELIVERABLE,
        at=NOW,
        message=Digest.of(b"message"),
        urgency=Urgency.IMMEDIATE,
        exercise=False,
        actor_ref="ab" * 16,
        code="too-late",
        partner=OFFICE,
        topic=topics.inbox(OFFICE, POLICE),
        offset=7,
        record_sha256=Digest.of(b"record"),
        seq=Seq(outbox="0" * 16, n=3),
    )


@pytest.fixture
def key(places):
    return signing_key(places, POLICE)


@pytest.fixture
def code_of(register):
    """Return what says with which code a record is not believed; None: it is."""

    def read(record, known=()):
        ledger = Ledger(SILENT_AFTER)
        feed = Feed(register, ledger, FixedClock(NOW))
        feed.read("trust")
        asyncio.run(feed.exchange(list(known)))
        before = _believed(ledger)
        asyncio.run(feed.exchange([record]))
        if not ledger.unread:
            assert feed.waiting() or _believed(ledger) != before
            return "waits" if feed.waiting() else None
        assert _believed(ledger) == before
        ((code, count),) = ledger.unread.items()
        assert count == 1
        return code

    return read


def _believed(ledger):
    return (dict(ledger.open), dict(ledger.pulses), dict(ledger.events))


def taken(cases, code_of):
    accepted, count = [], 0
    for place, how, record in cases:
        count += 1
        if code_of(record) is None:
            accepted.append((place, how))
    assert count > 20
    return accepted


def records(key):
    return {
        "event": told(happened(), key),
        "heartbeat": told(beating(), key),
        "message": on_inbox(context(), key, value=b'{"content":{},"record":{}}'),
    }


@pytest.mark.parametrize("kind", ["event", "heartbeat", "message"])
def test_every_header_key_value_and_topic_bent_is_refused(kind, key, code_of):
    good = records(key)[kind]
    assert code_of(good) is None
    assert {name for name, _ in good.headers} == set(HEADERS)
    assert code_of(replace(good, headers=good.headers[::-1])) is None, "any order will do"
    assert taken(bent_records(good), code_of) == []


@pytest.mark.parametrize("kind", ["event", "heartbeat"])
def test_what_belongs_around_an_event_is_held_to_it(kind, key, code_of):
    good, other = records(key)[kind], str(new_message_id()).encode()
    assert code_of(replace(good, key=None)) == "header-contradicts"
    assert code_of(replace(good, key=other)) == "header-contradicts"
    assert code_of(replace(good, value=None)) == "header-contradicts"
    assert code_of(replace(good, value=b"{} ")) == "header-contradicts"
    assert code_of(replace(good, headers=good.headers[:1])) == "header-contradicts"
    assert code_of(replace(good, headers=(*good.headers, ("x", None)))) == "header-contradicts"
    assert code_of(replace(good, headers=good.headers[1:])) == "header-malformed"
    assert code_of(replace(good, topic=topics.events(OFFICE))) == "topic-contradicts"


def _signed_anew(good, token):
    return replace(good, headers=(("statement", token), *good.headers[1:]))


# What its sender alone knows, and may say as it likes: of an event, and of a heartbeat.
FREE = frozenset({"exercise", "code", "topic", "offset", "seq/n", "partner"})
FREE |= {"sent/jugendamt-kreis-viersen/n", "parked", "quarantined", "waiting", "stale_contacts"}
FREE |= {"received", "sent", "sent/jugendamt-kreis-viersen"}


@pytest.mark.parametrize(("body", "typ"), [(happened(), Typ.EVENT), (beating(), Typ.HEARTBEAT)])
def test_every_member_bent_is_refused_unless_it_is_the_senders_to_say(body, typ, key, code_of):
    good = told(body, key)

    def cases():
        for place, how, text in bends(body.bytes()):
            yield place, how, _signed_anew(good, sign(key, typ, text).encode())

    found = taken(cases(), code_of)
    # Optional members may be absent; the catalogue of events says which kind has which.
    left_out = {place for place, how in found if how == "absent"}
    assert left_out <= set(Event.model_fields) | {"stale_contacts", *FREE}
    assert not left_out & {"v", "id", "agency", "kind", "at"}
    assert {place for place, how in found if how != "absent"} <= FREE


@pytest.mark.parametrize("kind", ["event", "heartbeat", "message"])
def test_every_member_of_the_protected_header_bent_is_refused(kind, key, code_of):
    good = records(key)[kind]
    read = statement.parse if kind == "message" else event.parse
    jws = read(good.header("statement")).jws

    def cases():
        for place, how, text in bends(strictjson.dumps(dict(jws.header))):
            signed = f"{strictjson.b64u_encode(text)}.{strictjson.b64u_encode(jws.payload)}"
            signature = strictjson.b64u_encode(key.sign(signed.encode()))
            yield place, how, _signed_anew(good, f"{signed}.{signature}".encode())

    # A header has no one written form that a reader must insist on (spec § 3); its meaning has.
    assert {how for _, how in taken(cases(), code_of)} <= {"its value and a blank"}


def test_a_value_that_nobody_signed_opens_and_ends_nothing(places, key, code_of):
    good = on_inbox(context(), key)
    assert code_of(replace(good, value=b"[]")) == "value-mismatch"  # as long as the signed one
    assert code_of(replace(good, value=b"{}x")) == "value-mismatch"
    assert code_of(replace(good, value=None)) == "value-mismatch"
    digest = statement.parse(good.header("statement")).digest
    ended = on_inbox(receipt(digest, ReceiptKind.ACKNOWLEDGED), signing_key(places, OFFICE))
    assert code_of(ended, known=[good]) is None
    assert code_of(replace(ended, value=b"[]"), known=[good]) == "value-mismatch"
    assert code_of(replace(ended, key=good.key), known=[good]) == "record-key-contradicts"
    lacking = replace(ended, headers=ended.headers[:-1])
    assert code_of(lacking, known=[good]) == "header-contradicts"
