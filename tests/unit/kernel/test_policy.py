"""The law table of sending: each rule has a test that bears its promise."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from districts import RHEIN_ERFT, document_bytes, standing
from meldeweg.kernel import policy
from meldeweg.kernel.agreement import AgreementStatus, Obligation
from meldeweg.kernel.errors import Early, Refused
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.policy import NotCovered, Original, Rule
from meldeweg.kernel.schemas.record import RecordBody
from meldeweg.kernel.schemas.vocabulary import DataCategory, Entrusted, Ground, MessageType
from meldeweg.kernel.statement import Urgency
from unit.kernel.policing import (
    CALL_FOR_HELP,
    CORRECTION,
    GREFRATH,
    HAND_ON,
    HELD,
    KEMPEN,
    KEMPEN_TOWN,
    KREIS,
    MONDAY,
    POLICE,
    REPLY,
    REPORT,
    RETRACTION,
    STRANGER,
    URGENT,
    decide,
    places,
    refused,
)

# --- nothing flows outside an agreement -------------------------------------------------------


def test_a_covered_report_has_clause_basis_purpose_and_deadline():
    permit = decide(REPORT)
    assert permit.agreement == HELD.digest
    assert permit.clause == "haeusliche-gewalt"
    assert permit.legal_basis == (
        "§ 27 Abs. 2 PolG NRW (Übermittlung an öffentliche Stellen)",
        "PDV 382 (Bearbeitung von Jugendsachen)",
    )
    assert permit.purpose == "Schutzauftrag bei Kindeswohlgefährdung (§ 8a SGB VIII)"
    assert permit.obligation is Obligation.DUTY
    assert permit.urgency is Urgency.TODAY
    assert permit.ack_by == datetime(2026, 11, 23, 15, 0, tzinfo=UTC)  # 16:00 in Berlin
    assert permit.waived == ()


def test_nothing_is_sent_without_an_agreement():
    with pytest.raises(NotCovered) as info:
        policy.decide([], REPORT, MONDAY)
    assert info.value.rule is Rule.NO_AGREEMENT


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"recipient": STRANGER}, Rule.RECIPIENT_NOT_PARTY),
        ({"sender": STRANGER}, Rule.SENDER_NOT_PARTY),
        ({"recipient": AgencyId("jugendamt-bedburg")}, Rule.RECIPIENT_NOT_PARTY),
        ({"recipient": POLICE}, Rule.SAME_AGENCY),
    ],
)
def test_nothing_is_sent_to_or_by_a_non_party(change, rule):
    for override in (False, True):
        error = refused(REPORT, override=override, urgency=Urgency.IMMEDIATE, **change)
        assert error.rule is rule
        assert not error.overridable


@pytest.mark.parametrize(
    ("status", "rule"),
    [
        (AgreementStatus.DRAFT, Rule.UNSIGNED),
        (AgreementStatus.FUTURE, Rule.NOT_BEGUN),
        (AgreementStatus.ENDED, Rule.ENDED),
    ],
)
@pytest.mark.parametrize("transfer", [REPORT, CALL_FOR_HELP, RETRACTION], ids=lambda t: t.type)
def test_an_agreement_not_in_force_carries_nothing_even_in_danger(status, rule, transfer):
    held = replace(HELD, status=status)
    assert refused(transfer, held, **URGENT).rule is rule
    if status is AgreementStatus.DRAFT:
        with pytest.raises(NotCovered):
            policy.permit_receipt(held, transfer.recipient, transfer.sender)
    else:  # what was sent within the term is answered, by whatever clock
        policy.permit_receipt(held, transfer.recipient, transfer.sender)


def test_a_missing_signature_may_only_be_early():
    assert isinstance(refused(REPORT, replace(HELD, status=AgreementStatus.DRAFT)), Early)
    assert not isinstance(refused(REPORT, replace(HELD, status=AgreementStatus.ENDED)), Early)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        # No clause for one youth office asking another, or telling the police unasked.
        ({"sender": KEMPEN, "type": MessageType.IMMEDIATE_ACTION}, Rule.TYPE),
        ({"sender": KREIS, "recipient": POLICE, "entrusted": Entrusted.NONE}, Rule.TYPE),
        ({"grounds": ()}, Rule.GROUND),
    ],
)
def test_what_no_clause_covers_is_not_sent_even_in_danger(change, rule):
    assert refused(REPORT, **change).rule is rule
    assert refused(REPORT, **change, **URGENT).rule is rule


def test_one_uncovered_ground_refuses_the_whole_message():
    sexual = standing(
        clauses=[
            clause
            for clause in json.loads(document_bytes())["clauses"]
            if clause["id"] != "vernachlaessigung"
        ]
    )
    grounds = (Ground.DOMESTIC_VIOLENCE, Ground.NEGLECT)
    assert decide(REPORT, grounds=grounds).clauses == ("haeusliche-gewalt", "vernachlaessigung")
    assert refused(REPORT, sexual, grounds=grounds).rule is Rule.GROUND


def test_several_grounds_take_the_strictest_of_their_clauses():
    grounds = (Ground.NEGLECT, Ground.SEXUAL_VIOLENCE, Ground.ALCOHOL_EXCESS)
    permit = decide(REPORT, grounds=grounds)
    assert permit.clause == "sexualisierte-gewalt"
    assert set(permit.clauses) == {
        *("sexualisierte-gewalt", "vernachlaessigung", "alkohol-und-drogen")
    }
    assert permit.urgency is Urgency.IMMEDIATE
    assert permit.ack_by == MONDAY + timedelta(minutes=15)
    assert "§ 5 KKG, soweit ein Strafverfahren läuft" in permit.legal_basis
    assert len(permit.legal_basis) == len(set(permit.legal_basis))
    assert permit == decide(REPORT, grounds=tuple(reversed(grounds)))


def test_a_clause_that_names_the_ground_goes_before_one_for_any():
    document = json.loads(document_bytes())
    any_ground = next(c for c in document["clauses"] if c["id"] == "haeusliche-gewalt") | {
        "id": "alles",
        "grounds": "any",
    }
    held = standing(clauses=[any_ground, *document["clauses"]])
    assert decide(REPORT, held).clause == "haeusliche-gewalt"


def test_of_two_agreements_the_one_in_force_counts():
    digest = Digest("0" * 64)
    old = replace(HELD, digest=digest, status=AgreementStatus.RUN_OFF)
    ended = replace(HELD, digest=digest, status=AgreementStatus.ENDED)
    for other in (old, ended):
        for held in ([other, HELD], [HELD, other]):
            assert decide(REPORT, *held).agreement == HELD.digest
    # What is urgent goes under the one in force, and needs no override there.
    assert decide(REPORT, old, HELD, **URGENT).waived == ()


def test_an_agreement_of_other_parties_does_not_hide_the_reason():
    other = standing(RHEIN_ERFT)
    assert refused(REPORT, other, HELD, labels=None).rule is Rule.LABELS
    assert refused(REPORT, HELD, other, labels=None).rule is Rule.LABELS


# --- § 22b PolG NRW ---------------------------------------------------------------------------


def test_unlabelled_police_data_is_not_sent_without_override():
    error = refused(REPORT, labels=None, urgency=Urgency.IMMEDIATE)
    assert error.rule is Rule.LABELS
    assert error.overridable


def test_unlabelled_police_data_is_sent_in_danger_by_a_named_person_and_marked():
    assert decide(REPORT, labels=None, **URGENT).waived == (Rule.LABELS,)


def test_an_override_counts_for_an_immediate_message_alone():
    for urgency in (None, Urgency.TODAY, Urgency.ROUTINE):
        assert refused(REPORT, labels=None, override=True, urgency=urgency).rule is Rule.LABELS


def test_data_of_a_youth_office_needs_no_police_labels():
    assert decide(CALL_FOR_HELP).clause == "sofort-polizei"


def test_what_holds_no_data_needs_no_labels():
    assert decide(RETRACTION).clause == "berichtigung-polizei"
    nothing_known = {
        "type": MessageType.REPLY,
        "grounds": (),
        "labels": None,
        "data_categories": (),
        "original": Original(sender=KREIS, recipient=POLICE, type=MessageType.INQUIRY),
    }
    assert decide(REPORT, **nothing_known).clause == "antwort-polizei"
    told = nothing_known | {"data_categories": (DataCategory.IDENTITY,)}
    assert refused(REPORT, **told).rule is Rule.LABELS


def test_a_correction_of_police_data_is_labelled_too():
    assert refused(CORRECTION, labels=None).rule is Rule.LABELS


# --- § 65 SGB VIII ----------------------------------------------------------------------------


def test_a_youth_office_says_whether_data_were_entrusted():
    error = refused(CALL_FOR_HELP, entrusted=None)
    assert error.rule is Rule.UNDECLARED


def test_entrusted_data_cannot_hide_behind_none():
    categories = (*CALL_FOR_HELP.data_categories, DataCategory.ENTRUSTED)
    assert refused(CALL_FOR_HELP, data_categories=categories).rule is Rule.UNDECLARED


@pytest.mark.parametrize(
    ("transfer", "ground", "allowed"),
    [
        (CALL_FOR_HELP, Entrusted.CONSENT, True),
        (CALL_FOR_HELP, Entrusted.PROFESSIONAL_SECRET, True),
        (CALL_FOR_HELP, Entrusted.CHANGE_OF_RESPONSIBILITY, False),
        (CALL_FOR_HELP, Entrusted.RISK_ASSESSMENT, False),
        (HAND_ON, Entrusted.CONSENT, True),
        (HAND_ON, Entrusted.CHANGE_OF_RESPONSIBILITY, True),
        (HAND_ON, Entrusted.RISK_ASSESSMENT, True),
        (HAND_ON, Entrusted.PROFESSIONAL_SECRET, True),
        (REPORT, Entrusted.CONSENT, False),
        (REPORT, Entrusted.PROFESSIONAL_SECRET, False),
        (REPORT, Entrusted.NONE, True),
    ],
)
def test_entrusted_data_leave_for_the_reasons_of_section_65_only(transfer, ground, allowed):
    if allowed:
        assert decide(transfer, entrusted=ground)
    else:
        assert refused(transfer, entrusted=ground).rule is Rule.ENTRUSTED


@pytest.mark.parametrize("declared", [None, Entrusted.RISK_ASSESSMENT])
def test_no_override_goes_against_section_65(declared):
    error = refused(CALL_FOR_HELP, entrusted=declared, **URGENT)
    assert error.rule in (Rule.UNDECLARED, Rule.ENTRUSTED)
    assert not error.overridable


# --- push only, and limits of feedback (§ 79 SGB X, § 35 SGB I, § 4(4) KKG) -------------------


def test_police_are_answered_with_what_section_68_lists():
    permit = decide(REPLY, data_categories=(DataCategory.IDENTITY, DataCategory.WHEREABOUTS))
    assert permit.clause == "antwort-jugendamt"


@pytest.mark.parametrize(
    "category",
    [DataCategory.CASE_COURSE, DataCategory.ASSESSMENT, DataCategory.HEALTH, DataCategory.FAMILY],
)
def test_police_are_never_told_how_a_case_goes(category):
    for override in ({}, URGENT):
        error = refused(REPLY, data_categories=(DataCategory.IDENTITY, category), **override)
        assert error.rule is Rule.DATA_CATEGORY


def test_a_report_gets_receipts_and_no_reply():
    reported = Original(sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION)
    assert refused(REPLY, original=reported).rule is Rule.REFERENCE


def test_a_reply_needs_the_inquiry_of_the_one_who_asked():
    own = Original(sender=KREIS, recipient=POLICE, type=MessageType.INQUIRY)
    anothers = Original(sender=POLICE, recipient=KEMPEN, type=MessageType.INQUIRY)
    for original in (None, own, anothers):
        assert refused(REPLY, original=original).rule is Rule.REFERENCE


def test_youth_offices_may_tell_each_other_how_a_case_goes():
    asked = Original(sender=KEMPEN, recipient=KREIS, type=MessageType.INQUIRY)
    course = {"recipient": KEMPEN, "original": asked}
    permit = decide(REPLY, data_categories=(DataCategory.CASE_COURSE,), **course)
    assert permit.clause == "antwort-jugendaemter"


# --- both ends come to the same answer --------------------------------------------------------


def record_of(transfer, permit, **changes):
    members = {
        "v": 1,
        "type": transfer.type,
        "version": 1,
        "grounds": transfer.grounds,
        "clause": permit.clause,
        "legal_basis": permit.legal_basis,
        "purpose": permit.purpose,
        "urgency": permit.case_urgency,
        "actor_ref": "0" * 32,
        "data_categories": transfer.data_categories,
        "labels": transfer.labels,
        "entrusted": transfer.entrusted,
        "places": transfer.places,
        "handover_at": transfer.handover_at,
        "override": "Lebensgefahr" if transfer.override else None,
        "nonce": "A" * 43,
    }
    return RecordBody(**members | changes)


AGAIN = [
    REPORT,
    replace(REPORT, urgency=Urgency.IMMEDIATE, labels=None, override=True),
    replace(REPORT, places=places(GREFRATH, KEMPEN_TOWN)),
    replace(
        REPORT,
        recipient=KEMPEN,
        places=places(GREFRATH, KEMPEN_TOWN),
        labels=None,
        **URGENT,
    ),
    replace(REPORT, handover_at=MONDAY - timedelta(hours=1), urgency=Urgency.IMMEDIATE),
    CALL_FOR_HELP,
    REPLY,
    CORRECTION,
    RETRACTION,
]


@pytest.mark.parametrize("transfer", AGAIN)
def test_the_recipient_comes_to_the_same_answer_from_record_and_context(transfer):
    permit = decide(transfer)
    sent = record_of(transfer, permit).bytes()
    record = RecordBody.read(sent, "record-malformed")
    again = policy.transfer_of(
        record,
        sender=transfer.sender,
        exercise=False,
        recipient=transfer.recipient,
        original=transfer.original,
    )
    judged = policy.decide([HELD], again, MONDAY)
    assert judged == permit
    policy.confirm(judged, record, permit.urgency)


@pytest.mark.parametrize(
    "lie",
    [
        {"clause": "vernachlaessigung"},
        {"legal_basis": ("§ 1 Erfundenes Gesetz",)},
        {"purpose": "Neugier"},
        {"urgency": Urgency.IMMEDIATE},
    ],
)
def test_a_record_that_claims_other_than_the_agreement_is_refused(lie):
    permit = decide(REPORT)
    with pytest.raises(Refused, match="record-contradicts"):
        policy.confirm(permit, record_of(REPORT, permit, **lie), permit.urgency)


def test_a_context_less_urgent_than_the_case_is_refused():
    permit = decide(REPORT)
    record = record_of(REPORT, permit)
    policy.confirm(permit, record, Urgency.TODAY)
    with pytest.raises(Refused, match="record-contradicts"):
        policy.confirm(permit, record, Urgency.ROUTINE)
