"""The checker finds what is urgent and ended or waits untold, and an alarm for nothing."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Kind
from unit.faults.legal import END, GONE, POLICE, WEST, Run, Said
from unit.faults.planting import alarm, changed, kinds, not_logged, only, with_store, without


@pytest.mark.parametrize(
    ("fate", "agency", "what"),
    [
        ("turned-away", GONE, "alarm"),
        ("turned-away", POLICE, "alarm"),
        ("refused", POLICE, "alarm"),
        ("undeliverable", POLICE, "undeliverable"),
    ],
)
def test_silent_an_immediate_message_that_ended_untold(fate, agency, what):
    legal = Run([Said(to=GONE, urgency="immediate", fate=fate)]).evidence()
    assert judge(legal) == []
    kept = not_logged(legal, lambda s: s.kind == "event" and (s.sender, s.what) == (agency, what))
    assert only(replace(kept, topics=()), Kind.SILENT)


def test_silent_an_immediate_message_parked_without_an_alarm():
    legal = Run([Said(urgency="immediate", parked=1)]).evidence()
    kept = not_logged(legal, lambda s: s.kind == "event" and s.what == "alarm")
    assert only(replace(kept, topics=()), Kind.SILENT)


@pytest.mark.parametrize(
    ("said", "agency"),
    [
        (Said(urgency="immediate", fate="refused"), POLICE),
        (Said(urgency="immediate", fate="turned-away", to=GONE), POLICE),
        (Said(urgency="immediate", fate="turned-away", to=GONE), GONE),
        (Said(urgency="immediate", parked=1), WEST),
        (Said(urgency="immediate", late=True), POLICE),
    ],
)
@pytest.mark.parametrize("code", ["not-in-log", "manifest-forked", None])
def test_silent_an_immediate_message_of_which_another_alarm_is_told(said, agency, code):
    legal = Run([said]).evidence()
    assert judge(legal) == []

    def of_another(seen):
        told = (seen.sender, seen.what) == (agency, "alarm")
        return replace(seen, code=code) if told else seen

    log = tuple(map(of_another, legal.log))
    assert log != legal.log
    assert Kind.SILENT in kinds(replace(legal, log=log, topics=()))


def test_silent_a_deadline_that_passed_unnoticed_at_either_end():
    legal = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    assert judge(legal) == []
    assert only(with_store(legal, POLICE, sent=changed(0, state="delivered")), Kind.SILENT)
    assert only(with_store(legal, WEST, received=changed(0, overdue=False)), Kind.SILENT)


@pytest.mark.parametrize("state", ["queued", "sent"])
def test_silent_is_what_waits_at_its_sender_and_what_waits_for_its_deadline_alike(state):
    legal = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    waits = with_store(legal, POLICE, sent=changed(0, state=state, steps=("sent",)))
    assert kinds(waits) == {Kind.STUCK, Kind.SILENT}
    other = alarm(waits, 0, code="not-in-log")  # people know of something else
    assert kinds(other) == {Kind.STUCK, Kind.SILENT}
    alarmed = alarm(waits, 0, at=END - 1)  # people know, and not of the deadline
    assert any("not overdue at the sender" in f.why for f in judge(alarmed))
    soon = waits.stores[POLICE].sent[0].ack_by + 30
    assert kinds(replace(alarmed, at=soon)) == {Kind.STUCK}
    assert kinds(replace(waits, at=soon)) == {Kind.STUCK, Kind.SILENT}


def test_silent_is_what_was_opened_and_taken_by_nobody():
    legal = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    opened = with_store(legal, WEST, received=changed(0, state="opened"))
    assert judge(opened) == []
    assert only(with_store(opened, WEST, received=changed(0, overdue=False)), Kind.SILENT)


def test_false_an_alarm_for_what_was_delivered_in_time(legal):
    (finding,) = only(alarm(legal, 2), Kind.FALSE_ALARM)
    assert "in time" in finding.why
    late = with_store(legal, POLICE, sent=changed(2, delivered=400.0))
    assert judge(alarm(late, 2)) == []
    never = with_store(late, POLICE, sent=changed(2, delivered=None))
    assert judge(alarm(never, 2)) == []
    created = legal.stores[POLICE].sent[2].created
    for after, found in ((4.9, {Kind.FALSE_ALARM}), (5, set())):
        heard = with_store(legal, POLICE, sent=changed(2, delivered=created + after))
        assert kinds(alarm(heard, 2)) == found
    assert judge(alarm(legal, 2, at=END - 1)) == []  # before anybody said `delivered`
    for more in (
        {"code": "quarantined"},
        {"what": "overdue"},
        {"sender": WEST, "topic": f"events.{WEST}"},
    ):
        assert judge(alarm(legal, 2, **more)) == []


def test_false_is_excused_by_the_first_alarm_and_the_first_delivered_alone(legal):
    digest = legal.stores[POLICE].sent[2].digest
    first = next(s for s in legal.topics if (s.what, s.of) == ("delivered", digest))
    again = replace(first, offset=first.offset + 700, leaf="again", at=END + 9)
    twice = replace(legal, topics=(*legal.topics, again), log=(*legal.log, again))
    assert only(alarm(twice, 2, at=END + 5), Kind.FALSE_ALARM)
    assert judge(alarm(alarm(legal, 2, at=END + 5), 2, at=END - 5, offset=801)) == []


def test_false_is_not_excused_where_the_broker_has_no_more_of_one_of_the_two(legal):
    planted = alarm(legal, 2, at=END - 1)
    neither = replace(planted, topics=())
    assert only(neither, Kind.FALSE_ALARM)
    for gone in ("alarm", "delivered"):
        some = tuple(seen for seen in planted.topics if seen.what != gone)
        assert only(replace(planted, topics=some), Kind.FALSE_ALARM)


def test_silence_is_asked_of_what_is_immediate_and_of_no_revoked_agency():
    late = Run([Said(fate="delivered", overdue=True)]).evidence()
    assert judge(with_store(late, POLICE, sent=changed(0, state="delivered"))) == []
    gone = Run([Said(sender=GONE, urgency="immediate", fate="delivered", overdue=True)]).evidence()
    assert judge(with_store(gone, GONE, sent=changed(0, state="delivered"))) == []


def test_what_is_delivered_and_overdue_needs_no_alarm_and_what_a_person_took_no_mark():
    late = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    assert judge(late) == []
    taken = Run([Said(urgency="immediate", overdue=True)]).evidence()
    assert judge(with_store(taken, WEST, received=changed(0, overdue=False))) == []
    waiting = with_store(late, POLICE, sent=changed(0, state="delivered"))
    assert only(waiting, Kind.SILENT)


def test_false_an_alarm_for_what_is_not_urgent(legal):
    (finding,) = only(
        alarm(with_store(legal, POLICE, sent=changed(0, delivered=None)), 0), Kind.FALSE_ALARM
    )
    assert "not urgent" in finding.why


def test_silent_an_immediate_message_that_was_never_delivered_and_is_merely_overdue():
    legal = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    never = with_store(
        legal, POLICE, sent=changed(0, state="overdue", steps=("sent", "overdue"), delivered=None)
    )
    never = with_store(never, WEST, received=without(0))
    never = replace(not_logged(never, lambda s: s.what == "delivered"), topics=())
    assert kinds(never) == {Kind.STUCK, Kind.SILENT}
    assert kinds(alarm(never, 0)) == {Kind.STUCK}


def test_what_a_person_took_is_loud_enough_though_nobody_heard_that_it_was_delivered():
    legal = Run([Said(urgency="immediate")]).evidence()
    taken = changed(0, steps=("sent", "acknowledged"), delivered=None)
    assert judge(with_store(legal, POLICE, sent=taken)) == []
