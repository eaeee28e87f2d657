"""That a content is gone excuses nothing: it went in its time, and somebody had read it."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Bent, Kind, Phase
from unit.faults.legal import EAST, END, ERASED, POLICE, WEST, Run, Said
from unit.faults.planting import changed, kinds, only, with_store

TAKEN = ("opened", "acknowledged", "expired")


def erased(evidence, n=0, at=ERASED, due=END + 1000, steps=("expired",)):
    """Return the evidence in which the office's n-th message was erased at that moment."""
    gone = {"state": "erased", "erased": at, "delete_after": due, "steps": steps}
    return with_store(evidence, WEST, received=changed(n, **gone))


def bent(evidence, agency):
    return replace(evidence, bent=frozenset({Bent(agency, POLICE, END - 3000)}))


def unwarned(found):
    """Leave out what a bent clock owes: a warning at both ends, which no run here tells."""
    return [each for each in found if "of the clock of" not in each.why]


@pytest.mark.parametrize("urgency", ["immediate", "today"])
@pytest.mark.parametrize("overdue", [False, True])
def test_lost_what_was_erased_at_once_and_unread(urgency, overdue):
    run = Run([Said(urgency=urgency, fate="delivered", overdue=overdue)]).evidence()
    assert judge(run) == []
    found = only(erased(run), Kind.LOST)
    assert {"before its time" in f.why or "nobody had read it" in f.why for f in found} == {True}


def test_lost_what_was_due_and_nobody_had_read():
    run = Run([Said(fate="delivered", overdue=True)]).evidence()
    (finding,) = only(erased(run, due=ERASED), Kind.LOST)
    assert "nobody had read it" in finding.why


def test_lost_what_was_read_and_went_before_its_time_by_its_gateways_clock():
    run = Run([Said()]).evidence()
    assert judge(erased(run, due=ERASED, steps=TAKEN)) == []
    early = erased(run, due=ERASED + 1, steps=TAKEN)
    (finding,) = only(early, Kind.LOST)
    assert "before its time" in finding.why
    assert Kind.LOST in kinds(bent(early, WEST))


def test_what_was_due_by_a_bent_clock_alone_is_excused_for_its_own_gateway():
    run = Run([Said()]).evidence()
    ahead = erased(run, at=END + 86_000, due=END + 5000, steps=TAKEN)
    assert only(ahead, Kind.LOST)
    assert unwarned(judge(bent(ahead, WEST))) == []
    assert unwarned(judge(bent(ahead, EAST))) != []


def test_invented_a_receipt_for_an_order_to_erase():
    run = Run([Said(fate="erased")]).evidence()
    word = next(s for s in run.log if s.what == "acknowledged")
    word = replace(word, what="erased", digest="ab" * 32, offset=90, leaf="e", id="e")
    (finding,) = only(replace(run, log=(*run.log, word)), Kind.INVENTED)
    assert "nobody gave it" in finding.why


def test_lost_what_nobody_knows_when_it_went():
    run = Run([Said()]).evidence()
    assert only(erased(run, at=None, steps=TAKEN), Kind.LOST)


@pytest.mark.parametrize("others", [False, True])
def test_lost_what_a_person_found_erased(others):
    run = Run([Said()]).evidence()
    opened = [e for e in run.history if e.call == "open" and e.phase is not Phase.INVOKED]
    failing = opened[:1] if others else opened
    history = tuple(
        replace(e, phase=Phase.FAIL, code="message-erased", content=None) if e in failing else e
        for e in run.history
    )
    planted = replace(run, history=history)
    found = [f for f in judge(planted) if f.kind is Kind.LOST]
    assert ["to be read" in f.why for f in found] == [True]
    due = with_store(planted, WEST, received=changed(0, delete_after=END - 2000))
    assert Kind.LOST not in kinds(due)
    unknown = with_store(planted, WEST, received=lambda rows: ())
    assert any("to be read" in f.why for f in judge(unknown))


def test_unreadable_is_what_was_erased_as_well():
    run = Run([Said(fate="erased")]).evidence()
    history = tuple(
        replace(e, phase=Phase.FAIL, code="message-erased", content=None)
        if e.call == "open" and e.phase is Phase.OK
        else e
        for e in run.history
    )
    assert {Kind.LOST, Kind.UNREADABLE} <= kinds(replace(run, history=history))


@pytest.mark.parametrize(("fate", "call"), [("acknowledged", "acknowledge"), ("refused", "refuse")])
def test_erased_is_no_word_a_persons_must_be_there_before_it(fate, call):
    run = Run([Said(fate=fate)]).evidence()
    assert judge(erased(run, due=ERASED, steps=("opened", fate, "expired"))) == []
    found = judge(erased(run, due=ERASED, steps=("opened", "expired")))
    assert any(f"{call} was answered" in f.why for f in found if f.kind is Kind.LOST)
    assert Kind.STUCK in {f.kind for f in found}  # nobody there said what its sender heard


def test_what_was_taken_before_it_was_erased_is_taken_at_its_sender_and_in_the_log():
    run = Run([Said(fate="erased")]).evidence()
    assert only(with_store(run, POLICE, sent=changed(0, state="delivered")), Kind.STUCK)
    log = tuple(s for s in run.log if s.what != "acknowledged")
    assert only(replace(run, log=log, topics=()), Kind.UNAUDITED)
