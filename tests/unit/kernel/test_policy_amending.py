"""What is corrected or taken back, and what goes on after the term."""

import json
from dataclasses import replace

import pytest

from districts import document_bytes, standing
from meldeweg.kernel import policy
from meldeweg.kernel.agreement import AgreementStatus, Obligation
from meldeweg.kernel.policy import NotCovered, Original, Rule
from meldeweg.kernel.policy.covering import choose
from meldeweg.kernel.schemas.vocabulary import DataCategory, Ground, MessageType
from unit.kernel.policing import (
    CALL_FOR_HELP,
    CORRECTION,
    HELD,
    KEMPEN,
    KREIS,
    POLICE,
    REPLY,
    REPORT,
    RETRACTION,
    RUN_OFF,
    STRANGER,
    URGENT,
    decide,
    refused,
    with_clause,
)

# --- corrections and retractions (§ 75(3) BDSG, Art. 19 GDPR) ---------------------------------


@pytest.mark.parametrize("transfer", [CORRECTION, RETRACTION], ids=lambda one: one.type)
def test_what_was_told_wrongly_is_put_right_even_after_the_term(transfer):
    for held in (HELD, RUN_OFF):
        assert decide(transfer, held).waived == ()


@pytest.mark.parametrize(
    "original",
    [
        None,
        Original(sender=KREIS, recipient=POLICE, type=MessageType.NOTIFICATION),
        Original(sender=POLICE, recipient=KEMPEN, type=MessageType.NOTIFICATION),
        Original(sender=KEMPEN, recipient=KREIS, type=MessageType.NOTIFICATION),
        Original(sender=POLICE, recipient=KREIS, type=MessageType.RETRACTION),
    ],
)
def test_only_ones_own_message_is_corrected_and_only_to_who_got_it(original):
    for transfer in (CORRECTION, RETRACTION):
        assert refused(transfer, original=original).rule is Rule.REFERENCE


@pytest.mark.parametrize("transfer", [REPLY, CORRECTION, RETRACTION])
def test_nobody_practises_on_a_real_message_nor_takes_an_exercise_for_one(transfer):
    real, practised = (replace(transfer.original, exercise=each) for each in (False, True))
    assert refused(transfer, original=practised).rule is Rule.REFERENCE
    assert refused(transfer, original=real, exercise=True).rule is Rule.REFERENCE
    assert decide(transfer, original=practised, exercise=True).clauses == decide(transfer).clauses


def test_a_correction_names_the_message_and_not_its_correction():
    again = Original(sender=POLICE, recipient=KREIS, type=MessageType.CORRECTION)
    assert refused(CORRECTION, original=again).rule is Rule.REFERENCE
    assert decide(RETRACTION, original=again).waived == ()  # that one may be taken back


TO_THE_POLICE = replace(
    CALL_FOR_HELP,
    type=MessageType.CORRECTION,
    original=Original(sender=KREIS, recipient=POLICE, type=MessageType.REPLY),
)
"""A youth office corrects its reply to the police."""


def test_a_correction_tells_the_police_no_more_than_the_reply_it_corrects():
    assert decide(TO_THE_POLICE).clause == "berichtigung-jugendamt"
    for category in (DataCategory.CASE_COURSE, DataCategory.ASSESSMENT, DataCategory.INCIDENT):
        for override in ({}, URGENT):
            told = {"data_categories": (DataCategory.IDENTITY, category), **override}
            assert refused(TO_THE_POLICE, **told).rule is Rule.DATA_CATEGORY


def test_no_correction_tells_the_police_how_a_case_goes():
    call = Original(sender=KREIS, recipient=POLICE, type=MessageType.IMMEDIATE_ACTION)
    seen = (DataCategory.INCIDENT, DataCategory.ASSESSMENT)
    assert decide(TO_THE_POLICE, original=call, data_categories=seen).waived == ()
    course = (DataCategory.CASE_COURSE,)
    for held in (HELD, with_clause("antwort-jugendamt", types=["inquiry"], replies_to=[])):
        for kind in MessageType:
            if kind is not MessageType.RETRACTION:
                told = {"original": replace(call, type=kind), "data_categories": course}
                refused(TO_THE_POLICE, held, **told)


def test_youth_offices_correct_what_they_told_each_other():
    told = Original(sender=KREIS, recipient=KEMPEN, type=MessageType.REPLY)
    course = {"recipient": KEMPEN, "original": told, "data_categories": (DataCategory.CASE_COURSE,)}
    assert decide(TO_THE_POLICE, **course).clause == "berichtigung-jugendamt"


def test_a_second_agreement_does_not_open_what_the_first_keeps_shut():
    """It knows no reply to the police, so that it says nothing of what one may hold."""
    other = with_clause("antwort-jugendamt", types=["inquiry"], replies_to=[])
    told = {"data_categories": (DataCategory.IDENTITY, DataCategory.ASSESSMENT)}
    for held in ([other], [HELD, other], [other, HELD]):
        assert refused(TO_THE_POLICE, *held, **told).rule is Rule.DATA_CATEGORY
    assert decide(TO_THE_POLICE, other, HELD).agreement == HELD.digest
    retracted = {"type": MessageType.RETRACTION, "data_categories": ()}
    assert decide(TO_THE_POLICE, other, **retracted).waived == ()


def test_one_clause_must_allow_all_that_a_correction_holds():
    document = json.loads(document_bytes())
    (reply,) = (each for each in document["clauses"] if each["id"] == "antwort-jugendamt")
    other = {"id": "antwort-sofort", "replies_to": ["request.immediate-action"]}
    other |= {"data_categories": ["measures"]}
    held = standing(clauses=[*document["clauses"], reply | other])
    for told in (DataCategory.IDENTITY, DataCategory.MEASURES):
        assert decide(TO_THE_POLICE, held, data_categories=(told,)).waived == ()
    both = (DataCategory.IDENTITY, DataCategory.MEASURES)
    assert refused(TO_THE_POLICE, held, data_categories=both).rule is Rule.DATA_CATEGORY


def test_several_clauses_must_each_allow_every_category():
    held = with_clause("alkohol-und-drogen", data_categories=["incident"])
    both = (Ground.DOMESTIC_VIOLENCE, Ground.ALCOHOL_EXCESS)
    assert refused(REPORT, held, grounds=both).rule is Rule.DATA_CATEGORY
    told = {"grounds": both, "data_categories": (DataCategory.INCIDENT,)}
    assert len(decide(REPORT, held, **told).clauses) == 2


# --- after the term ---------------------------------------------------------------------------


def test_nothing_new_is_told_after_the_term():
    error = refused(REPORT, RUN_OFF)
    assert error.rule is Rule.RUN_OFF
    assert error.overridable
    inquiry = {"type": MessageType.INQUIRY, "grounds": ()}
    assert refused(REPORT, RUN_OFF, **inquiry).rule is Rule.RUN_OFF


def test_in_danger_a_named_person_reports_after_the_term_too():
    assert decide(REPORT, RUN_OFF, **URGENT).waived == (Rule.RUN_OFF,)
    assert decide(REPORT, RUN_OFF, labels=None, **URGENT).waived == (Rule.RUN_OFF, Rule.LABELS)


def test_clauses_marked_as_going_on_go_on():
    assert decide(CALL_FOR_HELP, RUN_OFF).waived == ()
    assert decide(REPLY, RUN_OFF).waived == ()


def test_what_goes_on_covers_what_a_clause_that_ended_covered_better():
    document = json.loads(document_bytes())
    going_on = next(c for c in document["clauses"] if c["id"] == "haeusliche-gewalt") | {
        "id": "gilt-fort",
        "grounds": "any",
        "runs_off": True,
    }
    clauses = [*document["clauses"], going_on]
    in_force = standing(clauses=clauses)
    run_off = replace(in_force, status=AgreementStatus.RUN_OFF)
    assert decide(REPORT, in_force).clause == "haeusliche-gewalt"
    assert decide(REPORT, run_off).clause == "gilt-fort"


def test_receipts_flow_in_the_term_in_the_run_off_and_after_it():
    for held in (HELD, RUN_OFF, replace(HELD, status=AgreementStatus.ENDED)):
        policy.permit_receipt(held, KREIS, POLICE)
        with pytest.raises(NotCovered):
            policy.permit_receipt(held, STRANGER, POLICE)


def test_a_message_that_goes_on_only_in_part_does_not_go_on():
    held = with_clause("haeusliche-gewalt", AgreementStatus.RUN_OFF, runs_off=True)
    assert decide(REPORT, held).waived == ()
    grounds = (Ground.DOMESTIC_VIOLENCE, Ground.NEGLECT)
    assert refused(REPORT, held, grounds=grounds).rule is Rule.RUN_OFF


@pytest.mark.parametrize("grounds", [(Ground.DOMESTIC_VIOLENCE,), tuple(Ground)[:2]])
def test_a_duty_goes_before_a_permission_whichever_stands_first(grounds):
    """For one ground the duty is chosen; of several clauses, a ground each, it leads."""
    like = HELD.document.clauses[0]
    may, must = (
        like.model_copy(update={"id": name, "obligation": name, "grounds": (ground,)})
        for name, ground in zip(
            (Obligation.PERMISSION, Obligation.DUTY), (grounds[0], grounds[-1]), strict=True
        )
    )
    assert choose([may, must], grounds)[0] is choose([must, may], grounds)[0] is must
    assert len(choose([may, must], grounds)) == len(grounds)


def test_correcting_is_a_duty_whatever_the_clause_says_of_its_end():
    held = with_clause("berichtigung-polizei", AgreementStatus.RUN_OFF, runs_off=False)
    assert decide(CORRECTION, held).waived == ()


def test_an_override_that_was_not_needed_waives_nothing():
    assert decide(REPORT, **URGENT).waived == ()
    assert decide(REPORT, override=True).waived == ()
