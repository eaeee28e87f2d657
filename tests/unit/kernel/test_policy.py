"""The law table of sending: each rule has a test that bears its promise."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from districts import RHEIN_ERFT, document_bytes, standing
from meldeweg.kernel import policy
from meldeweg.kernel.agreement import AgreementStatus, Obligation
from meldeweg.kernel.errors import Early, Refused
from meldeweg.kernel.ids import AgencyId, Ags, Digest
from meldeweg.kernel.policy import NotCovered, Original, Rule, Transfer
from meldeweg.kernel.policy.covering import choose
from meldeweg.kernel.schemas.record import Labels, Places, RecordBody
from meldeweg.kernel.schemas.vocabulary import DataCategory, Entrusted, Ground, MessageType
from meldeweg.kernel.statement import Urgency

POLICE, KREIS = AgencyId("polizei-viersen"), AgencyId("jugendamt-kreis-viersen")
KEMPEN, STRANGER = AgencyId("jugendamt-kempen"), AgencyId("jugendamt-fremdstadt")
GREFRATH, KEMPEN_TOWN, VIERSEN_TOWN = Ags("05166008"), Ags("05166012"), Ags("05166032")
ELSEWHERE = Ags("05162004")
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # 10:00 in Berlin
LABELS = Labels(
    collected_by="Kreispolizeibehörde Beispiel",
    means="offen, Einsatz",
    category_of_person="Geschädigte",
    offence="Körperverletzung",
)
HELD = standing()
RUN_OFF = replace(HELD, status=AgreementStatus.RUN_OFF)
REPORT = Transfer(
    sender=POLICE,
    recipient=KREIS,
    type=MessageType.NOTIFICATION,
    data_categories=(DataCategory.IDENTITY, DataCategory.INCIDENT),
    grounds=(Ground.DOMESTIC_VIOLENCE,),
    labels=LABELS,
)
CALL_FOR_HELP = Transfer(
    sender=KREIS,
    recipient=POLICE,
    type=MessageType.IMMEDIATE_ACTION,
    data_categories=(DataCategory.IDENTITY,),
    entrusted=Entrusted.NONE,
)
REPLY = replace(
    CALL_FOR_HELP,
    type=MessageType.REPLY,
    original=Original(sender=POLICE, recipient=KREIS, type=MessageType.INQUIRY),
)
CORRECTION = replace(
    REPORT,
    type=MessageType.CORRECTION,
    grounds=(),
    original=Original(sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION),
)
RETRACTION = replace(CORRECTION, type=MessageType.RETRACTION, data_categories=(), labels=None)
URGENT = {"override": True, "urgency": Urgency.IMMEDIATE}


def decide(transfer, *held, at=MONDAY, **changes):
    return policy.decide(held or [HELD], replace(transfer, **changes), at)


def refused(transfer, *held, at=MONDAY, **changes):
    with pytest.raises(NotCovered) as info:
        decide(transfer, *held, at=at, **changes)
    assert info.value.code == "not-covered"
    return info.value


def with_clause(name, status=AgreementStatus.IN_FORCE, **changes):
    document = json.loads(document_bytes())
    clauses = [
        clause | changes if clause["id"] == name else clause for clause in document["clauses"]
    ]
    return standing(status=status, clauses=clauses)


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


HAND_ON = replace(
    CALL_FOR_HELP,
    recipient=KEMPEN,
    type=MessageType.NOTIFICATION,
    grounds=(Ground.NEGLECT,),
)


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


# --- urgency and deadlines --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ground", "asked", "urgency"),
    [
        (Ground.DOMESTIC_VIOLENCE, None, Urgency.TODAY),
        (Ground.DOMESTIC_VIOLENCE, Urgency.ROUTINE, Urgency.TODAY),
        (Ground.DOMESTIC_VIOLENCE, Urgency.IMMEDIATE, Urgency.IMMEDIATE),
        (Ground.NEGLECT, None, Urgency.TODAY),
        (Ground.NEGLECT, Urgency.ROUTINE, Urgency.ROUTINE),
        (Ground.SEXUAL_VIOLENCE, None, Urgency.IMMEDIATE),
        (Ground.SEXUAL_VIOLENCE, Urgency.TODAY, Urgency.TODAY),
        (Ground.SEXUAL_VIOLENCE, Urgency.ROUTINE, Urgency.TODAY),
    ],
)
def test_a_sender_may_raise_urgency_and_never_go_below_the_least(ground, asked, urgency):
    assert decide(REPORT, grounds=(ground,), urgency=asked).urgency is urgency


@pytest.mark.parametrize("asked", [None, *Urgency])
def test_a_request_for_immediate_action_is_immediate(asked):
    permit = decide(CALL_FOR_HELP, urgency=asked)
    assert permit.urgency is Urgency.IMMEDIATE
    assert permit.ack_by == MONDAY + timedelta(minutes=15)


def test_a_call_before_gives_more_time():
    phoned = decide(CALL_FOR_HELP, handover_at=MONDAY - timedelta(minutes=5))
    assert phoned.ack_by == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
    assert phoned.urgency is Urgency.IMMEDIATE


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 11, 23, tzinfo=UTC), "2027-06-01"),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "2027-07-01"),
        (datetime(2026, 6, 1, tzinfo=UTC), "2027-01-01"),
        (datetime(2026, 5, 31, tzinfo=UTC), "2026-12-01"),
    ],
)
def test_contents_are_deleted_after_the_months_of_the_agreement(at, expected):
    assert decide(REPORT, at=at).delete_after == expected


# --- responsibility (§§ 86, 86d, 87 SGB VIII) -------------------------------------------------


def places(place=None, residence=None):
    return Places(place=place, residence=residence)


@pytest.mark.parametrize(
    ("where", "lead", "copy"),
    [
        (places(GREFRATH), KREIS, None),
        (places(None, GREFRATH), KREIS, None),
        (places(GREFRATH, GREFRATH), KREIS, None),
        (places(GREFRATH, KEMPEN_TOWN), KREIS, KEMPEN),
        (places(KEMPEN_TOWN, GREFRATH), KEMPEN, KREIS),
        (places(GREFRATH, ELSEWHERE), KREIS, None),
        (places(ELSEWHERE, GREFRATH), KREIS, None),
    ],
)
def test_the_office_where_the_child_is_leads_and_the_other_gets_a_copy(where, lead, copy):
    permit = decide(REPORT, recipient=lead, places=where)
    assert (permit.linked_copy_to, permit.is_linked_copy) == (copy, False)
    assert permit.outside == tuple({where.place, where.residence} & {ELSEWHERE})
    routed = policy.route(
        [HELD], sender=POLICE, kind=REPORT.type, grounds=REPORT.grounds, places=where
    )
    assert (routed.lead, routed.linked_copy) == (lead, copy)


def test_a_report_for_another_office_is_refused_and_names_it():
    error = refused(REPORT, places=places(KEMPEN_TOWN))
    assert error.rule is Rule.NOT_RESPONSIBLE
    assert error.responsible == KEMPEN
    assert error.call[0].agency == KEMPEN
    assert refused(REPORT, places=places(KEMPEN_TOWN), **URGENT).rule is Rule.NOT_RESPONSIBLE


def test_a_report_for_a_place_outside_the_district_is_refused_with_the_rule():
    assert refused(REPORT, places=places(ELSEWHERE, ELSEWHERE)).rule is Rule.OUTSIDE
    assert refused(REPORT, places=places()).rule is Rule.OUTSIDE
    with pytest.raises(NotCovered) as info:
        policy.route(
            [HELD],
            sender=POLICE,
            kind=REPORT.type,
            grounds=REPORT.grounds,
            places=places(ELSEWHERE),
        )
    assert info.value.rule is Rule.OUTSIDE
    assert info.value.call == ()  # who is responsible there, the agreement does not know


def test_the_office_of_a_linked_copy_is_not_woken():
    where = places(GREFRATH, KEMPEN_TOWN)
    copy = decide(REPORT, recipient=KEMPEN, places=where, urgency=Urgency.IMMEDIATE)
    assert copy.is_linked_copy
    assert copy.linked_copy_to is None
    assert (copy.case_urgency, copy.urgency) == (Urgency.IMMEDIATE, Urgency.TODAY)
    lead = decide(REPORT, places=where, urgency=Urgency.IMMEDIATE)
    assert (lead.case_urgency, lead.urgency) == (Urgency.IMMEDIATE, Urgency.IMMEDIATE)


def test_a_clause_that_is_always_immediate_sets_a_linked_copy_no_deadline():
    always = {"default": "immediate", "least": "immediate"}
    changes = {
        "haeusliche-gewalt": {"urgency": always},
        "alkohol-und-drogen": {
            "urgency": always,
            "deadlines": {"immediate": {"minutes": 15}},
            "linked_copy": False,
        },
    }
    clauses = json.loads(document_bytes())["clauses"]
    held = standing(clauses=[one | changes.get(one["id"], {}) for one in clauses])
    grounds = (Ground.DOMESTIC_VIOLENCE, Ground.ALCOHOL_EXCESS)
    where = places(GREFRATH, KEMPEN_TOWN)
    copy = decide(REPORT, held, recipient=KEMPEN, places=where, grounds=grounds)
    assert copy.clauses == ("haeusliche-gewalt", "alkohol-und-drogen")
    assert copy.ack_by == datetime(2026, 11, 23, 15, 0, tzinfo=UTC)  # today's, of the leading one


def test_no_linked_copy_where_the_clause_wants_none():
    held = with_clause("haeusliche-gewalt", linked_copy=False)
    where = places(GREFRATH, KEMPEN_TOWN)
    assert decide(REPORT, held, places=where).linked_copy_to is None
    assert refused(REPORT, held, recipient=KEMPEN, places=where).rule is Rule.NOT_RESPONSIBLE


def test_nobody_sends_himself_a_linked_copy():
    held = with_clause("weitergabe", linked_copy=True)
    where = places(GREFRATH, KEMPEN_TOWN)
    assert decide(HAND_ON, held, places=where).linked_copy_to is None
    routed = policy.route(
        [held], sender=KREIS, kind=HAND_ON.type, grounds=HAND_ON.grounds, places=where
    )
    assert (routed.lead, routed.linked_copy) == (KEMPEN, None)


def test_a_clause_may_let_the_residence_lead():
    where = places(GREFRATH, KEMPEN_TOWN)
    permit = decide(HAND_ON, places=where)
    assert (permit.clause, permit.linked_copy_to) == ("weitergabe", None)
    wrong = refused(HAND_ON, recipient=AgencyId("jugendamt-willich"), places=where)
    assert wrong.responsible == KEMPEN


def test_a_youth_office_asks_the_police_of_the_place():
    permit = decide(CALL_FOR_HELP, places=places(GREFRATH))
    assert permit.linked_copy_to is None
    routed = policy.route(
        [HELD],
        sender=KREIS,
        kind=MessageType.IMMEDIATE_ACTION,
        grounds=(),
        places=places(VIERSEN_TOWN),
    )
    assert routed.lead == POLICE


@pytest.mark.parametrize(
    ("name", "sender", "kind", "place", "rule"),
    [
        ("kreis-viersen", KREIS, MessageType.NOTIFICATION, GREFRATH, Rule.SAME_AGENCY),
        ("kreis-viersen", KREIS, MessageType.INQUIRY, KEMPEN_TOWN, Rule.AMBIGUOUS),
        ("kreis-viersen", STRANGER, MessageType.INQUIRY, KEMPEN_TOWN, Rule.SENDER_NOT_PARTY),
        (
            *("rhein-erft-kreis", AgencyId("jugendamt-bedburg"), MessageType.NOTIFICATION),
            *(Ags("05362008"), Rule.AMBIGUOUS),
        ),
    ],
)
def test_a_place_that_names_nobody_for_sure_is_refused(name, sender, kind, place, rule):
    with pytest.raises(NotCovered) as info:
        policy.route(
            [standing(name)],
            sender=sender,
            kind=kind,
            grounds=(Ground.SEXUAL_VIOLENCE,),
            places=places(place),
        )
    assert info.value.rule is rule


def test_places_need_an_agreement_and_a_clause():
    asked = {"sender": POLICE, "kind": MessageType.NOTIFICATION, "places": places(GREFRATH)}
    with pytest.raises(NotCovered) as info:
        policy.route([], grounds=(), **asked)
    assert info.value.rule is Rule.NO_AGREEMENT
    with pytest.raises(NotCovered) as info:
        policy.route([HELD], grounds=(), **asked)
    assert info.value.rule is Rule.GROUND


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


# --- whom to phone ----------------------------------------------------------------------------


def test_a_refusal_names_the_rule_and_whom_to_phone():
    error = refused(REPORT, labels=None)
    assert error.detail == "labels-missing"
    assert error.rule.german == "Die Kennzeichnung nach § 22b PolG NRW fehlt."
    first = error.call[0]
    assert (first.agency, first.name) == (KREIS, "Kreisjugendamt Viersen")
    assert first.role == "Rufbereitschaft Kinderschutz"
    assert first.phone.startswith("030 23125 ")


def test_nobody_is_told_to_phone_themselves():
    assert refused(REPORT, recipient=STRANGER).call == ()
    assert refused(REPORT, recipient=POLICE).call == ()


@pytest.mark.parametrize(
    ("sender", "where", "called"),
    [
        (POLICE, places(KEMPEN_TOWN), [KEMPEN]),
        (POLICE, places(KEMPEN_TOWN, ELSEWHERE), [KEMPEN]),
        (KEMPEN, places(KEMPEN_TOWN), [POLICE]),
        (POLICE, places(ELSEWHERE), []),
        (STRANGER, places(KEMPEN_TOWN), []),
    ],
)
def test_where_no_clause_covers_the_type_the_office_of_the_place_is_named(sender, where, called):
    bare = replace(HELD, document=HELD.document.model_copy(update={"clauses": ()}))
    with pytest.raises(NotCovered) as info:
        policy.route([bare], sender=sender, kind=REPORT.type, grounds=(), places=where)
    assert info.value.rule is (Rule.SENDER_NOT_PARTY if sender == STRANGER else Rule.TYPE)
    assert list(dict.fromkeys(each.agency for each in info.value.call)) == called


def test_every_rule_has_a_german_sentence():
    for rule in Rule:
        assert rule.german.endswith(".")


def test_an_agency_knows_whom_it_may_tell_what():
    told = {clause.id: partners for clause, partners in policy.may_tell(HELD, POLICE)}
    assert set(told) == {
        *("haeusliche-gewalt", "alkohol-und-drogen", "sexualisierte-gewalt", "vernachlaessigung"),
        *("sofort-jugendamt", "antwort-polizei", "anfrage-polizei", "berichtigung-polizei"),
    }
    assert POLICE not in told["haeusliche-gewalt"]
    assert len(told["haeusliche-gewalt"]) == 5
    of_office = dict(policy.may_tell(HELD, KREIS))
    everybody = next(v for c, v in of_office.items() if c.id == "berichtigung-jugendamt")
    assert POLICE in everybody
    assert KEMPEN in everybody
    assert KREIS not in everybody
    assert policy.may_tell(HELD, STRANGER) == ()


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
