"""The topics of trust, and what watch and audit make of what gateways say of themselves."""

import asyncio
import json
from datetime import timedelta

from fuzz import stage
from fuzz.harness import target
from meldeweg.gateway.store import headers as packed
from meldeweg.kernel import agreement as agreements
from meldeweg.kernel import event, metrics, policy, signing, strictjson, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.agreement import standing
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust.objects import KeyUse
from meldeweg.kernel.trust.view import KnownAgreement
from meldeweg.watch import api as watch
from meldeweg.watch.feed import Feed, judged
from meldeweg.watch.ledger import Ledger
from vectors.make_way import ANCHOR, IDENTITY, REGISTRY

_AT = 1_795_371_583_000
_KEYS = topics.keys(stage.POLICE)
# (topic, kind, who signs): what each may say, well signed
_SIGNED = (
    (topics.REGISTRY_AGENCIES, Typ.ENROLMENT, ANCHOR),
    (topics.REGISTRY_AGENCIES, Typ.SERVICE_KEY, ANCHOR),
    (topics.REGISTRY_AGENCIES, Typ.STATUS, REGISTRY),
    (topics.REGISTRY_AGREEMENTS, Typ.AGREEMENT_SIGNATURE, IDENTITY[stage.POLICE]),
    (topics.REGISTRY_SNAPSHOTS, Typ.SNAPSHOT, REGISTRY),
    (_KEYS, Typ.KEY, IDENTITY[stage.POLICE]),
    (_KEYS, Typ.KEY_REVOKED, IDENTITY[stage.POLICE]),
    (_KEYS, Typ.READS, stage.SIGN[stage.POLICE]),
)
_STATUS = b'{"v":1,"agency":"polizei-viersen","status":"suspended","n":1,"reason":"Probe","at":"2026-11-22T18:19:43.250Z"}'  # noqa: E501 - as it is signed


def _said():
    found = [b"\x08" + token for token in stage.tokens("registry.", "keys.")]
    for which, (_, typ, _) in enumerate(_SIGNED):
        found += [bytes([which]) + words for words in stage.payloads(typ)]
    return [*found, b"\x02" + _STATUS]


@target(_said, shape="byte+json")
def trust(data):
    """First byte: which kind of object these words are of; 8: a token as it is."""
    which, rest = (data[0] % 9, data[1:]) if data else (8, b"")
    view = stage.register().trial()
    before = view.pending()
    if which == 8:
        topic, value = _KEYS, rest
    else:
        topic, typ, key = _SIGNED[which]
        value = signing.sign(key, typ, rest).encode()
    view.apply(topic, value)
    _asked(view)
    if view.pending() > before:
        raise Refused("early", "")


def _asked(view):
    """Whatever came in, the questions of the services have answers."""
    now = stage.NOW
    for agency in view.agencies():
        view.status(agency), view.reads(agency)
        for use in KeyUse:
            try:
                view.newest(agency, use, now)
            except Unavailable:
                continue
        for each in view.certified(agency):
            try:
                view.signature_key(agency, each.key.kid, now)
            except Refused:
                continue
    standing(view.agreements(), now)


@target(lambda: [stage.way()["pinned"]["agreement"].encode()], shape="json")
def agreement(data):
    document = agreements.parse(data)
    assert strictjson.loads(data)
    assert agreements.parse(strictjson.dumps(strictjson.loads(data))) == document
    signed = frozenset(party.agency for party in document.parties)
    known = KnownAgreement(agreements.digest(data), document, signed, stage.NOW)
    held = standing([known], stage.NOW)
    for first in document.parties[:2]:
        for second in document.parties[:2]:
            asked = policy.Transfer(
                sender=first.agency,
                recipient=second.agency,
                type=MessageType.INQUIRY,
                data_categories=(),
            )
            try:
                policy.decide(held, asked, stage.NOW)
            except policy.NotCovered:
                continue


def _heard():
    kinds = (Typ.STATEMENT, Typ.EVENT, Typ.HEARTBEAT)
    return [bytes([n]) + words for n, typ in enumerate(kinds) for words in stage.payloads(typ)]


def _around(token, which):
    """Return key and headers as they belong to a statement, if it is one."""
    try:
        if which:
            about = event.parse(token).body
            return about.id.encode(), event.headers(about, token)
        about = statements.parse(token).context
        return about.id.encode(), (("statement", token), *statements.cloud_events(about))
    except Refused:
        return b"k", (("statement", token),)


@target(_heard, shape="byte+json")
def watched(data):
    """First byte: statement, event or heartbeat; the rest: its words, signed by who may."""
    which, rest = (data[0] % 3, data[1:]) if data else (0, b"")
    typ = (Typ.STATEMENT, Typ.EVENT, Typ.HEARTBEAT)[which]
    agency = stage.OFFICE if which else stage.POLICE
    extra = {} if which else {"value_sha256": str(Digest.of(b"{}")), "value_size": 2}
    token = signing.sign(stage.SIGN[agency], typ, rest, **extra).encode()
    topic = topics.events(agency) if which else topics.inbox(stage.OFFICE, stage.POLICE)
    ledger, clock = Ledger(timedelta(minutes=3), caught_up_at=stage.NOW), FixedClock(stage.NOW)
    feed = Feed(stage.register(), ledger, clock)
    feed.read("trust")
    key, headers = _around(token, which)
    asyncio.run(feed.exchange([Record(topic, 0, 0, _AT, key, b"{}", headers)]))
    json.dumps(watch.summary(ledger, stage.register(), clock), default=str)
    [each.shown(stage.NOW) for each in ledger.open.values()]
    measuring = watch.measure(ledger, stage.register(), clock, 0)
    measuring.send(None)  # one round; then it sleeps
    measuring.close()
    metrics.render()
    if ledger.unread:
        raise Refused(next(iter(ledger.unread)), "")


def _whole():
    return [
        packed.pack(((record.topic, record.value), ("", record.key), *record.headers))
        for prefix in ("events.", "inbox.")
        for record in stage.on(prefix)
    ]


@target(_whole, Fatal, Refused)
def heard(data):
    """A whole record as watch reads it; its topic, value and key are the first two headers."""
    found = packed.unpack(data)
    if len(found) < 2:
        raise Refused("short", "")
    (topic, value), (_, key), *headers = found
    record = Record(topic, 0, 0, _AT, key, value, tuple(headers))
    said = judged(record)
    about = said.body if isinstance(said, event.Told) else said.context
    assert key == about.id.encode()
    assert len(headers) == 6
