"""Intake reads an order strictly: what is wrong, unknown or not covered is refused, with where."""

import pytest

from meldeweg.gateway.api.shapes import Answer
from meldeweg.gateway.store import sent
from meldeweg.kernel import event, topics
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import new_message_id
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import Reads
from unit.gateway.sending import KEY, LABELS, Sender, is_refused, order
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE


async def test_a_wrong_content_is_refused_with_pointers_and_without_values(police):
    content = dict(examples.NOTIFICATION) | {"grounds": ["geheimer-wert"], "Erika": 1}
    refused = await is_refused(police, order(content=content), "schema-violated")
    found = {(error.pointer, error.code) for error in refused.errors}
    assert ("/content/grounds/0", "not-in-list") in found
    assert "geheim" not in repr(refused.errors)
    assert "Erika" not in repr(refused.errors)
    assert refused.__context__ is None or "geheim" not in repr(refused.__context__)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"acting_person": None}, "/acting_person"),
        ({"acting_person": ""}, "/acting_person"),
        ({"acting_person": " "}, "/acting_person"),
        ({"urgency": "sofort"}, "/urgency"),
        ({"thread": "nicht erlaubt!"}, "/thread"),
        ({"addressee": "zwei\nZeilen"}, "/addressee"),
        ({"override": "   "}, "/override"),
        ({"override": "\u200b"}, "/override"),
        ({"in_reply_to": "4711"}, "/in_reply_to"),
        ({"addressee": "\u200b"}, "/addressee"),
        ({"labels": {"means": "offen"}}, "/labels"),
        ({"labels": LABELS | {"means": "\u200b", "offence": "-"}}, "/labels/means"),
        ({"labels": LABELS | {"means": "\u200b", "offence": "-"}}, "/labels/offence"),
        ({"exercise": "yes"}, "/exercise"),
        ({"content": []}, "/content"),
    ],
)
async def test_a_wrong_order_is_refused_with_where(police, changes, pointer):
    refused = await is_refused(police, order(**changes), "schema-violated")
    assert any(error.pointer.startswith(pointer) for error in refused.errors)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"type":1,"type":2}', b"\xff", b'{"a":NaN}']
)
async def test_what_is_no_json_object_is_refused(police, body):
    with pytest.raises(Refused) as refused:
        await police.intake.accept(body, KEY)
    assert refused.value.code in ("json-malformed", "schema-violated")


async def test_an_unknown_type_is_refused(police):
    await is_refused(police, order(type="gossip"), "type-unknown")


async def test_a_type_that_the_recipient_does_not_read_is_refused(store, world):
    office = world.offices[KREIS]
    reads = Reads(v=1, agency=KREIS, types={"notification": (99,)}, at=NOW)
    register = world.register((topics.keys(KREIS), issue.signed(reads, office.signing)))
    refused = await is_refused(Sender(store, world, register=register), order(), "type-unread")
    assert refused.call.agency == KREIS


async def test_what_no_clause_covers_is_refused_with_the_rule(police):
    refused = await is_refused(police, order(labels=None), "not-covered")
    assert refused.rule == "labels-missing"
    assert refused.call is not None


async def test_an_override_is_sent_and_told_as_an_event(police, world):
    body = order(labels=None, urgency="immediate", override="Gefahr für Leib und Leben")
    answer = Answer.read((await police.intake.accept(body, KEY)).answer, "x")
    assert [warning.code for warning in answer.warnings] == ["override-used"]
    told = [
        event.parse(dict(row.headers)["statement"]).body
        for row in police.rows()
        if row.topic == topics.events(POLICE)
    ]
    (overridden,) = told
    assert overridden.kind is EventKind.OVERRIDDEN
    row = police.store.peek(lambda db: sent.by_id(db, answer.id))
    assert (overridden.message, overridden.actor_ref) == (row.digest, row.actor_ref)


async def test_a_reference_must_be_known_and_with_the_same_partner(police):
    unknown = new_message_id()
    await is_refused(
        police,
        order(type="correction", content=examples.CORRECTION, in_reply_to=unknown),
        "in-reply-to-unknown",
    )
    first = await police.intake.accept(order(), "key-0001")
    correction = {"type": "correction", "content": examples.CORRECTION, "in_reply_to": first.id}
    await is_refused(police, order(**correction, to={"agency": NETTETAL}), "in-reply-to-unknown")
    accepted = await police.intake.accept(order(**correction, to={"agency": KREIS}), "key-0002")
    row = police.store.peek(lambda db: sent.by_id(db, accepted.id))
    assert row.in_reply_to == first.id


async def test_an_exercise_neither_corrects_nor_takes_back_what_is_real(police):
    real = await police.intake.accept(order(), "key-0001")
    practised = await police.intake.accept(order(exercise=True), "key-0002")
    kinds = (("correction", examples.CORRECTION), ("retraction", examples.RETRACTION))
    for first, exercise in ((real, True), (practised, False)):
        for kind, content in kinds:
            amend = {"type": kind, "content": content, "in_reply_to": first.id}
            body = order(**amend, to={"agency": KREIS}, exercise=exercise)
            refusal = await is_refused(police, body, "not-covered", "key-0003")
            assert refusal.rule == "reference-not-fitting"
