"""Intake: 201 means durable, a repeat gets the same answer, a refusal keeps nothing."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meldeweg.envelope import addressed_to, open_sealed
from meldeweg.gateway import drafting
from meldeweg.gateway import order as orders
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.api.shapes import Answer
from meldeweg.gateway.opening import parts
from meldeweg.gateway.settings import OutboxSettings
from meldeweg.gateway.states import SentState
from meldeweg.gateway.store import sent
from meldeweg.kernel import event, failpoints, logs, signing, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.agreement import standing
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import Ags, Digest, Kennzeichen, new_message_id
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.record import RecordBody
from meldeweg.kernel.statement import Urgency
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyKind, AgencyStatus, Enrolment, KeyUse, Reads
from unit.gateway.sending import LABELS, Sender, order
from unit.gateway.world import GREFRATH, KREIS, NETTETAL, NOW, POLICE, World

ELSEWHERE = "05162004"  # no municipality of the district

KEY = "0b8f9d2c-1"
NOTHING = {"sent": 0, "outbox": 0, "idempotency": 0, "sent_seq": 0}


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture
async def police(store, world):
    return Sender(store, world)


async def _refused(sender, body, code, key=KEY):
    """`body` is refused with `code`, with and without a dry run, and nothing is kept."""
    before = sender.counts()
    with pytest.raises(Refused) as check:
        await sender.intake.check(body)
    with pytest.raises(Refused) as refused:
        await sender.intake.accept(body, key)
    assert check.value.code == refused.value.code == code
    assert sender.counts() == before
    return refused.value


# --- what 201 promises ----------------------------------------------------------------------------


async def test_an_accepted_message_is_in_the_outbox_sealed_and_signed(police, world):
    accepted = await police.intake.accept(order(), KEY)
    answer = Answer.read(accepted.answer, "x")
    (row,) = police.rows()
    statement = statements.parse(dict(row.headers)["statement"])
    context = statement.context
    signing.verify(statement.jws, world.offices[POLICE].signing.public)
    statements.check_value(statement, row.value)
    statements.check_headers(statement, row.headers)
    assert row.topic == topics.inbox(KREIS, POLICE)
    assert row.key.decode() == context.id == accepted.id == answer.id
    assert (context.sender, context.to, answer.recipient) == (POLICE, KREIS, KREIS)
    assert context.created == answer.created == NOW
    assert (context.urgency, context.ack_by) == (answer.urgency, answer.ack_by)
    assert context.delete_after.endswith("-01")
    assert answer.kennzeichen == Kennzeichen.of(accepted.id)
    assert answer.state is SentState.QUEUED
    assert (context.seq.n, context.record_sha256 is None) == (1, False)
    assert police.woken == 1


async def test_the_recipient_opens_the_content_and_the_record_that_was_committed_to(police, world):
    await police.intake.accept(order(thread="V-12", addressee="Bereitschaft"), KEY)
    (row,) = police.rows()
    statement = statements.parse(dict(row.headers)["statement"])
    content, record = parts(row.value)
    office = world.offices[KREIS]
    plaintext = json.loads(open_sealed(content, office.seal, statement.aad))
    why = open_sealed(record, office.oversight, statement.aad)
    assert plaintext["payload"] == examples.NOTIFICATION
    assert plaintext["attachments"] == []
    assert plaintext["record"].encode() == why
    assert Digest.of(why) == statement.context.record_sha256
    assert why == open_sealed(record, world.offices[POLICE].oversight, statement.aad)
    assert addressed_to(content, statement.aad) == (office.seal.kid,)
    body = RecordBody.read(why, "x")
    assert (body.thread, body.addressee) == ("V-12", "Bereitschaft")
    assert body.labels.model_dump() == LABELS
    assert body.places.place == GREFRATH


async def test_nothing_readable_of_the_message_is_in_the_store(police):
    content = dict(examples.NOTIFICATION)
    marker = "MARKER-Erika-Beispiel"
    content["facts"] = [{**content["facts"][0], "what": marker}]
    body = order(content=content, thread="MARKER-thread", acting_person="MARKER-person")
    await police.intake.accept(body, "MARKER-key-1")
    await police.store.stop()
    data = b"".join(
        path.read_bytes() for path in police.store.directory.iterdir() if path.is_file()
    )
    assert b"MARKER" not in data
    assert b"inbox.jugendamt-kreis-viersen.polizei-viersen" in data  # it is the right file


async def test_the_same_key_and_body_get_the_same_answer_and_one_message(police):
    first = await police.intake.accept(order(), KEY)
    again = await police.intake.accept(order(), KEY)
    assert (again.id, again.answer, again.again) == (first.id, first.answer, True)
    assert len(police.rows()) == 1


async def test_the_same_key_with_another_body_is_refused(police):
    await police.intake.accept(order(), KEY)
    with pytest.raises(Refused) as refused:
        await police.intake.accept(order(exercise=True), KEY)
    assert refused.value.code == "idempotency-key-reused"
    assert len(police.rows()) == 1


async def test_two_at_once_with_one_key_get_one_message(police):
    answers = await asyncio.gather(*(police.intake.accept(order(), KEY) for _ in range(20)))
    assert len({each.answer for each in answers}) == 1
    assert sum(not each.again for each in answers) == 1
    assert len(police.rows()) == 1


async def test_a_caller_who_goes_away_does_not_free_the_key_too_early(police):
    first = asyncio.create_task(police.intake.accept(order(), KEY))
    await asyncio.sleep(0)
    first.cancel()
    again = await police.intake.accept(order(), KEY)
    assert len(police.rows()) == 1
    assert again.id == police.rows()[0].key.decode()


async def test_failed_and_not_persisted_keeps_nothing_and_the_key_is_free(police):
    logs.configure(service="test", strict=True)  # a field that is refused would end the writer
    failpoints.arm("store.before_commit=error@1")
    with pytest.raises(Unavailable) as failed:
        await police.intake.accept(order(), KEY)
    assert failed.value.code == "store-full"
    assert police.counts() == NOTHING
    accepted = await police.intake.accept(order(), KEY)
    assert not accepted.again


async def test_failed_but_persisted_gives_the_same_key_the_same_message(police):
    failpoints.arm("store.after_commit=error@1")
    with pytest.raises(Unavailable):
        await police.intake.accept(order(), KEY)
    again = await police.intake.accept(order(), KEY)
    assert again.again
    (row,) = police.rows()
    assert again.id == row.key.decode()


async def test_after_a_failed_commit_numbers_begin_anew_without_a_gap(police):
    await police.intake.accept(order(), "key-0000")
    failpoints.arm("store.before_commit=error@1")
    failed = await asyncio.gather(
        *(police.intake.accept(order(), f"key-1{n}") for n in range(3)), return_exceptions=True
    )
    failpoints.arm("")
    assert any(isinstance(each, Unavailable) for each in failed)
    for n in range(3):
        await police.intake.accept(order(), f"key-2{n}")
    numbers = {}
    for row in police.rows():
        seq = statements.parse(dict(row.headers)["statement"]).context.seq
        numbers.setdefault(seq.outbox, []).append(seq.n)
    assert all(each == list(range(1, len(each) + 1)) for each in numbers.values())


async def test_many_at_once_stand_in_the_order_of_their_numbers_and_share_commits(police):
    failpoints.arm("store.before_commit=sleep:0.2")  # a disk that is slower than any machine
    before = police.store.writer.commits
    await asyncio.gather(*(police.intake.accept(order(), f"key-{n:04}") for n in range(60)))
    numbers = [
        statements.parse(dict(row.headers)["statement"]).context.seq.n for row in police.rows()
    ]
    assert numbers == list(range(1, 61))
    assert police.store.writer.commits - before < 15


async def test_a_dry_run_says_what_would_happen_and_keeps_nothing(police):
    preview = await police.intake.check(order())
    assert police.counts() == NOTHING
    accepted = Answer.read((await police.intake.accept(order(), KEY)).answer, "x")
    assert (preview.recipient, preview.clause, preview.legal_basis, preview.ack_by) == (
        accepted.recipient,
        accepted.clause,
        accepted.legal_basis,
        accepted.ack_by,
    )
    assert not preview.warnings


async def test_a_dry_run_fails_where_the_call_would_for_want_of_our_own_key(police, monkeypatch):
    def without(_):
        raise Unavailable("no-signing-key", "")

    monkeypatch.setattr(type(police.intake._desk), "signer", without)
    for attempt in (police.intake.check, lambda body: police.intake.accept(body, KEY)):
        with pytest.raises(Unavailable, match="no-signing-key"):
            await attempt(order())
    assert police.counts() == NOTHING


# --- who gets it ----------------------------------------------------------------------------------


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
        if topic == topics.keys(NETTETAL) and kid in _payload(value)
    )
    assert gone
    police = Sender(store, world, register=world.register(without=gone))
    body = order(to={"place": GREFRATH, "residence": "Nettetal"})
    answer = Answer.read((await police.intake.accept(body, KEY)).answer, "x")
    assert (answer.recipient, answer.linked) == (KREIS, ())
    assert [each.code for each in answer.warnings] == ["linked-copy-impossible"]
    assert len(police.rows()) == 1


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
    await _refused(police, order(to=to), code)


@pytest.mark.parametrize("to", [{}, {"agency": KREIS, "place": GREFRATH}])
async def test_a_recipient_is_named_in_one_way(police, to):
    refused = await _refused(police, order(to=to), "schema-violated")
    assert [(error.pointer, error.code) for error in refused.errors] == [("/to", "one-of")]


async def test_a_place_outside_the_district_is_refused_with_the_rule_and_whom_to_phone(police):
    refused = await _refused(police, order(to={"place": "05362004"}), "not-covered")
    assert isinstance(refused, Rejected)
    assert refused.rule == "outside-district"
    assert (refused.call.agency, refused.call.phone) == (None, None)  # not the police themselves
    assert refused.call.office == "Jugendamt am Ort"
    assert "Stadt- oder Kreisverwaltung des Ortes" in refused.call.note


async def test_a_place_that_no_agreement_names_is_refused_with_whom_to_phone(police):
    refused = await _refused(police, order(to={"place": "Anderswo"}), "place-unknown")
    assert refused.call.office == "Jugendamt am Ort"
    assert "Stadt- oder Kreisverwaltung des Ortes" in refused.call.note


async def test_a_youth_office_is_told_the_emergency_number_for_a_place_nobody_here_knows(
    store, world
):
    kreis = Sender(store, world, me=KREIS)
    body = order(type="inquiry", to={"place": "05362004"}, content=examples.INQUIRY)
    refused = await _refused(kreis, body, "not-covered")
    assert (refused.call.agency, refused.call.phone) == (None, "110")
    assert refused.call.note.startswith("Bei Gefahr.")


async def test_who_is_responsible_itself_is_sent_to_nobody(store, world):
    kreis = Sender(store, world, me=KREIS)
    refused = await _refused(kreis, order(), "not-covered")
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
    refused = await _refused(police, order(), "responsibility-contradicts")
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
    await _refused(Sender(store, world, register=register), order(), "agency-revoked")


async def test_a_revoked_agency_sends_nothing_more(store, world):
    status = issue.change_status(
        world.anchor, POLICE, AgencyStatus.REVOKED, 1, "Probe", NOW - timedelta(hours=1)
    )
    register = world.register((topics.REGISTRY_AGENCIES, status))
    await _refused(Sender(store, world, register=register), order(), "sender-revoked")


# --- what it is -----------------------------------------------------------------------------------


async def test_a_wrong_content_is_refused_with_pointers_and_without_values(police):
    content = dict(examples.NOTIFICATION) | {"grounds": ["geheimer-wert"], "Erika": 1}
    refused = await _refused(police, order(content=content), "schema-violated")
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
        ({"in_reply_to": "4711"}, "/in_reply_to"),
        ({"labels": {"means": "offen"}}, "/labels"),
        ({"exercise": "yes"}, "/exercise"),
        ({"content": []}, "/content"),
    ],
)
async def test_a_wrong_order_is_refused_with_where(police, changes, pointer):
    refused = await _refused(police, order(**changes), "schema-violated")
    assert any(error.pointer.startswith(pointer) for error in refused.errors)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"type":1,"type":2}', b"\xff", b'{"a":NaN}']
)
async def test_what_is_no_json_object_is_refused(police, body):
    with pytest.raises(Refused) as refused:
        await police.intake.accept(body, KEY)
    assert refused.value.code in ("json-malformed", "schema-violated")


async def test_an_unknown_type_is_refused(police):
    await _refused(police, order(type="gossip"), "type-unknown")


async def test_a_type_that_the_recipient_does_not_read_is_refused(store, world):
    office = world.offices[KREIS]
    reads = Reads(v=1, agency=KREIS, types={"notification": (99,)}, at=NOW)
    register = world.register((topics.keys(KREIS), issue.signed(reads, office.signing)))
    refused = await _refused(Sender(store, world, register=register), order(), "type-unread")
    assert refused.call.agency == KREIS


async def test_what_no_clause_covers_is_refused_with_the_rule(police):
    refused = await _refused(police, order(labels=None), "not-covered")
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
    await _refused(
        police,
        order(type="correction", content=examples.CORRECTION, in_reply_to=unknown),
        "in-reply-to-unknown",
    )
    first = await police.intake.accept(order(), "key-0001")
    correction = {"type": "correction", "content": examples.CORRECTION, "in_reply_to": first.id}
    await _refused(police, order(**correction, to={"agency": NETTETAL}), "in-reply-to-unknown")
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
            refusal = await _refused(police, body, "not-covered", "key-0003")
            assert refusal.rule == "reference-not-fitting"


# --- when it can't be -----------------------------------------------------------------------------


async def test_without_a_key_of_the_recipient_nothing_is_accepted(store, world):
    gone = tuple(
        value
        for topic, value in world.records
        if topic == topics.keys(KREIS) and world.offices[KREIS].seal.kid.encode() in _payload(value)
    )
    assert gone
    police = Sender(store, world, register=world.register(without=gone))
    with pytest.raises(Unavailable) as failed:
        await police.intake.accept(order(), KEY)
    assert failed.value.code == "no-key"
    assert police.counts() == NOTHING


def _payload(token):
    return signing.parse(token, signing.typ_of(token)).payload


async def test_a_contradicting_register_stops_sealing(police):
    police.trust.contradicting = "keys.jugendamt-kreis-viersen"
    with pytest.raises(Unavailable) as failed:
        await police.intake.accept(order(), KEY)
    assert failed.value.code == "register-contradicts"
    assert police.counts() == NOTHING


async def test_a_stale_snapshot_is_a_warning(police):
    police.clock.advance(timedelta(minutes=6))
    answer = Answer.read((await police.intake.accept(order(), KEY)).answer, "x")
    assert [warning.code for warning in answer.warnings] == ["snapshot-stale"]


async def test_a_full_outbox_refuses_and_keeps_nothing(store, world):
    police = Sender(store, world, settings=OutboxSettings(bytes_max=10_000, free_min=0))
    answers = await asyncio.gather(
        *(police.intake.accept(order(), f"key-{n:04}") for n in range(20)), return_exceptions=True
    )
    refused = [each for each in answers if isinstance(each, Unavailable)]
    assert {each.code for each in refused} == {"outbox-full"}
    assert 0 < police.counts()["sent"] == len(answers) - len(refused) < 10


async def test_a_disk_nearly_full_refuses(store, world):
    police = Sender(store, world, settings=OutboxSettings(free_min=0.999999))
    with pytest.raises(Unavailable) as failed:
        await police.intake.accept(order(), KEY)
    assert failed.value.code == "store-full"


async def test_a_kennzeichen_that_is_taken_is_not_given_again(police, monkeypatch):
    first = await police.intake.accept(order(), "key-0001")
    ids = [first.id, first.id, fresh := new_message_id()]
    monkeypatch.setattr("meldeweg.gateway.intake.new_message_id", lambda: ids.pop(0))
    assert (await police.intake.accept(order(), "key-0002")).id == fresh


async def test_two_messages_of_one_commit_have_two_kennzeichen(police, monkeypatch):
    same, fresh = new_message_id(), new_message_id()
    ids = [same, same, fresh]
    monkeypatch.setattr("meldeweg.gateway.intake.new_message_id", lambda: ids.pop(0))
    both = [police.intake.accept(order(), key) for key in ("key-0001", "key-0002")]
    accepted = await asyncio.gather(*both)
    assert [each.id for each in accepted] == [same, fresh]


async def test_a_place_outside_is_a_warning_where_the_other_lies_inside(police):
    body = order(to={"place": GREFRATH, "residence": ELSEWHERE})
    answer = Answer.read((await police.intake.accept(body, KEY)).answer, "x")
    assert (answer.recipient, answer.linked) == (KREIS, ())
    assert [each.code for each in answer.warnings] == ["place-outside"]


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


async def test_the_newest_signing_and_sealing_keys_are_used(store, world):
    from meldeweg.kernel.jwk import OpenKey

    newer = OpenKey.generate()
    register = world.register(world.certificate(KREIS, newer.public, KeyUse.SEAL, at=NOW))
    police = Sender(store, world, register=register)
    await police.intake.accept(order(), KEY)
    (row,) = police.rows()
    content, _ = parts(row.value)
    aad = statements.parse(dict(row.headers)["statement"]).aad
    assert addressed_to(content, aad) == (newer.kid,)
    assert row.open_until == datetime(2027, 6, 1, tzinfo=UTC)  # its `delete_after`


async def test_what_a_key_opens_no_more_ends_with_the_key(store, world):
    from meldeweg.kernel.jwk import OpenKey

    life = timedelta(days=10)
    newest = world.certificate(KREIS, OpenKey.generate().public, KeyUse.SEAL, NOW, life)
    police = Sender(store, world, register=world.register(newest))
    await police.intake.accept(order(), KEY)
    assert police.rows()[0].open_until == NOW + life + issue.LONGEST_STAY
