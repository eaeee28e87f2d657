"""The checker hears what is urgent, came or was taken late, and was told to nobody meanwhile."""

from dataclasses import replace

import pytest

from faults import beats
from faults.checker import judge
from faults.evidence import Barred, Kind
from unit.faults.legal import EAST, GONE, POLICE, WEST, WORK, Run, Said
from unit.faults.planting import changed, not_logged, only, untold, with_store


@pytest.fixture(autouse=True)
def _beats_are_asked_elsewhere(monkeypatch):
    """Here heartbeats are taken away and added at will: what is owed of them is for test_beats."""
    monkeypatch.setattr(beats, "ceased", lambda _: ())
    monkeypatch.setattr(beats, "otherwise", lambda *_: ())


@pytest.mark.parametrize("agency", [POLICE, WEST])
def test_silent_a_deadline_that_passed_and_was_noted_in_a_store_alone(agency):
    legal = Run([Said(urgency="immediate", fate="delivered", overdue=True), Said()]).evidence()
    (finding,) = only(untold(legal, agency, "overdue"), Kind.SILENT)
    assert "store alone" in finding.why
    soon = replace(legal, at=legal.stores[POLICE].sent[0].ack_by + 30)
    assert judge(untold(soon, agency, "overdue")) == []  # the log may be that far behind
    then = replace(soon, at=soon.at + 0.5)
    assert only(untold(then, agency, "overdue"), Kind.SILENT)


def test_what_is_overdue_at_an_agency_that_was_revoked_it_can_tell_nobody():
    legal = Run([Said(to=GONE, urgency="immediate", fate="delivered", overdue=True)]).evidence()
    assert judge(untold(legal, GONE, "overdue")) == []
    assert only(untold(legal, POLICE, "overdue"), Kind.SILENT)


WAITS = [
    (POLICE, "alarm", "delivered late"),
    (POLICE, "overdue", "the sender never told"),
    (WEST, "overdue", "the recipient never told"),
]


def unheeded(evidence, agency, what):
    """Return the evidence in which that end neither told so of the first message, nor noted it."""
    quiet = untold(evidence, agency, what)
    if agency == POLICE and what == "overdue":
        steps = tuple(s for s in quiet.stores[POLICE].sent[0].steps if s != "overdue")
        return with_store(quiet, POLICE, sent=changed(0, steps=steps))
    if what == "overdue":
        return with_store(quiet, agency, received=changed(0, overdue=False))
    return quiet


@pytest.fixture
def late():
    evidence = Run([Said(urgency="immediate", late=True), Said(urgency="immediate")]).evidence()
    assert judge(evidence) == []
    return evidence


@pytest.mark.parametrize(("agency", "what", "why"), WAITS)
def test_silent_what_came_and_was_taken_late_and_nobody_was_told_meanwhile(late, agency, what, why):
    (finding,) = only(unheeded(late, agency, what), Kind.SILENT)
    assert why in finding.why
    assert "id-0" in finding.about


@pytest.mark.parametrize("state", ["delivered", "refused"])
def test_silent_what_came_late_and_still_waits_or_was_refused_by_a_person(state):
    late = Run([Said(urgency="immediate", fate=state, late=True)]).evidence()
    assert judge(late) == []
    kept = not_logged(late, lambda s: (s.sender, s.what) == (POLICE, "alarm"))
    found = only(replace(kept, topics=()), Kind.SILENT)
    assert any("delivered late" in f.why for f in found)


def test_silent_what_never_came_and_was_taken_back_late(late):
    planted = with_store(unheeded(late, POLICE, "alarm"), POLICE, sent=changed(0, delivered=None))
    (finding,) = only(planted, Kind.SILENT)  # its end is when nobody waited any more
    assert "delivered late" in finding.why


@pytest.mark.parametrize(("agency", "what", "why"), WAITS)
def test_late_is_excused_where_a_gateway_was_not_at_work_as_its_own_heartbeats_say(
    late, agency, what, why
):
    planted = unheeded(late, agency, what)
    row, there = late.stores[POLICE].sent[0], late.stores[WEST].received[0]
    due, until = {
        (POLICE, "alarm"): (row.created + 5, row.delivered),
        (POLICE, "overdue"): (row.ack_by, row.ended),
        (WEST, "overdue"): (there.came, there.ended),
    }[agency, what]
    beat = next(s for s in late.log if s.kind == "heartbeat" and s.sender == agency)

    def beating(*at, starts=(), of=agency, what="started"):
        others = tuple(s for s in planted.log if (s.kind, s.sender) != ("heartbeat", agency))
        beats = [replace(beat, said=said, offset=5000 + n) for n, said in enumerate(at)]
        started = [
            replace(
                beat,
                topic=f"events.{of}",
                kind="event",
                what=what,
                sender=of,
                said=said,
                offset=6000 + n,
            )
            for n, said in enumerate(starts)
        ]
        return replace(planted, log=(*others, *beats, *started))

    def accused(evidence):
        (finding,) = only(evidence, Kind.SILENT)
        return why in finding.why

    assert judge(beating()) == []
    before, after = (due - 20, due - 10, due, due + 5), (until, until + 5, until + 10)
    assert judge(beating(*before, *after)) == []
    assert judge(beating(*before, due + 6, *after)) == []  # the pause before it was a freeze
    for one, other in ((due + 6, due + 11), (until - 6, until - 1), (due + 6, until - 1)):
        assert accused(beating(one, other))
        # Each start makes a heartbeat at once, and may end before the first look.
        assert judge(beating(one, other, starts=[one + 0.9])) == []
        assert judge(beating(one, other, starts=[other - 0.01])) == []
        assert accused(beating(one, other, starts=[one + 1.1, other - 1.1]))
        assert accused(beating(one, other, starts=[one], of=EAST))
        assert accused(beating(one, other, starts=[one, other], what="parked"))


def test_late_is_what_is_long_past_what_was_due(late):
    beats = [s for s in late.log if s.kind == "heartbeat"]
    more = tuple(
        replace(s, said=s.said + n, offset=4000 + 100 * n + s.offset) for s in beats for n in (1, 2)
    )
    late = replace(late, log=(*late.log, *more))
    row, there = late.stores[POLICE].sent[0], late.stores[WEST].received[0]

    def sent(what, **more):
        return with_store(unheeded(late, POLICE, what), POLICE, sent=changed(0, **more))

    def received(**more):
        return with_store(unheeded(late, WEST, "overdue"), WEST, received=changed(0, **more))

    def due(evidence, ack_by):  # it is the same at both ends; nobody says when it was told
        log = tuple(replace(s, said=None) if s.what == "overdue" else s for s in evidence.log)
        evidence = replace(evidence, log=log)
        there = with_store(evidence, WEST, received=changed(0, ack_by=ack_by))
        return with_store(there, POLICE, sent=changed(0, ack_by=ack_by))

    for within, beyond in (
        (sent("alarm", created=row.delivered - 20), sent("alarm", created=row.delivered - 21)),
        (due(sent("overdue"), row.ended - 15), due(sent("overdue"), row.ended - 16)),
        (received(came=there.ended - 15), received(came=there.ended - 16)),
        (due(received(), there.ended - 15), due(received(), there.ended - 16)),
    ):
        assert judge(within) == []
        assert only(beyond, Kind.SILENT)


def test_late_is_not_measured_by_a_clock_that_was_bent_meanwhile(late):
    row, there = late.stores[POLICE].sent[0], late.stores[WEST].received[0]
    sender = unheeded(unheeded(late, POLICE, "alarm"), POLICE, "overdue")
    recipient = unheeded(late, WEST, "overdue")
    assert len(only(sender, Kind.SILENT)) == 2
    for day in (-86_400, 86_400):
        created = changed(0, created=row.created + day)
        assert judge(with_store(sender, POLICE, sent=created)) == []
        came = changed(0, came=there.came + day)
        assert judge(with_store(recipient, WEST, received=came)) == []
    until = changed(0, delivered=row.delivered + 86_400, ended=row.ended + 86_400)
    assert judge(with_store(sender, POLICE, sent=until)) == []


def test_late_is_asked_of_what_is_immediate_and_of_no_revoked_agency():
    assert judge(unheeded(Run([Said(late=True)]).evidence(), POLICE, "overdue")) == []
    late = Run([Said(to=GONE, urgency="immediate", late=True)]).evidence()
    revoked = replace(late, revoked=frozenset({Barred(GONE, WORK)}))  # before it was due
    assert judge(unheeded(revoked, GONE, "overdue")) == []
    assert only(unheeded(late, POLICE, "overdue"), Kind.SILENT)
