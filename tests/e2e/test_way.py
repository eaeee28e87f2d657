"""A message's whole way over HTTP, from one agency's case system to another's, on the record."""

import copy
import uuid
from datetime import timedelta

import pytest

import plain
from e2e.asking import eventually
from e2e.invented import KEMPEN, KREIS, LABELS, NETTETAL, OFFICER, PLACES, POLICE, WORKER
from meldeweg.audit import verify
from meldeweg.audit.sources import open_source
from meldeweg.ceremony.keys import listed
from meldeweg.cli import register_file
from meldeweg.cli.asking import Auditor
from meldeweg.cli.audit_evidence import weigh
from meldeweg.cli.audit_fetching import by_index, proof_of
from meldeweg.cli.audit_open import open_entry
from meldeweg.client import Conflict, Invalid, NotCovered
from meldeweg.kernel.clock import SystemClock, to_rfc3339
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.keyfile import read_open_key
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.trust.objects import KeyUse


def _auditor(district):
    audit = district.described.services["audit"]
    return Auditor(audit.url, audit.token)


def _officer(district, agency):
    """Return the oversight key of an agency's data protection officer."""
    return read_open_key(next(district.places.oversight(agency).glob("*.jwk")))


def test_a_report_reaches_the_responsible_office_alone_and_a_named_person_takes_it(district):
    content = district.content()
    accepted = district.report(content=content)
    assert (accepted.recipient, accepted.clause) == (KREIS, "haeusliche-gewalt")
    assert len(accepted.kennzeichen) == 6
    district.becomes(accepted.id, "delivered")
    item = district.arrived(KREIS, accepted.id)
    assert (item.sender, item.kennzeichen) == (POLICE, accepted.kennzeichen)
    assert [a for a in PLACES if accepted.id in district.inbox(a)] == [KREIS]
    with pytest.raises(Conflict) as refused:
        district.kreis.acknowledge(accepted.id, by=WORKER)
    assert refused.value.code == "not-opened"
    opened = district.kreis.open(accepted.id, acting_person=WORKER)
    assert opened.content == content
    assert [look.by for look in opened.opened] == [WORKER]
    assert district.kreis.acknowledge(accepted.id, by=WORKER).new
    assert not district.kreis.acknowledge(accepted.id, by=WORKER).new
    seen = district.becomes(accepted.id, "acknowledged")
    assert [step.kind for step in seen.timeline] == ["sent", "delivered", "acknowledged"]
    assert district.arrived(KREIS, accepted.id).state == "acknowledged"


def test_the_exported_log_proves_it_offline_and_only_both_officers_can_open_it(district, tmp_path):
    accepted = district.report(acting_person=OFFICER)
    district.becomes(accepted.id, "delivered")
    digest = district.police.sent(accepted.id).digest
    line = district.logged(digest)[digest]
    assert line["topic"] == f"inbox.{KREIS}.{POLICE}"
    district.log(tmp_path / "log")
    with open_source(str(tmp_path / "log")) as source:
        report = verify.verify(source)
    assert report.ok, report.as_json()
    entry = by_index(_auditor(district), line["index"])
    proof = proof_of(_auditor(district), entry)
    register = register_file.of_stack(district.directory)
    for agency in (POLICE, KREIS):
        opened = open_entry(entry, _officer(district, agency))
        evidence = weigh(opened, entry, proof, register, SystemClock().now())
        assert evidence.notices == ()
        assert evidence.head.size > entry.index
        assert opened.statement.digest == digest
        assert opened.record["clause"] == "haeusliche-gewalt"
        assert "domestic-violence" in opened.record["grounds"]
        assert OFFICER not in str(opened.record)
    for agency in (KEMPEN, NETTETAL):
        with pytest.raises(Refused) as refused:
            open_entry(entry, _officer(district, agency))
        assert refused.value.code == "envelope-not-for-this-key"
    keys = district.places.keys(KREIS)
    *_, seal = [each.kid for each in listed(keys) if each.certificate.use is KeyUse.SEAL]
    with pytest.raises(Refused):  # not even the recipient's own key opens what is oversight's
        open_entry(entry, read_open_key(keys / f"{seal}.jwk"))


def test_the_look_of_a_person_is_an_event_in_the_log_and_does_not_name_them(district):
    accepted = district.report()
    district.arrived(KREIS, accepted.id)
    district.kreis.open(accepted.id, acting_person=WORKER)
    digest = district.police.sent(accepted.id).digest
    (look,) = eventually(
        lambda: [e for e in district.events(KREIS, "opened") if e.message == digest]
    )
    assert look.actor_ref
    assert look.partner == POLICE
    assert "Probe" not in look.model_dump_json()


def test_the_other_direction_a_request_for_immediate_action(district):
    content = district.content(examples.IMMEDIATE_ACTION)
    accepted = district.kreis.send(
        "request.immediate-action", {"agency": POLICE}, content, acting_person=WORKER
    )
    assert (accepted.recipient, accepted.urgency) == (POLICE, "immediate")
    district.arrived(POLICE, accepted.id)
    assert district.police.open(accepted.id, acting_person=OFFICER).content == content
    district.police.acknowledge(accepted.id, by=OFFICER)
    district.becomes(accepted.id, "acknowledged", sender=KREIS)


def test_a_place_outside_the_district_is_refused_with_the_rule_and_nothing_is_kept(district):
    before = district.police.sent_messages(limit=1).items
    with pytest.raises(NotCovered) as refused:
        district.police.send(
            "notification",
            {"place": "05362012"},
            district.content(),
            acting_person=OFFICER,
            labels=LABELS,
        )
    assert refused.value.rule == "outside-district"
    assert district.police.sent_messages(limit=1).items == before


def test_an_exercise_is_marked_at_both_ends_on_the_bus_and_on_the_screen(district):
    accepted = district.report(exercise=True)
    assert accepted.exercise
    assert district.becomes(accepted.id, "delivered").exercise
    assert district.arrived(KREIS, accepted.id).exercise
    assert district.kreis.open(accepted.id, acting_person=WORKER).exercise
    digest = district.police.sent(accepted.id).digest
    (context,) = [
        parsed.context
        for line, parsed in eventually(
            lambda: [each for each in district.statements() if each[1].digest == digest]
        )
    ]
    assert context.exercise
    here = ("--dir", district.directory)
    for screen in (
        district.cli("message", accepted.id, *here, "--agency", POLICE),
        district.cli("inbox", "open", accepted.id, "--person", WORKER, *here, "--agency", KREIS),
    ):
        assert "ÜBUNG" in screen


def test_an_override_sends_in_danger_and_is_an_event_to_be_reviewed(district):
    reason = f"Gefahr im Verzug. {district.secret()}"
    content = district.content()
    order = {"acting_person": OFFICER, "urgency": "immediate"}
    to = {"place": PLACES[KREIS]}
    with pytest.raises(NotCovered) as refused:
        district.police.send("notification", to, content, **order)
    assert refused.value.rule == "labels-missing"
    accepted = district.police.send("notification", to, content, override=reason, **order)
    district.arrived(KREIS, accepted.id)
    assert district.kreis.open(accepted.id, WORKER).record["override"] == reason
    digest = district.police.sent(accepted.id).digest
    (told,) = eventually(
        lambda: [e for e in district.events(POLICE, "overridden") if e.message == digest]
    )
    assert (told.partner, told.urgency) == (KREIS, "immediate")
    assert reason not in told.model_dump_json()


def test_a_call_made_first_sets_a_later_deadline(district):
    at = to_rfc3339(district.now() - timedelta(minutes=5))
    told = district.content(handover={"to": "Rufbereitschaft, Frau Probe", "at": at})
    untold = copy.deepcopy(told)
    del untold["handover"]
    sooner = district.report(content=untold, urgency="immediate")
    later = district.report(content=told, urgency="immediate")
    assert sooner.ack_by - sooner.created == timedelta(minutes=15)
    assert later.ack_by > sooner.ack_by + timedelta(minutes=30)
    for accepted in (sooner, later):
        assert district.arrived(KREIS, accepted.id).ack_by == accepted.ack_by


def test_several_grounds_go_in_one_message_and_the_record_names_each(district):
    grounds = ["domestic-violence", "alcohol-excess", "neglect"]
    accepted = district.report(content=district.content(grounds=grounds))
    district.arrived(KREIS, accepted.id)
    opened = district.kreis.open(accepted.id, acting_person=WORKER)
    assert set(opened.record["grounds"]) == set(grounds)
    assert opened.content["grounds"] == grounds


def test_where_the_parents_live_elsewhere_their_office_gets_a_linked_copy(district):
    to = {"place": PLACES[KREIS], "residence": PLACES[KEMPEN]}
    accepted = district.police.send(
        "notification", to, district.content(), acting_person=OFFICER, labels=LABELS
    )
    assert accepted.recipient == KREIS
    ((copied,)) = accepted.linked
    assert copied.recipient == KEMPEN
    district.arrived(KREIS, accepted.id)
    district.arrived(KEMPEN, copied.id)
    assert accepted.id not in district.inbox(KEMPEN)


def test_the_same_key_gives_the_same_answer_over_a_restart_and_never_two_messages(district):
    key, content = str(uuid.uuid4()), district.content()
    first = district.report(to=NETTETAL, content=content, key=key)
    district.kill(f"gateway-{POLICE}")
    again = district.report(to=NETTETAL, content=content, key=key)
    assert again == first
    with pytest.raises(Invalid) as refused:
        district.report(to=NETTETAL, key=key)
    assert (refused.value.status, refused.value.code) == (422, "idempotency-key-reused")
    after = district.report(to=NETTETAL)
    district.arrived(NETTETAL, after.id)
    since = [m for m in district.inbox(NETTETAL) if m in (first.id, after.id)]
    assert since == [first.id, after.id]


def test_a_correction_and_a_retraction_follow_their_message(district):
    original = district.report()
    district.arrived(KREIS, original.id)
    corrected = district.police.send(
        "correction",
        {"agency": KREIS},
        district.content(examples.CORRECTION),
        acting_person=OFFICER,
        labels=LABELS,
        in_reply_to=original.id,
    )
    district.arrived(KREIS, corrected.id)
    opened = district.kreis.open(corrected.id, acting_person=WORKER)
    assert opened.record["in_reply_to"] == original.id
    retracted = district.police.send(
        "retraction",
        {"agency": KREIS},
        district.content(examples.RETRACTION),
        acting_person=OFFICER,
        in_reply_to=original.id,
    )
    district.arrived(KREIS, retracted.id)
    district.becomes(retracted.id, "delivered")
    district.becomes(original.id, "retracted")
    seen = district.kreis.open(original.id, acting_person=WORKER)
    assert (seen.state, seen.retracted_by) == ("retracted", retracted.id)
    with pytest.raises(Conflict) as refused:
        district.police.send(
            "correction",
            {"agency": KREIS},
            district.content(examples.CORRECTION),
            acting_person=OFFICER,
            labels=LABELS,
            in_reply_to="01890000-0000-7000-8000-000000000000",
        )
    assert refused.value.code == "in-reply-to-unknown"


def test_an_inquiry_gets_its_reply(district):
    asked = district.kreis.send(
        "inquiry", {"agency": POLICE}, district.content(examples.INQUIRY), acting_person=WORKER
    )
    district.arrived(POLICE, asked.id)
    content = district.content(examples.REPLY)
    answered = district.police.send(
        "reply",
        {"agency": KREIS},
        content,
        acting_person=OFFICER,
        labels=LABELS,
        in_reply_to=asked.id,
    )
    district.arrived(KREIS, answered.id)
    opened = district.kreis.open(answered.id, acting_person=WORKER)
    assert (opened.record["in_reply_to"], opened.content) == (asked.id, content)


def test_an_office_that_is_not_responsible_refuses_and_names_who_is(district):
    reason = f"Umgezogen. {district.secret()}"
    accepted = district.report()
    district.arrived(KREIS, accepted.id)
    district.kreis.open(accepted.id, acting_person=WORKER)
    district.kreis.refuse(accepted.id, WORKER, "not-responsible", responsible=KEMPEN, reason=reason)
    seen = district.becomes(accepted.id, "refused").timeline[-1]
    assert (seen.code, seen.responsible, seen.reason) == ("not-responsible", KEMPEN, reason)


def test_erasing_confirms_it_to_the_sender_and_the_content_is_gone(district):
    accepted = district.report()
    district.arrived(KREIS, accepted.id)
    district.kreis.open(accepted.id, acting_person=WORKER)
    with pytest.raises(Conflict) as refused:  # what nobody took is not erased before its term
        district.kreis.confirm_erasure(accepted.id, by=WORKER)
    assert refused.value.code == "receipt-out-of-order"
    district.kreis.acknowledge(accepted.id, by=WORKER)
    district.kreis.confirm_erasure(accepted.id, by=WORKER)
    answer = district.raw(
        KREIS, "GET", f"/v1/inbox/{accepted.id}", headers={"Acting-Person": "P-1"}
    )
    assert answer.status_code == 410
    eventually(
        lambda: "erased" in [step.kind for step in district.police.sent(accepted.id).timeline]
    )


def test_a_dry_run_says_what_would_happen_and_keeps_nothing(district):
    before = district.police.sent_messages(limit=1).items
    content = district.content()
    preview = district.police.check(
        "notification", {"place": "Grefrath"}, content, acting_person=OFFICER, labels=LABELS
    )
    assert (preview.recipient, preview.clause) == (KREIS, "haeusliche-gewalt")
    assert "PolG NRW" in preview.legal_basis
    assert district.police.sent_messages(limit=1).items == before
    after = district.report()  # nothing was numbered, queued or sent in between
    district.arrived(KREIS, after.id)
    assert district.police.sent_messages(limit=2).items[1:] == before


def test_what_is_malformed_is_refused_and_no_value_comes_back(district):
    mark = district.secret()
    content = district.content() | {mark: mark}
    with pytest.raises(Invalid) as refused:
        district.report(content=content)
    assert refused.value.status == 422
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
    answers = [
        district.raw(POLICE, "POST", "/v1/messages", headers=headers, content=body)
        for body in (f'{{"{mark}"'.encode(), b"\xff" + mark.encode(), b"x" * (1 << 20) + b"x")
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 413]
    problem = district.raw(
        POLICE,
        "POST",
        "/v1/messages",
        headers=headers,
        json={"type": "notification", "content": content},
    )
    assert problem.status_code in (400, 422)
    assert all(mark not in answer.text for answer in [*answers, problem])
    assert problem.headers["content-type"].startswith("application/problem+json")
    page = plain.get(
        district.described.agencies[POLICE].url + f"/problems/{problem.json()['code']}",
    )
    assert page.status_code == 200
