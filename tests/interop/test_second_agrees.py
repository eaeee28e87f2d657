"""Both implementations say the same of whatever a sender may do: accepted alike, or refused with
the same code."""

import json

import pytest

from interop.differing import (
    PARTS,
    RECORDS,
    bent,
    bent_events,
    judge_events,
    judge_of,
    oversize,
    put,
    reader_of,
    sealed_to_several,
)
from interop.test_second import NOW, WAY, told
from meldeweg.kernel import agreement, schemas, strictjson
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.strictjson import dumps
from unit.gateway.bending import bends
from unit.gateway.test_refused_vectors import view_of
from vectors.make_way import OFFICE, POLICE
from vectors.refused_cases import MESSAGE, Cases
from vectors.refused_covered import PAYLOAD, content, context, record_of
from vectors.refused_trust import AGREEMENTS

# Of so many bends one is taken, where there are thousands; 23 and 3 meet every kind of bend.
SOME = {"payload": 23, "notification": 3, "request.immediate-action": 3}


def theirs(second, me, records, opens=()):
    keys = [json.dumps(key.private_jwk()) for key in opens]
    keys = keys or [json.dumps(WAY["private"]["seal"][me])]
    for start in range(0, len(records), 100):
        some = records[start : start + 100]
        asked = {"Me": me, "Now": NOW, "Opens": keys, "Records": some, "Alone": True}
        for said in second.ask("records", **asked)["each"]:
            found = said.get("found", {})
            yield (found.get("ack_by"), found.get("delete_after")) if said["ok"] else said["why"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", RECORDS)
def test_both_say_the_same_of_a_record_that_its_sender_bent(second, name, part):
    at = RECORDS[name]
    told(second, {})
    cases = list(bent(at, part))[:: SOME.get(part, 1)]
    assert cases or (name == "delivered" and part not in ("header", "context"))
    ours = judge_of(reader_of(at))
    said = theirs(second, reader_of(at), [record for _, _, record in cases])
    differ = [
        (place, how, mine, other)
        for (place, how, record), other in zip(cases, said, strict=True)
        if (mine := ours(record)) != other
    ]
    assert differ == []


def test_both_count_from_their_own_clock_what_is_dated_ahead(second):
    """A sender's clock, four days ahead: neither the deadline nor the deletion waits for it."""
    told(second, {})
    why, cases = record_of({}), Cases({})
    later = {"created": "2026-11-26T18:20:00.000Z", "ack_by": "2026-12-23T15:00:00.000Z"}
    told_later = context(why, **later, delete_after="2027-09-01")
    cases.sealed("ahead", None, content(dumps(PAYLOAD), why), why, told_later, MESSAGE)
    made = cases.records[0]["set"]
    record = put(MESSAGE, made["statement"], made["value"].encode())
    ours = judge_of(OFFICE)(record)
    assert [ours] == list(theirs(second, OFFICE, [record]))
    assert ours == ("2026-11-23T15:00:00.000Z", "2027-06-01")


def test_both_say_the_same_of_whom_a_content_is_sealed_to(second):
    """To several keys, the recipient's and others', of which he has one or two."""
    differ, said = [], set()
    for case, asked in by_case(sealed_to_several()):
        told(second, case)
        view = view_of(case)
        for what, opens, record in asked:
            (other,) = theirs(second, OFFICE, [record], opens)
            ours = judge_of(OFFICE, view, opens)(record)
            said.add(ours if isinstance(ours, str) else None)
            if ours != other:
                differ.append((what, ours, other))
    assert differ == []
    assert said == {
        *(None, "envelope-not-for-this-key", "envelope-unreadable", "readers-contradict"),
        *("key-expired", "key-not-yet-valid", "key-use-wrong"),
    }


def by_case(asked):
    """Put together what is asked in one view: five of them for six hundred questions."""
    found = {}
    for what, case, opens, record in asked:
        found.setdefault(json.dumps(case), (case, []))[1].append((what, opens, record))
    return found.values()


def test_both_bound_what_they_read(second):
    told(second, {})
    cases = list(oversize())
    judge = judge_of(OFFICE)
    ours = [judge(record) for _, record in cases]
    said = list(theirs(second, OFFICE, [record for _, record in cases]))
    assert ours == said == [code for code, _ in cases]


def test_both_say_the_same_of_an_event_that_its_gateway_bent(second):
    told(second, {})
    cases, ours = list(bent_events()), judge_events()
    said = []
    for start in range(0, len(cases), 100):
        some = [record for _, _, record in cases[start : start + 100]]
        each = second.ask("records", Me=POLICE, Now=NOW, Opens=[], Records=some)["each"]
        said += [one.get("why") for one in each]
    differ = [
        (place, how, mine, other)
        for (place, how, record), other in zip(cases, said, strict=True)
        if (mine := ours(record)) != other
    ]
    assert differ == []
    assert said.count(None) > len(cases) // 50  # not for one fault that all have


def test_both_say_the_same_of_a_bent_agreement(second):
    """Taken or refused: a document that is refused is as if it were not there."""
    document = json.loads(WAY["pinned"]["agreement"])
    texts = [text for _, _, text in bends(document_of(document)) if is_utf8(text)]
    texts += [document_of(other) for other in contradicting(document)]
    said = []
    for start in range(0, len(texts), 300):
        told(second, {})
        trust = [{"Topic": AGREEMENTS, "Value": t.decode()} for t in texts[start : start + 300]]
        asked = {"Anchor": json.dumps(WAY["anchor"]), "Trust": trust, "Again": True}
        said += [each["ok"] for each in second.ask("trust", **asked)["each"]]
    ours = [taken(text) for text in texts]
    differ = [
        (text, mine) for text, mine, other in zip(texts, ours, said, strict=True) if mine != other
    ]
    assert differ == []
    assert 20 < ours.count(True) < len(ours) // 2


KINDS = [(kind, version) for kind, versions in schemas.TYPES.items() for version in versions]


@pytest.mark.parametrize(("kind", "version"), KINDS)
def test_both_read_the_same_in_a_payload(second, kind, version):
    """Every example, and every bend of it: valid alike, with the same grounds and categories."""
    examples = schemas.json_schema(kind, version)["examples"]
    texts = [strictjson.dumps(example) for example in examples]
    bends_of = [text for example in texts for _, _, text in bends(example)][:: SOME.get(kind, 1)]
    differ = []
    for text in [*texts, *bends_of]:
        try:
            asked = text.decode()
        except UnicodeDecodeError:
            continue
        ours = read(kind, version, text)
        said = second.ask("content", Kind=kind.value, Number=version, Text=asked)
        other = json.loads(said["text"]) if said["ok"] else said["why"]
        if ours != other:
            differ.append((asked, ours, other))
    assert differ == []


def document_of(document):
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def is_utf8(text):
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def taken(text):
    try:
        agreement.parse(text)
    except Refused:
        return False
    return True


def contradicting(document):
    """Documents of the right form that can't stand as a whole, and some that can."""
    term, parties, clauses = document["term"], document["parties"], document["clauses"]
    for days in (0, (document["keep_months"] + 1) * 31 - 1, (document["keep_months"] + 1) * 31):
        yield document | {"term": term | {"run_off_days": days}}
    yield document | {"term": term | {"until": "2000-01-01"}}
    yield document | {"parties": [parties[0] | {"identity": parties[1]["identity"]}, *parties[1:]]}
    yield document | {"district": document["district"] | {"ags": "01234"}}
    for at, clause in enumerate(clauses):
        rest = clauses[:at] + clauses[at + 1 :]
        yield document | {"clauses": rest}
        yield document | {"clauses": [*clauses, clause]}
        for changes in changes_of(clause):
            yield document | {"clauses": [*clauses[:at], clause | changes, *clauses[at + 1 :]]}


def changes_of(clause):
    words = ("immediate", "today", "routine")
    yield from ({"urgency": {"default": a, "least": b}} for a in words for b in words)
    for each in words:
        yield {"deadlines": {n: d for n, d in clause["deadlines"].items() if n != each}}
    for odd in ({}, {"minutes": 5, "by": "12:00"}, {"by": "12:00"}, {"working_days": 1},
                {"working_days": 1, "by": "12:00"}, {"minutes": 0}, {"minutes": 5}):  # fmt: skip
        yield {"handover_deadline": odd}
        yield {"deadlines": clause["deadlines"] | {"routine": odd}}
    kinds = ("police", "youth-office", "any")
    yield from ({"direction": {"from": a, "to": b}} for a in kinds for b in kinds)
    yield from ({"linked_copy": said, "labels_required": said} for said in (True, False))
    for ground in ("none", "consent", "risk-assessment", "professional-secret"):
        yield {"section_65": {"must_declare": True, "grounds": [ground]}}
    yield from ({"replies_to": said} for said in ([], ["inquiry"]))
    yield from ({"data_categories": said} for said in ("any", ["case-course"], ["identity"], []))
    yield from ({"types": said} for said in (["reply"], ["correction"], ["notification"]))


def read(kind, version, text):
    try:
        found = schemas.validate(kind, version, text)
    except Refused as exc:
        return exc.code
    return {
        "grounds": list(found.named_grounds()) or None,
        "data_categories": list(found.data_categories()) or None,
        "entrusted": found.entrusted or "",
        "handover_at": to_rfc3339(found.handover.at) if found.handover else "",
    }
