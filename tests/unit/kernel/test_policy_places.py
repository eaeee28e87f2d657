"""When and where: urgency, deadlines, who is responsible, whom to phone."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from districts import document_bytes, standing
from meldeweg.kernel import policy
from meldeweg.kernel.ids import AgencyId, Ags
from meldeweg.kernel.policy import NotCovered, Rule
from meldeweg.kernel.schemas.vocabulary import Ground, MessageType
from meldeweg.kernel.statement import Urgency
from unit.kernel.policing import (
    CALL_FOR_HELP,
    ELSEWHERE,
    GREFRATH,
    HAND_ON,
    HELD,
    KEMPEN,
    KEMPEN_TOWN,
    KREIS,
    MONDAY,
    POLICE,
    REPORT,
    STRANGER,
    URGENT,
    VIERSEN_TOWN,
    decide,
    places,
    refused,
    with_clause,
)

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
