"""A retraction that arrived had its effect at both ends, and people were told."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Barred, Kind
from unit.faults.legal import EAST, END, POLICE, WEST, Run, Said
from unit.faults.planting import changed, not_logged, only, taken_back, with_store, without

STEPS = ("opened", "acknowledged", "retracted")


@pytest.fixture(params=[Said(urgency="immediate"), Said(fate="delivered"), Said(fate="refused")])
def retracted(request):
    """A run in which id-1 takes id-0 back: delivered, unread or read, and so at both ends."""
    evidence = taken_back(Run([replace(request.param), Said()]).evidence(), "id-0", by="key-1")
    steps = (*evidence.stores[WEST].received[0].steps, request.param.fate, "retracted")
    there = with_store(evidence, WEST, received=changed(0, state="retracted", steps=steps))
    evidence = with_store(there, POLICE, sent=changed(0, state="retracted"))
    assert judge(evidence) == []
    return evidence


def whys(evidence):
    return {(f.kind, f.about, f.why) for f in judge(evidence)}


@pytest.mark.parametrize("state", ["received", "opened", "acknowledged", "refused"])
def test_lost_a_retraction_of_which_its_recipient_makes_nothing(retracted, state):
    steps = tuple(s for s in retracted.stores[WEST].received[0].steps if s != "retracted")
    planted = with_store(retracted, WEST, received=changed(0, state=state, steps=steps))
    assert (Kind.LOST, "id-0", f"taken back, and {state} at {WEST}") in whys(planted)


def test_lost_a_retraction_that_has_no_effect_at_either_end():
    for fate in ("delivered", "acknowledged"):
        run = Run([Said(fate=fate), Said()]).evidence()
        assert judge(run) == []
        planted = not_logged(taken_back(run, "id-0", by="key-1"), lambda s: s.what == "retracted")
        assert {kind for kind, _, _ in whys(planted)} == {Kind.LOST, Kind.STUCK}


def test_lost_what_was_taken_back_and_nobody_is_shown_so(retracted):
    (finding,) = only(
        with_store(retracted, WEST, received=changed(0, retracted_by=None)), Kind.LOST
    )
    assert "nobody" in finding.why


def test_stuck_what_its_own_sender_does_not_show_as_taken_back(retracted):
    for state in ("delivered", "acknowledged", "overdue"):
        planted = with_store(retracted, POLICE, sent=changed(0, state=state))
        assert any("its retraction was delivered" in why for _, _, why in whys(planted)), state


def test_unaudited_what_its_sender_tells_nobody_of(retracted):
    untold = not_logged(retracted, lambda s: s.what == "retracted")
    (finding,) = only(untold, Kind.UNAUDITED)
    assert finding.about == "id-0"
    other = replace(untold, log=(*untold.log, replace(retracted.log[-1], sender=WEST)))
    assert any(f.kind is Kind.UNAUDITED for f in judge(other))


def test_a_revoked_sender_need_not_tell_and_takes_back_all_the_same(retracted):
    revoked = frozenset({*retracted.revoked, Barred(POLICE, END - 1)})
    untold = replace(not_logged(retracted, lambda s: s.what == "retracted"), revoked=revoked)
    assert judge(untold) == []
    planted = with_store(untold, WEST, received=changed(0, state="acknowledged", steps=()))
    assert any("taken back, and acknowledged" in why for _, _, why in whys(planted))


def test_a_retraction_that_did_not_arrive_takes_nothing_back():
    run = Run([Said(), Said(answer="unheard"), Said(answer="failed")]).evidence()
    assert judge(taken_back(run, "id-0", by="key-1")) == []
    for key in ("key-1", "key-2"):
        untold = not_logged(taken_back(run, "id-0", by=key), lambda s: s.what == "retracted")
        assert judge(untold) == []


def test_what_was_erased_after_it_was_taken_back_was_taken_back():
    run = taken_back(Run([Said(fate="erased"), Said()]).evidence(), "id-0", by="key-1")
    with_word = changed(0, steps=("opened", "acknowledged", "retracted", "expired"))
    sent = with_store(run, POLICE, sent=changed(0, state="retracted"))
    assert judge(with_store(sent, WEST, received=with_word)) == []
    assert any("taken back, and erased" in why for _, _, why in whys(sent))


def test_a_copy_is_taken_back_by_the_retractions_copy():
    """id-1 is the copy of id-0, id-3 of its retraction id-2."""
    run = taken_back(Run([Said(copy=EAST), Said(copy=EAST)]).evidence(), "id-0", by="key-2")
    legal = run
    for agency in (WEST, EAST):
        legal = with_store(legal, agency, received=changed(0, state="retracted", steps=STEPS))
    for n in (0, 1):
        legal = with_store(legal, POLICE, sent=changed(n, state="retracted"))
    assert judge(legal) == []
    taken = run.stores[EAST].received[0]
    planted = with_store(legal, EAST, received=lambda rows: [taken, *rows[1:]])
    assert (Kind.LOST, "id-1", f"taken back, and acknowledged at {EAST}") in whys(planted)
    planted = with_store(legal, POLICE, sent=changed(1, state="acknowledged"))
    assert any(about == "id-1" for _, about, _ in whys(planted))
    digest = legal.stores[POLICE].sent[1].digest
    untold = not_logged(legal, lambda s: (s.what, s.digest) == ("retracted", digest))
    assert [f.about for f in only(untold, Kind.UNAUDITED)] == ["id-1"]


def test_where_one_of_the_two_is_not_there_another_finding_says_so(retracted):
    for n in (0, 1):
        gone = with_store(retracted, WEST, received=without(n))
        assert not any("taken back" in why for _, _, why in whys(gone))
