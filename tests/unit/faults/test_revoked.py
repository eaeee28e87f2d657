"""A revocation excuses what it does itself: what was so before its moment is judged as usual."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Aside, Barred, Kind
from unit.faults.legal import END, GONE, POLICE, REVOKED, WEST, WORK, Run, Said
from unit.faults.planting import changed, forgotten, kinds, not_logged, only, with_store


def told_at(evidence, at):
    """Return the evidence in which everything reached the broker at that moment."""
    return replace(evidence, topics=tuple(replace(seen, at=at) for seen in evidence.topics))


def revoked(evidence, at):
    return replace(evidence, revoked=frozenset({Barred(GONE, at)}))


def test_lost_from_a_revoked_sender_what_it_was_told_is_delivered():
    run = Run([Said(sender=GONE, to=POLICE), Said()]).evidence()
    assert judge(run) == []
    assert Kind.LOST in kinds(forgotten(run, POLICE, "id-0"))


def test_excused_is_what_a_revoked_sender_was_never_told_of():
    run = Run([Said(sender=GONE, to=WEST, fate="undeliverable")]).evidence()
    for state in ("queued", "sent", "undeliverable"):
        left = with_store(run, GONE, sent=changed(0, state=state, steps=("sent",)))
        assert judge(left) == [], state


def test_silent_is_who_received_it_from_an_agency_that_was_revoked_afterwards():
    said = Said(sender=GONE, to=POLICE, urgency="immediate", fate="delivered", overdue=True)
    run = Run([said]).evidence()
    assert judge(run) == []

    def untold(agency):
        gone = not_logged(run, lambda seen: (seen.what, seen.sender) == ("overdue", agency))
        return replace(gone, topics=())

    assert only(untold(POLICE), Kind.SILENT)
    assert judge(untold(GONE)) == []  # nobody listens to it


@pytest.mark.parametrize(
    ("agency", "what"), [(GONE, "alarm"), (GONE, "overdue"), (POLICE, "overdue")]
)
def test_silent_is_a_revoked_agency_that_was_at_work_long_after_it_was_due(agency, what):
    said = Said(sender=GONE, to=POLICE, urgency="immediate", late=True)
    run = Run([said]).evidence()
    gone = not_logged(run, lambda seen: (seen.what, seen.sender) == (what, agency))
    planted = replace(gone, topics=())
    assert only(planted, Kind.SILENT)
    waits = changed(0, state="overdue", delivered=None, ended=None)
    assert Kind.SILENT in kinds(with_store(planted, GONE, sent=waits))
    if agency == GONE:
        for moment in (WORK, WORK + 5):  # it had no time to tell
            assert judge(revoked(planted, moment)) == []
        assert judge(revoked(with_store(planted, GONE, sent=waits), WORK + 5)) == []


@pytest.mark.parametrize("sender", [POLICE, GONE])
@pytest.mark.parametrize("fate", ["turned-away", "undeliverable"])
def test_lost_is_what_came_back_before_anybody_was_revoked(sender, fate):
    to = WEST if sender == GONE else GONE
    run = Run([Said(sender=sender, to=to, fate=fate)]).evidence()
    assert judge(told_at(run, END)) == []
    assert judge(told_at(run, REVOKED)) == []
    assert only(told_at(run, REVOKED - 1), Kind.LOST)
    assert judge(replace(told_at(run, REVOKED - 1), topics=())) == []  # nobody knows when


def test_lost_is_what_was_put_aside_before_anybody_was_revoked():
    run = Run([Said(sender=GONE, to=WEST, fate="turned-away")]).evidence()
    aside = Aside(f"inbox.{WEST}.{GONE}", 0, "schema-invalid", run.stores[GONE].sent[0].digest)
    planted = with_store(run, WEST, quarantined=lambda rows: [aside])
    assert judge(planted) == []
    why = [finding.why for finding in judge(told_at(planted, REVOKED - 1))]
    assert any("quarantined by" in each for each in why)


def test_of_two_moments_the_first_counts():
    run = told_at(Run([Said(to=GONE, fate="turned-away")]).evidence(), REVOKED - 1)
    moments = frozenset({Barred(GONE, REVOKED), Barred(GONE, REVOKED - 2)})
    assert judge(replace(run, revoked=moments)) == []
