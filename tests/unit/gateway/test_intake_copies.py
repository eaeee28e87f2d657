"""Linked copies: a second office gets one in the same commit, and all that follows it."""

import pytest

from meldeweg.gateway.api.shapes import Answer
from meldeweg.gateway.store import sent
from meldeweg.kernel import topics
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.statement import Urgency
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyStatus
from unit.gateway.sending import KEY, Sender, order, payload_of
from unit.gateway.world import GREFRATH, KREIS, NETTETAL, NOW


async def test_two_places_give_a_linked_copy_in_the_same_commit(police):
    body = order(to={"place": GREFRATH, "residence": "Nettetal"})
    answer = Answer.read((await police.intake.accept(body, KEY)).answer, "x")
    (copy,) = answer.linked
    assert {answer.recipient, copy.recipient} == {KREIS, NETTETAL}
    assert len(police.rows()) == 2
    row = police.store.peek(lambda db: sent.by_id(db, copy.id))
    assert (row.linked_to, row.kennzeichen) == (answer.id, copy.kennzeichen)
    assert row.urgency is not Urgency.IMMEDIATE
    assert [step.recipient for step in (await police.intake.check(body)).linked] == [copy.recipient]


@pytest.mark.parametrize("kind", ["correction", "retraction"])
async def test_what_amends_a_message_goes_to_who_has_its_copy_too(police, kind):
    body = order(to={"place": GREFRATH, "residence": "Nettetal"})
    first = Answer.read((await police.intake.accept(body, KEY)).answer, "x")
    content = examples.CORRECTION if kind == "correction" else examples.RETRACTION
    amend = {"type": kind, "content": content, "to": {"agency": KREIS}}
    body = order(**amend, in_reply_to=first.id)
    preview = await police.intake.check(body)
    assert [each.recipient for each in preview.linked] == [NETTETAL]
    answer = Answer.read((await police.intake.accept(body, "key-0002")).answer, "x")
    rows = [
        police.store.peek(lambda db, message=message: sent.by_id(db, message))
        for message in (answer.id, answer.linked[0].id)
    ]
    assert [(row.recipient, row.in_reply_to) for row in rows] == [
        (KREIS, first.id),
        (NETTETAL, first.linked[0].id),  # the copy's own id: the office knows no other
    ]
    assert rows[1].linked_to == answer.id
    only = order(**amend | {"to": {"agency": NETTETAL}}, in_reply_to=first.linked[0].id)
    answer = Answer.read((await police.intake.accept(only, "key-0003")).answer, "x")
    assert (answer.recipient, answer.linked) == (NETTETAL, ())


async def test_what_follows_a_message_has_its_copy_too_and_refers_to_what_its_office_has(police):
    places = {"place": GREFRATH, "residence": "Nettetal"}
    first = Answer.read((await police.intake.accept(order(to=places), KEY)).answer, "x")
    body = order(to=places, in_reply_to=first.id)
    next_ = Answer.read((await police.intake.accept(body, "key-0002")).answer, "x")
    assert (next_.linked[0].recipient, next_.warnings) == (NETTETAL, ())
    alone = Answer.read((await police.intake.accept(order(), "key-0003")).answer, "x")
    body = order(to=places, in_reply_to=alone.id)
    other = Answer.read((await police.intake.accept(body, "key-0004")).answer, "x")
    copies = [next_.linked[0].id, other.linked[0].id]
    rows = [police.store.peek(lambda db, mid=each: sent.by_id(db, mid)) for each in copies]
    assert [row.in_reply_to for row in rows] == [first.linked[0].id, None]


async def test_a_copy_of_a_correction_wakes_nobody(police):
    body = order(to={"place": GREFRATH, "residence": "Nettetal"})
    first = Answer.read((await police.intake.accept(body, KEY)).answer, "x")
    amend = {"type": "correction", "content": examples.CORRECTION, "to": {"agency": KREIS}}
    body = order(**amend, in_reply_to=first.id, urgency="immediate")
    answer = Answer.read((await police.intake.accept(body, "key-0002")).answer, "x")
    ids = [answer.id, answer.linked[0].id]
    rows = [police.store.peek(lambda db, mid=each: sent.by_id(db, mid)) for each in ids]
    assert [row.urgency for row in rows] == [Urgency.IMMEDIATE, Urgency.TODAY]


async def test_who_sends_is_told_that_the_copy_waits_at_a_suspended_office(store, world):
    police = Sender(store, world)
    status = issue.change_status(world.anchor, NETTETAL, AgencyStatus.SUSPENDED, 1, "Übung", NOW)
    police.register.apply(topics.REGISTRY_AGENCIES, status)
    body = order(to={"place": GREFRATH, "residence": "Nettetal"})
    answer = Answer.read((await police.intake.accept(body, KEY)).answer, "x")
    assert [copy.recipient for copy in answer.linked] == [NETTETAL]
    (warning,) = answer.warnings
    assert (warning.code, NETTETAL in warning.text) == ("recipient-suspended", True)


async def test_who_has_a_copy_and_can_not_be_told_is_to_be_phoned(store, world):
    police = Sender(store, world)
    body = order(to={"place": GREFRATH, "residence": "Nettetal"})
    first = Answer.read((await police.intake.accept(body, KEY)).answer, "x")
    seal = world.offices[NETTETAL].seal.kid
    revoked = issue.revoke_key(world.offices[NETTETAL].identity, NETTETAL, seal, "Verlust", NOW)
    police.register.apply(topics.keys(NETTETAL), revoked)
    retract = {"type": "retraction", "content": examples.RETRACTION, "to": {"agency": KREIS}}
    body = order(**retract, in_reply_to=first.id)
    answer = Answer.read((await police.intake.accept(body, "key-0002")).answer, "x")
    assert (answer.recipient, answer.linked) == (KREIS, ())
    (warning,) = answer.warnings
    assert (warning.code, NETTETAL in warning.text) == ("linked-copy-impossible", True)


@pytest.mark.parametrize("use", ["seal", "oversight"])
async def test_the_lead_does_not_wait_for_the_keys_of_who_gets_a_copy(store, world, use):
    kid = getattr(world.offices[NETTETAL], use).kid.encode()
    gone = tuple(
        value
        for topic, value in world.records
        if topic == topics.keys(NETTETAL) and kid in payload_of(value)
    )
    assert gone
    police = Sender(store, world, register=world.register(without=gone))
    body = order(to={"place": GREFRATH, "residence": "Nettetal"})
    answer = Answer.read((await police.intake.accept(body, KEY)).answer, "x")
    assert (answer.recipient, answer.linked) == (KREIS, ())
    assert [each.code for each in answer.warnings] == ["linked-copy-impossible"]
    assert len(police.rows()) == 1
