"""Write policy.json: transfers under the agreement of Kreis Viersen, and what the law table says.

`python tests/vectors/make_policy.py` derives the file; a test fails when the committed one is not
what this module derives. The agreement is `schemas/agreement.kreis-viersen.json`; a case
changes one base transfer. Everything is invented.
"""

import json
from pathlib import Path
from typing import Any

from meldeweg.kernel import agreement
from meldeweg.kernel.agreement import Standing
from meldeweg.kernel.clock import from_rfc3339, to_rfc3339
from meldeweg.kernel.ids import AgencyId, Ags
from meldeweg.kernel.policy import NotCovered, Original, Transfer, decide
from meldeweg.kernel.schemas.record import Labels, Places
from meldeweg.kernel.schemas.vocabulary import DataCategory, Entrusted, Ground, MessageType
from meldeweg.kernel.statement import Urgency

HERE = Path(__file__).parent
FILE = HERE / "policy.json"
AGREEMENT = HERE.parents[1] / "schemas" / "agreement.kreis-viersen.json"

POLICE, KREIS, KEMPEN = "polizei-viersen", "jugendamt-kreis-viersen", "jugendamt-kempen"
GREFRATH, KEMPEN_TOWN, ELSEWHERE = "05166008", "05166012", "05162004"
RUN_OFF, ENDED = "2027-05-03T08:00:00.000Z", "2028-05-03T08:00:00.000Z"

BASE: dict[str, Any] = {
    "at": "2026-11-23T09:00:00.000Z",
    "signed": True,
    "from": POLICE,
    "to": KREIS,
    "type": "notification",
    "grounds": ["domestic-violence"],
    "data_categories": ["identity", "incident"],
    "labels": True,
    "entrusted": None,
    "places": None,
    "handover_at": None,
    "urgency": None,
    "override": False,
    "exercise": False,
    "original": None,
}
REPORT: dict[str, Any] = {}
CALL = {
    "from": KREIS,
    "to": POLICE,
    "type": "request.immediate-action",
    "grounds": [],
    "data_categories": ["identity"],
    "labels": False,
    "entrusted": "none",
}
REPLY = CALL | {
    "type": "reply",
    "original": {"from": POLICE, "to": KREIS, "type": "inquiry", "exercise": False},
}
CORRECTION = {
    "type": "correction",
    "grounds": [],
    "original": {"from": POLICE, "to": KREIS, "type": "notification", "exercise": False},
}
_EXERCISE = CORRECTION["original"] | {"exercise": True}
BACK = CALL | {
    "type": "correction",
    "original": {"from": KREIS, "to": POLICE, "type": "reply", "exercise": False},
}
OF_A_CALL = {
    "original": {"from": KREIS, "to": POLICE, "type": "request.immediate-action", "exercise": False}
}
URGENT = {"override": True, "urgency": "immediate"}
UNLABELLED = {"labels": False}

CASES: dict[str, tuple[dict[str, Any], ...]] = {
    "a report": (REPORT,),
    "several grounds, the most urgent clause leads": (
        {"grounds": ["alcohol-excess", "domestic-violence"]},
    ),
    "more urgent than the clause says": ({"urgency": "immediate"},),
    "less urgent than the clause allows": ({"urgency": "routine"},),
    "told by phone before": ({"urgency": "immediate", "handover_at": "2026-11-23T08:50:00.000Z"},),
    "told by phone two days before": (
        {"urgency": "immediate", "handover_at": "2026-11-21T08:50:00.000Z"},
    ),
    "on a Friday evening": ({"at": "2026-11-27T20:00:00.000Z"},),
    "on Christmas Eve": ({"at": "2026-12-24T12:00:00.000Z"},),
    "a call for help": (CALL,),
    "a reply": (REPLY,),
    "a correction": (CORRECTION,),
    "for the place": ({"places": {"place": GREFRATH}},),
    "for place and residence": ({"places": {"place": GREFRATH, "residence": KEMPEN_TOWN}},),
    "the other office's copy": (
        {"to": KEMPEN, "urgency": "immediate"},
        {"places": {"place": GREFRATH, "residence": KEMPEN_TOWN}},
    ),
    "one place outside": ({"places": {"place": ELSEWHERE, "residence": GREFRATH}},),
    "the sender itself": ({"to": POLICE},),
    "a stranger sends": ({"from": "jugendamt-fremdstadt"},),
    "a stranger receives": ({"to": "jugendamt-fremdstadt"},),
    "a signature lacks": ({"signed": False},),
    "before the term": ({"at": "2022-04-30T21:59:59.999Z"},),
    "the term's first instant": ({"at": "2022-04-30T22:00:00.000Z"},),
    "after the run-off": ({"at": ENDED},),
    "a report in the run-off": ({"at": RUN_OFF},),
    "a report in the run-off, overridden": ({"at": RUN_OFF}, URGENT),
    "overridden and not immediate": ({"at": RUN_OFF, "override": True},),
    "a correction in the run-off": (CORRECTION, {"at": RUN_OFF}),
    "a call for help in the run-off": (CALL, {"at": RUN_OFF}),
    "a type that does not go this way": (CALL, {"to": KEMPEN}),
    "a ground without a clause": ({"grounds": []},),
    "a reply with more than its clause allows": (
        REPLY,
        {"data_categories": ["identity", "incident"]},
    ),
    "an exercise takes back a real message": (
        CORRECTION,
        {"type": "retraction", "data_categories": [], "exercise": True},
    ),
    "a real correction of an exercise": (CORRECTION, {"original": _EXERCISE}),
    "an exercise corrects an exercise": (CORRECTION, {"exercise": True, "original": _EXERCISE}),
    "an exercise answers a real inquiry": (REPLY, {"exercise": True}),
    "a correction of what was erased": (BACK, {"original": BACK["original"] | {"type": None}}),
    "a correction of what was erased, with more than anybody might have told": (
        BACK,
        {
            "original": BACK["original"] | {"type": None},
            "data_categories": ["case-course"],
        },
    ),
    "a reply to what was erased": (REPLY, {"original": REPLY["original"] | {"type": None}}),
    "a reply to nothing": (REPLY, {"original": None}),
    "a reply to a report": (
        REPLY,
        {"original": {"from": POLICE, "to": KREIS, "type": "notification", "exercise": False}},
    ),
    "a reply to one's own": (
        REPLY,
        {"original": {"from": KREIS, "to": POLICE, "type": "inquiry", "exercise": False}},
    ),
    "a retraction is final": (
        CORRECTION,
        {"original": {"from": POLICE, "to": KREIS, "type": "retraction", "exercise": False}},
    ),
    "a correction of a correction": (
        CORRECTION,
        {"original": {"from": POLICE, "to": KREIS, "type": "correction", "exercise": False}},
    ),
    "a correction of a reply": (BACK, {"data_categories": ["contact", "identity"]}),
    "a correction of a reply with more than that": (
        BACK,
        {"data_categories": ["identity", "incident"]},
    ),
    "a correction of a call for help": (BACK, OF_A_CALL, {"data_categories": ["incident"]}),
    "a correction that tells how the case goes": (
        BACK,
        OF_A_CALL,
        {"data_categories": ["case-course", "identity"]},
    ),
    "a correction between offices that tells it": (
        BACK,
        {"to": KEMPEN, "data_categories": ["case-course"]},
        {"original": {"from": KREIS, "to": KEMPEN, "type": "reply", "exercise": False}},
    ),
    "labels lack": (UNLABELLED,),
    "labels lack, overridden": (UNLABELLED, URGENT),
    "labels lack and the term is over": (UNLABELLED, {"at": RUN_OFF}),
    "both lack, overridden": (UNLABELLED, {"at": RUN_OFF}, URGENT),
    "nothing to label": (UNLABELLED, {"data_categories": []}),
    "nobody said whether data were entrusted": (CALL, {"entrusted": None}),
    "entrusted data, declared as none": (CALL, {"data_categories": ["entrusted"]}),
    "entrusted data with consent": (
        CALL,
        {"data_categories": ["entrusted"], "entrusted": "consent"},
    ),
    "entrusted data for a reason that names no police": (
        CALL,
        {"data_categories": ["entrusted"], "entrusted": "change-of-responsibility"},
    ),
    "both places outside": ({"places": {"place": ELSEWHERE}},),
    "another office's place": ({"places": {"place": KEMPEN_TOWN}},),
}


def transfer(facts: dict[str, Any]) -> Transfer:
    """Read a case's facts."""
    original, places = facts["original"], facts["places"]
    return Transfer(
        sender=AgencyId(facts["from"]),
        recipient=AgencyId(facts["to"]),
        type=MessageType(facts["type"]),
        data_categories=tuple(map(DataCategory, facts["data_categories"])),
        grounds=tuple(map(Ground, facts["grounds"])),
        labels=_LABELS if facts["labels"] else None,
        entrusted=facts["entrusted"] and Entrusted(facts["entrusted"]),
        places=places and Places(**{name: Ags(value) for name, value in places.items()}),
        handover_at=facts["handover_at"] and from_rfc3339(facts["handover_at"]),
        urgency=facts["urgency"] and Urgency(facts["urgency"]),
        override=facts["override"],
        exercise=facts["exercise"],
        original=original
        and Original(
            sender=AgencyId(original["from"]),
            recipient=AgencyId(original["to"]),
            type=original["type"] and MessageType(original["type"]),
            exercise=original["exercise"],
        ),
    )


_LABELS = Labels(
    collected_by="Kreispolizeibehörde Beispiel",
    means="offen, Einsatz",
    category_of_person="Geschädigte",
    offence="Körperverletzung",
)


def judge(data: bytes, facts: dict[str, Any]) -> dict[str, Any]:
    """Return the permit's members, or the rule that refuses."""
    document, at = agreement.parse(data), from_rfc3339(facts["at"])
    signed_by = {party.agency for party in document.parties} if facts["signed"] else set()
    status = agreement.status(document, signed_by, at)
    try:
        permit = decide([Standing(agreement.digest(data), document, status)], transfer(facts), at)
    except NotCovered as exc:
        return {"status": status, "rule": exc.rule} | (
            {"responsible": exc.responsible} if exc.responsible else {}
        )
    return {
        "status": status,
        "clauses": permit.clauses,
        "legal_basis": permit.legal_basis,
        "purpose": permit.purpose,
        "case_urgency": permit.case_urgency,
        "urgency": permit.urgency,
        "ack_by": to_rfc3339(permit.ack_by),
        "delete_after": permit.delete_after,
        "linked_copy_to": permit.linked_copy_to,
        "waived": permit.waived,
    }


def build() -> dict[str, Any]:
    """Return the file: the base facts, and of each case what differs and what comes of it."""
    data = AGREEMENT.read_bytes()
    cases = []
    for name, changes in CASES.items():
        change = {key: value for each in changes for key, value in each.items()}
        cases.append({"name": name, "change": change, "is": judge(data, BASE | change)})
    return {"agreement": "schemas/agreement.kreis-viersen.json", "base": BASE, "cases": cases}


def text() -> str:
    """Return the file's text."""
    return json.dumps(build(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
