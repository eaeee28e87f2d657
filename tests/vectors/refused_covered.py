"""Cases of refused.json (see make_refused) that the record's form (step 8), agreement (9) and
payload (10) decide: signed and sealed anew by the sender, right but for what each changes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from meldeweg.kernel import topics
from meldeweg.kernel.ids import AgencyId, Ags
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.strictjson import dumps
from meldeweg.kernel.trust.issue import signed as signed_object
from meldeweg.kernel.trust.objects import AgencyKind, AgreementSignature, Enrolment
from vectors import make_way as way
from vectors.make_way import AGENCIES, IDENTITY, NOW, OFFICE, POLICE
from vectors.refused_cases import DELIVERED, MESSAGE, Cases, context_of
from vectors.refused_sealed import opened
from vectors.refused_trust import WAY, compact

RECORD, CONTEXT = json.loads(opened(MESSAGE)), json.loads(context_of(MESSAGE))
PAYLOAD = json.loads(WAY["pinned"]["payload"])
MALFORMED, NOT_COVERED = "record-malformed", "data-category-not-covered"
SIGNED = "2022-03-01T12:00:00.000Z"  # when all signed what is not the way's
NEIGHBOUR, NETTETAL = AgencyId("jugendamt-nettetal"), Ags("05166016")
ORDER = (
    "v", "type", "version", "grounds", "clause", "legal_basis", "purpose", "urgency", "actor_ref",
    "addressee", "data_categories", "labels", "entrusted", "places", "handover_at", "thread",
    "in_reply_to", "override", "nonce",
)  # fmt: skip


def record_of(changes: dict[str, Any]) -> bytes:
    """The way's record with these members, in signed form; None: without it."""
    body = RECORD | changes
    return compact({name: body[name] for name in ORDER if body.get(name) is not None})


def content(payload: bytes, record: bytes) -> bytes:
    return b'{"attachments":[],"payload":%b,"record":%b}' % (payload, dumps(record.decode()))


def context(record: bytes, **changes: Any) -> bytes:
    return compact(CONTEXT | {"record_sha256": hashlib.sha256(record).hexdigest()} | changes)


def recorded(
    cases: Cases, name: str, code: str | None, payload: bytes = b"{}", **changes: Any
) -> None:
    """Another record; the payload is not looked at before step 10."""
    record = record_of(changes)
    cases.sealed(name, code, content(payload, record), record, context(record), MESSAGE)


def eighth_step(cases: Cases) -> None:
    """The record has its form."""
    for name, changes in (
        ("an unknown type", {"type": "notice"}),
        ("version 0 of a type", {"version": 0}),
        ("version 1000 of a type", {"version": 1000}),
        ("no grounds member", {"grounds": None}),
        ("a ground twice", {"grounds": ["domestic-violence", "domestic-violence"]}),
        ("an unknown ground", {"grounds": ["noise"]}),
        ("a clause of 61 characters", {"clause": "a" * 61}),
        ("no legal basis", {"legal_basis": []}),
        ("a purpose of 201 characters", {"purpose": "ü" * 201}),
        ("an addressee of blanks", {"addressee": " \u00a0"}),
        ("an addressee that turns the writing round", {"addressee": "Kripo \u202eX"}),
        ("an unknown category of data", {"data_categories": ["weather"]}),
        ("a label of two lines", {"labels": RECORD["labels"] | {"means": "offen\n"}}),
        ("an unknown reason of § 65", {"entrusted": "yes"}),
        ("a thread with a blank", {"thread": "2026 1"}),
        ("an override of 1001 characters", {"override": "x" * 1001}),
        ("a nonce with a bit too many", {"nonce": "A" * 42 + "B"}),
    ):
        recorded(cases, name, MALFORMED, **changes)


def ninth_step(cases: Cases) -> None:
    """The agreement covers it, and record and context claim what it says."""
    good = dumps(PAYLOAD)
    refers = {"in_reply_to": "01a2047c-4712-7001-8000-000000000063"}
    categories = sorted([*RECORD["data_categories"], "entrusted"])
    for name, code, changes in (
        ("labels missing", "labels-missing", {"labels": None}),
        ("labels missing, overridden where it is not immediate", "labels-missing",
         {"labels": None, "override": "Gefahr (erfunden)"}),
        ("no ground", "ground-not-covered", {"grounds": []}),
        ("places, and none named", "outside-district", {"places": {}}),
        ("a place outside", "outside-district", {"places": {"place": "05162004"}}),
        ("a correction of nothing", "reference-not-fitting", {"type": "correction"}),
        ("a reply to what is not here", "original-unknown", {"type": "reply", **refers}),
        ("entrusted data, undeclared", "section-65-undeclared", {"data_categories": categories}),
        ("entrusted data that may not leave", "section-65-refused", {"entrusted": "consent"}),
        ("a clause of another ground", "record-contradicts", {"clause": "alkohol-und-drogen"}),
        ("a legal basis less", "record-contradicts", {"legal_basis": RECORD["legal_basis"][:1]}),
        ("more urgent than its context", "record-contradicts", {"urgency": "immediate"}),
        ("less urgent than its clause", "record-contradicts", {"clause": "sexualisierte-gewalt"}),
    ):  # fmt: skip
        recorded(cases, name, code, **changes)
    whole = record_of({})
    plain = content(good, whole)
    for name, code, changes in (
        ("after the run-off", "agreement-ended", {"created": "2028-01-03T12:00:00.000Z"}),
        ("in the run-off", "agreement-run-off", {"created": "2027-05-03T12:00:00.000Z"}),
        ("its context more urgent than its record", "record-contradicts", {"urgency": "immediate"}),
        ("a later deadline than the agreement's", None, {"ack_by": "2026-12-23T15:00:00.000Z"}),
    ):  # fmt: skip
        cases.sealed(name, code, plain, whole, context(whole, **changes), MESSAGE)
    longer = context(whole, delete_after="2027-07-01")
    for name, code, now in (
        ("kept longer than agreed, on the last day", None, "2027-05-31T23:59:59.999Z"),
        ("kept longer than agreed, a day later", "past-delete-after", "2027-06-01T00:00:00.000Z"),
    ):
        cases.sealed(name, code, plain, whole, longer, MESSAGE, now=now)
    _replaced(cases)
    _the_other_way(cases)
    _categories(cases)
    _another_office(cases)


def _concluded(
    body: dict[str, Any], signers: Mapping[AgencyId, SigningKey], at: str = SIGNED
) -> tuple[str, list[list[str]]]:
    """Return the digest of an agreement, and its values: the document and a signature of each."""
    document = dumps(body)
    digest = hashlib.sha256(document).hexdigest()
    made = [document.decode()]
    for agency, key in signers.items():
        said = AgreementSignature.model_validate(
            {"v": 1, "agreement": digest, "agency": agency, "at": at}
        )
        made.append(signed_object(said, key).decode())
    return digest, [[topics.REGISTRY_AGREEMENTS, value] for value in made]


def _under_another(
    cases: Cases,
    name: str,
    code: str | None,
    body: dict[str, Any],
    signers: Mapping[AgencyId, SigningKey] = IDENTITY,
    enrolled: Sequence[list[str]] = (),
    **changes: Any,
) -> None:
    """The way's message, but for some members of its record, under another agreement."""
    record = record_of(changes)
    digest, values = _concluded(body, signers)
    said, inside = context(record, agreement=digest), content(dumps(PAYLOAD), record)
    cases.sealed(name, code, inside, record, said, MESSAGE)
    cases.records[-1]["add"] = [*enrolled, *values]


def _categories(cases: Cases) -> None:
    """An agreement whose clauses name the categories of data that they allow."""
    old = json.loads(WAY["pinned"]["agreement"])
    told = RECORD["data_categories"]

    def allowing(clause: str, categories: list[str]) -> dict[str, Any]:
        clauses = [
            each | ({"data_categories": categories} if each["id"] == clause else {})
            for each in old["clauses"]
        ]
        return old | {"clauses": clauses}

    leading, second = "haeusliche-gewalt", "alkohol-und-drogen"
    for name, code, body in (
        ("each category that its clause names", None, allowing(leading, told)),
        ("a category that its clause does not name", NOT_COVERED, allowing(leading, told[1:])),
        ("a category that its second clause does not name", NOT_COVERED,
         allowing(second, told[:-1])),
    ):  # fmt: skip
        _under_another(cases, name, code, body)


def _another_office(cases: Cases) -> None:
    """An agreement with a third party, which is responsible for a place of its own."""
    old = json.loads(WAY["pinned"]["agreement"])
    key = SigningKey(way.drawn(f"identity {NEIGHBOUR}"))
    office = next(each for each in old["parties"] if each["agency"] == OFFICE)
    third = office | {
        "agency": NEIGHBOUR,
        "identity": key.kid,
        "municipalities": [NETTETAL],
        "name": "Jugendamt Nettetal",
    }
    places = old["municipalities"] | {NETTETAL: "Nettetal"}
    parties = [
        each | ({"municipalities": list(places)} if each["agency"] == POLICE else {})
        for each in old["parties"]
    ]
    body = old | {"municipalities": places, "parties": [*parties, third]}
    enrolment = Enrolment(
        v=1,
        agency=NEIGHBOUR,
        name="Jugendamt Nettetal",
        kind=AgencyKind.YOUTH_OFFICE,
        municipalities=(NETTETAL,),
        identity=key.public_jwk(),
        principal=f"gw-{NEIGHBOUR}",
        at=NOW,
    )
    enrolled = [[topics.REGISTRY_AGENCIES, signed_object(enrolment, way.ANCHOR).decode()]]
    signers = IDENTITY | {NEIGHBOUR: key}
    here = way.GREFRATH
    for name, code, named in (
        ("the place of another office", "responsibility-contradicts", {"place": NETTETAL}),
        ("the home of another office", "responsibility-contradicts", {"residence": NETTETAL}),
        ("its own place, and the home of another", None, {"place": here, "residence": NETTETAL}),
        ("a copy for the home's office", None, {"place": NETTETAL, "residence": here}),
    ):
        _under_another(cases, name, code, body, signers, enrolled, places=named)


def _replaced(cases: Cases) -> None:
    """Another agreement, signed by all, whose `replaces` names the way's."""
    old = json.loads(WAY["pinned"]["agreement"])

    def replacing(
        first: str, signers: tuple[AgencyId, ...] = AGENCIES, *, at: str = SIGNED
    ) -> list[list[str]]:
        term = old["term"] | {"from": first, "until": "2032-04-30"}
        body = old | {"replaces": CONTEXT["agreement"], "term": term}
        return _concluded(body, {agency: IDENTITY[agency] for agency in signers}, at)[1]

    cases.add("replaced the day before", "agreement-run-off", add=replacing("2026-11-21"))
    cases.add("replaced before it began", "agreement-ended", add=replacing("2022-04-30"))
    cases.add("replaced more than 240 days ago", "agreement-ended", add=replacing("2026-03-01"))
    cases.add("replaced tomorrow", None, add=replacing("2026-11-23"))
    late = {
        "today": (NOW, None),
        "in the first minute of yesterday": ("2026-11-20T23:00:00.000Z", None),
        "in the last minute before yesterday": ("2026-11-20T22:59:59.999Z", "agreement-run-off"),
    }
    for when, (at, code) in late.items():
        added = replacing("2026-11-20", at=at)
        cases.add(f"replaced two days ago, signed {when}", code, add=added)
    early = replacing("2026-11-20", AGENCIES[-1:], at="2026-11-01T12:00:00.000Z")
    again = [*replacing("2026-11-20", at=NOW), *early[1:]]
    cases.add("replaced, and one party signed twice", None, add=again)
    early = replacing("2026-11-20", at="2026-11-01T12:00:00.000Z")
    again = [*early, *replacing("2026-11-20", at=NOW)[1:]]
    cases.add("replaced, and all signed again today", "agreement-run-off", add=again)
    cases.add("replaced without a signature", None, add=replacing("2026-11-21", AGENCIES[:1]))


def _the_other_way(cases: Cases) -> None:
    """A notification from the youth office to the police: no clause has that."""
    record = record_of({})
    told = json.loads(context_of(DELIVERED))
    body = json.loads(context(record, id=told["id"], to=POLICE)) | {"from": OFFICE}
    headers = [
        [name, "de.meldeweg.message.v1" if name == "ce_type" else text]
        for name, text in WAY["records"][DELIVERED]["headers"]
    ]
    name = "a type that goes the other way"
    inside = content(b"{}", record)
    cases.sealed(name, "type-not-covered", inside, record, compact(body), DELIVERED)
    cases.records[-1]["set"]["headers"] = headers


def tenth_step(cases: Cases) -> None:
    """The payload has its form, and the record tells what is in it."""
    good = dumps(PAYLOAD)
    recorded(cases, "a version that nobody knows", "schema-unknown", good, version=7)
    for name, payload in (
        ("a payload without its members", b"{}"),
        ("a payload that is no JSON", b'{"v":}'),
        ("a member of a payload twice", good.replace(b'{"adults"', b'{"grounds":[],"adults"', 1)),
        ("a payload's number written otherwise", good.replace(b'"grounds"', b'"x":5.0,"grounds"')),
        (
            "a payload's number minus nothing",
            good.replace(b'"age_estimated":2', b'"age_estimated":-0'),
        ),
        ("a payload of 33 levels", b'{"x":%b}' % (b"[" * 32 + b"]" * 32)),
        ("the 30th of February in a payload", _with(PAYLOAD, "2026-02-30T22:00:00+01:00")),
    ):
        assert payload != good, name
        recorded(cases, name, "schema-invalid", payload)
    contradicts = "record-contradicts"
    categories = RECORD["data_categories"]
    for name, changes in (
        ("a category less than the payload has", {"data_categories": categories[1:]}),
        ("a category more than the payload has",
         {"data_categories": sorted([*categories, "case-course"])}),
        ("categories in another order", {"data_categories": categories[::-1]}),
        ("a ground less than the payload's", {"grounds": ["domestic-violence"],
         "legal_basis": RECORD["legal_basis"]}),
        ("no handover where the payload has one", {"handover_at": None}),
        ("a handover a millisecond later", {"handover_at": "2026-11-21T22:25:00.001Z"}),
        ("nothing entrusted, which the payload does not say", {"entrusted": "none"}),
    ):  # fmt: skip
        recorded(cases, name, contradicts, good, **changes)
    recorded(cases, "an addressee of 200 characters", None, good, addressee="ü" * 200)
    blanks = json.dumps(PAYLOAD, ensure_ascii=False, indent=1).encode()
    recorded(cases, "a payload with blanks inside", None, blanks)


def _with(payload: dict[str, Any], at: str) -> bytes:
    return dumps(payload | {"incident": payload["incident"] | {"observed_at": at}})
