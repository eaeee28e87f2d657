"""What other services answer to ours and to the command line, and files that are handed over."""

import base64
import json
from dataclasses import fields, is_dataclass
from datetime import datetime
from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints

from fuzz import stage
from fuzz.harness import target
from meldeweg.audit.deciding import Judged, Resumption
from meldeweg.audit.project import project
from meldeweg.ceremony import desk
from meldeweg.cli import (
    agreement,
    asking,
    audit_decide,
    audit_entry,
    audit_open,
    failing,
    register_file,
)
from meldeweg.client import calls, errors, types
from meldeweg.doctor import gather_net
from meldeweg.kernel import strictjson
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import AgencyId, KeyId
from meldeweg.kernel.service.operators import order_of
from meldeweg.registry.api import StatusChange
from meldeweg.registry.submit import topic_of
from vectors.make_way import ANCHOR

_JSON, _PROBLEM = "application/json", "application/problem+json"
_CALLS = (
    (calls.send("t", {}, {}, acting_person="P", key="key-00000001"), types.Accepted),
    (calls.send("t", {}, {}, acting_person="P", dry_run=True), types.Preview),
    (calls.sent_one("m"), types.SentMessage),
    (calls.sent_list(None, 5, None), types.SentPage),
    (calls.inbox(None, 5), types.InboxPage),
    (calls.opened("m", "P", None), types.Opened),
    (calls.receipt("m", None, kind="erased", by="P"), types.Receipt),
    (calls.agencies(), [types.Agency]),
    (calls.contacts(), [types.Contact]),
    (calls.permissions(), [types.Permission]),
    (calls.quarantined("r"), types.QuarantineRecord),
    (calls.quarantine(None, 5), types.QuarantinePage),
    (calls.municipalities("q", 5), [types.Municipality]),
    (calls.version(), types.Version),
)
_STATUSES = (400, 401, 403, 404, 409, 410, 422, 503, 500, 302, 999)
# What the first byte of an input chooses: which call, the status, and the kind of the answer.
_ASKED = (
    *((call, 200, _JSON) for call, _ in _CALLS),
    *((_CALLS[0][0], status, _PROBLEM) for status in _STATUSES),
    *((call, 201, "") for call, _ in _CALLS),
    (_CALLS[-1][0], 404, "text/html"),
)
_REFUSAL = {
    "type": "/problems/not-covered",
    "title": "Nicht erlaubt",
    "status": 403,
    "code": "not-covered",
    "detail": "Keine Klausel deckt das.",
    "errors": [{"pointer": "/content", "code": "missing"}],
    "rule": "no-clause",
    "rule_text": "Keine Klausel",
    "reason": "r",
    "scope": "send",
    "responsible": "jugendamt-kempen",
    "call": {"agency": None, "office": "Leitstelle", "phone": "+49 0", "note": "immer"},
}


def _example(kind):
    """Return an answer that has every member of a type."""
    if isinstance(kind, list):
        return {"items": [_example(kind[0])]}
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return {one.name: _example(hints[one.name]) for one in fields(kind)}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return _example(next(one for one in arguments if one is not NoneType))
    if origin is tuple:
        return [_example(arguments[0])]
    plain = {str: "x", int: 1, bool: True, datetime: "2026-11-22T18:19:43.000Z"}
    return plain.get(kind, {})


def _dumped(document):
    return json.dumps(document).encode()


def _answers():
    found = [bytes([n]) + _dumped(_example(kind)) for n, (_, kind) in enumerate(_CALLS)]
    first = len(_CALLS)
    return found + [bytes([first + n]) + _dumped(_REFUSAL) for n, _ in enumerate(_STATUSES)]


@target(_answers, errors.UnexpectedAnswer, shape="byte+json")
def answer(data):
    """First byte: what was asked, and status and kind of the answer; the rest: its body."""
    which, rest = (data[0] % len(_ASKED), data[1:]) if data else (0, b"")
    call, status, kind = _ASKED[which]
    try:
        call.answer(status, kind, rest)
    except errors.Problem as exc:
        _shown(exc)
    except errors.UnexpectedAnswer as exc:
        assert exc.__context__ is None, "a parser's own exception carries the answer"
        assert len(str(exc)) < 100
        raise


def _shown(problem):
    """Whatever a problem document said, a program and a person get it in its form."""
    assert failing._problem(problem)
    for each in (problem.rule, problem.rule_text, problem.reason, problem.responsible):
        assert each is None or isinstance(each, str)
    assert all(isinstance(one, str) for pair in problem.errors for one in pair)


@target(
    lambda: [bytes([n]) + _dumped(_REFUSAL) for n, _ in enumerate(_STATUSES)],
    errors.Problem,
    Refused,
    shape="byte+json",
)
def problem(data):
    """First byte: the status; the rest: a problem document, however read."""
    which, rest = (data[0] % len(_STATUSES), data[1:]) if data else (0, b"")
    document = strictjson.loads(rest)
    if not isinstance(document, dict):
        raise Refused("not-an-object", "")
    found = errors.of(_STATUSES[which], document)
    _shown(found)
    assert found.code == document.get("code") or found.code == "unknown"


def _entries():
    made = project(bytes(16), stage.message())
    b64 = [base64.b64encode(each).decode() for each in (made.leaf, made.canonical)]
    token = stage.message().header("statement").decode()
    entry = {"year": 2026, "index": 3, "topic_id": "00" * 16, "offset": made.offset}
    entry |= {"leaf": b64[0], "canonical": b64[1], "statement": token}
    entry["record"] = made.sealed.decode()
    page = {"items": [entry, entry | {"statement": None}], "next": 9}
    proof = {"checkpoint": "o\n1\n", "proof": [b64[0]]}
    alarm = {"id": 1, "code": "c", "subject": "s", "detail": "d", "count": 2}
    alarm |= {"last_at": "2026-11-22T18:19:43.000Z", "resolved_by": None}
    refusal = {"code": "index-out-of-range"}
    goes_on = {"topic": "inbox.a.b", "next": 7, "halted": None}
    closed = {"id": 1, "code": "c", "subject": "s"}
    said = (entry, page, proof, [alarm], entry, refusal, refusal, goes_on, closed)
    return [bytes([n]) + _dumped(one) for n, one in enumerate(said)]


@target(_entries, Refused, Unavailable, shape="byte+json")
def audit_answer(data):
    """First byte: what the audit service was asked, or that it refuses; the rest: its answer."""
    which, rest = (data[0] % 9, data[1:]) if data else (0, b"")
    if which in (5, 6):
        asking.answered((422, 503)[which - 5], rest)
        return
    said = asking.answered(200, rest)
    match which:
        case 0:
            entry = audit_entry.read_entry(said)
            assert 0 <= entry.index < 2**64
            assert isinstance(entry.leaf, bytes)
        case 1:
            page = audit_entry.read_page(said, 3)
            assert page.next is None or page.next > 3
        case 2:
            assert all(isinstance(step, bytes) for step in audit_entry.read_proof(said).steps)
        case 3:
            audit_decide.alarms_of(said)
        case 7:
            assert type(audit_decide.resumed(said)["next"]) is int
        case 8:
            assert isinstance(audit_decide.resolved(said)["code"], str)
        case _:
            entry = audit_entry.read_entry(said)
            opened = audit_open.open_entry(entry, stage.OVERSIGHT[stage.OFFICE])
            assert opened.record["grounds"], "its sender signed its digest"


def _of_registry():
    records = [
        {"topic": record.topic, "value": base64.b64encode(record.value).decode()}
        for record in stage.on("keys.")
    ]
    agencies = [{"agency": stage.POLICE, "status_number": 4}]
    said = ({"digest": "ab" * 32}, agencies, records, {"code": "status-superseded", "detail": "x"})
    return [bytes([n]) + _dumped(one) for n, one in enumerate(said)]


@target(_of_registry, Refused, Unavailable, shape="byte+json")
def registry_answer(data):
    """First byte: what the registry was asked, or with which status it answers."""
    which, rest = (data[0] % 6, data[1:]) if data else (0, b"")
    if which > 2:
        desk.answered((200, 409, 500)[which - 3], rest)
        return
    said = desk.answered(200, rest)
    if which == 0:
        desk.digest_of(said)
    elif which == 1:
        assert isinstance(desk.status_of(said, stage.POLICE)[1], int)
    else:
        found = desk.records_of(said)
        assert all(isinstance(topic, str) and isinstance(value, bytes) for topic, value in found)


@target(
    lambda: [
        b'{"service":"gateway-x","ready":false,"missing":{"store":"store-full","trust":"not-read"}}'
    ],
    shape="json",
)
def readiness(data):
    """Which service it is and what it says that it lacks, or that it is no service of ours."""
    assert gather_net.called(data).isprintable()
    found = gather_net.missing(data)
    if found == (("http", "not-meldeweg"),):
        raise Refused("not-meldeweg", "")
    assert all(part.isprintable() and code.isascii() for part, code in found)


@target(lambda: [b"Sun, 22 Nov 2026 18:19:43 GMT"])
def http_date(data):
    if gather_net.date("http://x", data.decode("latin-1"), FixedClock(stage.NOW)) is None:
        raise Refused("no-date", "")


def _register_lines():
    return [
        b"".join(
            _dumped({"topic": each.topic, "value": base64.b64encode(each.value).decode()}) + b"\n"
            for each in stage.on(prefix)
        )
        for prefix in ("keys.", "registry.agencies")
    ]


@target(_register_lines)
def register_of_file(data):
    """A file of the register that somebody hands over: read, and held to the anchor."""
    proven = register_file.proven(register_file._records(data), ANCHOR.public)
    assert set(proven.agencies()) <= set(stage.register().agencies())


@target(lambda: [_dumped({stage.POLICE: stage.SIGN[stage.POLICE].kid})], shape="json")
def pinned_identities(data):
    found = agreement.pinned(data)
    assert all(isinstance(a, AgencyId) and isinstance(kid, KeyId) for a, kid in found.items())


def _orders():
    judged = {"by": "Erika Beispiel", "reason": "geprüft"}
    change = {"status": "suspended", "reason": "Probe"}
    return [_dumped(each) for each in (judged, judged | {"at": 7}, change)]


@target(_orders, shape="json")
def operators_order(data):
    """Bodies at the APIs of audit and registry, which a person's token opens."""
    accepted = 0
    for model in (Judged, Resumption, StatusChange):
        try:
            read = order_of(data, model)
        except Refused as exc:
            assert exc.code == "body-malformed"
            continue
        accepted += 1
        assert model is StatusChange or "\x00" not in read.reason, "PostgreSQL keeps none"
    if not accepted:
        raise Refused("body-malformed", "")


@target(
    lambda: [each.value for each in stage.on("registry.ag")],  # enrolments and agreements
    shape="jws",
)
def handed_in(data):
    """An object of trust at the registry's desk: on which topic it belongs."""
    assert topic_of(data).startswith("registry.")
