"""Intake finds who gets a message, and says whom to phone where nobody does."""

import copy
from dataclasses import replace
from datetime import timedelta

import pytest

from meldeweg.gateway import drafting
from meldeweg.gateway import order as orders
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.api.shapes import Answer
from meldeweg.kernel import topics
from meldeweg.kernel.agreement import standing
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import Ags
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyKind, AgencyStatus, Enrolment, KeyUse
from unit.gateway.sending import KEY, Sender, is_refused, order
from unit.gateway.world import GREFRATH, KREIS, NETTETAL, NOW, POLICE

ELSEWHERE = "05162004"  # no municipality of the district


@pytest.mark.parametrize(
    ("to", "recipient"),
    [
        ({"place": "05166008"}, KREIS),
        ({"place": "Grefrath"}, KREIS),
        ({"place": "grefrath "}, KREIS),
        ({"place": "Nettetal"}, NETTETAL),
        ({"residence": "05166016"}, NETTETAL),
        ({"agency": NETTETAL}, NETTETAL),
    ],
)
async def test_the_responsible_office_gets_it(police, to, recipient):
    accepted = await police.intake.accept(order(to=to), KEY)
    assert Answer.read(accepted.answer, "x").recipient == recipient


async def test_an_officers_key_that_nobody_renewed_is_a_warning(store, world):
    ended = NOW + issue.KEY_LIFE + timedelta(days=1)
    register = world.register()
    for agency in (POLICE, KREIS):
        for use in (KeyUse.SIGN, KeyUse.SEAL):
            register.apply(*renewed(world, agency, use, ended - timedelta(days=1)))
    assert register.key_for(KREIS, KeyUse.OVERSIGHT, ended)
    with pytest.raises(Unavailable, match="no-key"):
        register.newest(KREIS, KeyUse.OVERSIGHT, ended)
    body = orders.read(order())
    decision = drafting.draft(
        register, POLICE, standing(register.agreements(), NOW), body, None, None, ended, stale=False
    )
    assert "oversight-key-ended" in [each.code for each in decision.warnings]


def renewed(world, agency, use, at):
    key = SigningKey.generate() if use is KeyUse.SIGN else OpenKey.generate()
    identity = world.offices[agency].identity
    return topics.keys(agency), issue.certify(identity, agency, key.public, use, at)


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ({"agency": "jugendamt-anderswo"}, "agency-unknown"),
        ({"agency": POLICE}, "recipient-is-sender"),
        ({"place": "Anderswo"}, "place-unknown"),
        ({}, "schema-violated"),
        ({"agency": KREIS, "place": GREFRATH}, "schema-violated"),
        ({"place": ""}, "schema-violated"),
    ],
)
async def test_a_recipient_that_is_none_is_refused(police, to, code):
    await is_refused(police, order(to=to), code)


@pytest.mark.parametrize("to", [{}, {"agency": KREIS, "place": GREFRATH}])
async def test_a_recipient_is_named_in_one_way(police, to):
    refused = await is_refused(police, order(to=to), "schema-violated")
    assert [(error.pointer, error.code) for error in refused.errors] == [("/to", "one-of")]


async def test_a_place_outside_the_district_is_refused_with_the_rule_and_whom_to_phone(police):
    refused = await is_refused(police, order(to={"place": "05362004"}), "not-covered")
    assert isinstance(refused, Rejected)
    assert refused.rule == "outside-district"
    assert (refused.call.agency, refused.call.phone) == (None, None)  # not the police themselves
    assert refused.call.office == "Jugendamt am Ort"
    assert "Stadt- oder Kreisverwaltung des Ortes" in refused.call.note


async def test_a_place_that_no_agreement_names_is_refused_with_whom_to_phone(police):
    refused = await is_refused(police, order(to={"place": "Anderswo"}), "place-unknown")
    assert refused.call.office == "Jugendamt am Ort"
    assert "Stadt- oder Kreisverwaltung des Ortes" in refused.call.note


async def test_a_youth_office_is_told_the_emergency_number_for_a_place_nobody_here_knows(
    store, world
):
    kreis = Sender(store, world, me=KREIS)
    body = order(type="inquiry", to={"place": "05362004"}, content=examples.INQUIRY)
    refused = await is_refused(kreis, body, "not-covered")
    assert (refused.call.agency, refused.call.phone) == (None, "110")
    assert refused.call.note.startswith("Bei Gefahr.")


async def test_who_is_responsible_itself_is_sent_to_nobody(store, world):
    kreis = Sender(store, world, me=KREIS)
    refused = await is_refused(kreis, order(), "not-covered")
    assert (refused.rule, refused.call) == ("same-agency", None)


async def test_an_agreement_and_an_enrolment_that_disagree_stop_the_message(store, world):
    office = world.offices[NETTETAL]
    stolen = Enrolment(
        v=1,
        agency=NETTETAL,
        name="Jugendamt Nettetal",
        kind=AgencyKind.YOUTH_OFFICE,
        municipalities=(Ags("05166016"), Ags(GREFRATH)),
        identity=office.identity.public_jwk(),
        principal=f"gw-{NETTETAL}",
        at=NOW,
    )
    register = world.register((topics.REGISTRY_AGENCIES, issue.signed(stolen, world.anchor)))
    police = Sender(store, world, register=register)
    refused = await is_refused(police, order(), "responsibility-contradicts")
    assert refused.call.agency == KREIS
    accepted = await police.intake.accept(order(to={"agency": KREIS}), KEY)
    assert Answer.read(accepted.answer, "x").recipient == KREIS


async def test_a_suspended_recipient_is_a_warning_and_the_message_waits(store, world):
    status = issue.change_status(
        world.anchor, KREIS, AgencyStatus.SUSPENDED, 1, "Probe", NOW - timedelta(hours=1)
    )
    register = world.register((topics.REGISTRY_AGENCIES, status))
    police = Sender(store, world, register=register)
    answer = Answer.read((await police.intake.accept(order(), KEY)).answer, "x")
    assert [warning.code for warning in answer.warnings] == ["recipient-suspended"]
    assert police.rows()[0].topic in police.trust.held()


async def test_a_revoked_recipient_is_refused(store, world):
    status = issue.change_status(
        world.anchor, KREIS, AgencyStatus.REVOKED, 1, "Probe", NOW - timedelta(hours=1)
    )
    register = world.register((topics.REGISTRY_AGENCIES, status))
    await is_refused(Sender(store, world, register=register), order(), "agency-revoked")


async def test_a_revoked_agency_sends_nothing_more(store, world):
    status = issue.change_status(
        world.anchor, POLICE, AgencyStatus.REVOKED, 1, "Probe", NOW - timedelta(hours=1)
    )
    register = world.register((topics.REGISTRY_AGENCIES, status))
    await is_refused(Sender(store, world, register=register), order(), "sender-revoked")


async def test_a_place_outside_is_a_warning_where_the_other_lies_inside(police):
    body = order(to={"place": GREFRATH, "residence": ELSEWHERE})
    answer = Answer.read((await police.intake.accept(body, KEY)).answer, "x")
    assert (answer.recipient, answer.linked) == (KREIS, ())
    assert [each.code for each in answer.warnings] == ["place-outside"]


@pytest.mark.parametrize(
    ("to", "happened", "home", "warned"),
    [
        ({"agency": NETTETAL}, GREFRATH, None, KREIS),
        ({"agency": NETTETAL}, GREFRATH, GREFRATH, KREIS),
        ({"agency": NETTETAL}, None, GREFRATH, KREIS),
        ({"agency": NETTETAL}, GREFRATH, "05166016", None),  # the child lives there
        ({"agency": NETTETAL}, ELSEWHERE, None, None),  # nobody here knows better
        ({"agency": NETTETAL}, None, None, None),
        ({"agency": KREIS}, GREFRATH, None, None),
        ({"place": "Nettetal"}, GREFRATH, None, None),  # the register said who
    ],
)
async def test_an_office_that_none_of_the_places_belongs_to_is_asked_about(
    police, to, happened, home, warned
):
    content = copy.deepcopy(examples.NOTIFICATION)
    content["incident"]["place"] = {"text": "Beispielweg"} | _in(happened)
    content["children"] = [{}, {"address": {"text": "Musterweg"} | _in(home)}]
    accepted = await police.intake.accept(order(to=to, content=content), KEY)
    warnings = Answer.read(accepted.answer, "x").warnings
    assert [each.code for each in warnings] == ["responsible-is-another"] * bool(warned)
    assert all(str(warned) in each.text for each in warnings)


def _in(municipality):
    return {"municipality": municipality} if municipality else {}


def test_a_name_that_two_municipalities_have_is_refused(world):
    known = standing(world.register().agreements(), NOW)
    twin = next(each for each in known if POLICE in {one.agency for one in each.document.parties})
    names = {"05362999": twin.document.municipalities[GREFRATH], "05362998": "Anderswo"}
    other = replace(twin, document=twin.document.model_copy(update={"municipalities": names}))
    named = orders.read(order(to={"place": names["05362999"]}))
    with pytest.raises(Refused, match="place-ambiguous"):
        drafting.draft(world.register(), POLICE, [twin, other], named, None, None, NOW, stale=False)
    by_key = orders.read(order(to={"place": GREFRATH}))
    found = drafting.draft(
        world.register(), POLICE, [twin, other], by_key, None, None, NOW, stale=False
    )
    assert found.draft.recipient.agency == KREIS
