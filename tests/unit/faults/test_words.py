"""Of each kind of receipt one goes out, and a person either takes a message or refuses it."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Kind
from unit.faults.legal import END, GONE, POLICE, WEST, Run, Said
from unit.faults.planting import asked, only, put_back


def more(evidence, what, *digests, like=None, at=END):
    """Return the evidence in which a receipt went out again, with other bytes."""
    first = next(s for s in evidence.log if s.kind == "receipt" and s.what == (like or what))
    twins = tuple(
        replace(first, offset=first.offset + 50 + n, digest=each, id=f"x{n}", what=what, at=at)
        for n, each in enumerate(digests)
    )
    twins = tuple(replace(twin, leaf=twin.digest) for twin in twins)
    topics = tuple(replace(s, at=at) if s == first else s for s in evidence.topics)
    return replace(evidence, log=(*evidence.log, *twins), topics=(*topics, *twins))


@pytest.mark.parametrize(
    ("fate", "what"),
    [("refused", "refused"), ("acknowledged", "delivered"), ("erased", "delivered")],
)
def test_duplicated_a_receipt_of_any_kind_with_other_bytes(fate, what):
    run = Run([Said(fate=fate)]).evidence()
    assert judge(run) == []
    planted = more(run, what, "ab" * 32)
    (finding,) = only(planted, Kind.DUPLICATED)
    assert f"said {what} 2 times" in finding.why
    assert judge(put_back(more(run, what, "ab" * 32, at=END - 10), WEST, END - 15, END - 5)) == []
    assert only(put_back(planted, WEST, END - 30, END - 20), Kind.DUPLICATED)


def test_what_came_again_is_delivered_again_and_no_more_often():
    run = Run([Said(twice=True)]).evidence()
    assert judge(more(run, "delivered", "ab" * 32)) == []
    assert only(more(run, "delivered", "ab" * 32, "cd" * 32), Kind.DUPLICATED)
    refused = Run([Said(twice=True, fate="refused")]).evidence()
    assert only(more(refused, "refused", "ab" * 32), Kind.DUPLICATED)  # a person said it


def test_what_came_before_the_broker_was_lost_may_have_been_delivered_unlogged():
    run = Run([Said(), Said()], broker_lost=1).evidence()
    assert judge(more(run, "delivered", "ab" * 32)) == []
    assert only(more(run, "delivered", "ab" * 32, "cd" * 32), Kind.DUPLICATED)


def test_what_a_gateway_turns_away_it_turns_away_each_time_it_comes():
    run = Run([Said(to=GONE, fate="turned-away", twice=True)]).evidence()
    assert judge(more(run, "refused", "ab" * 32)) == []
    assert only(more(run, "refused", "ab" * 32, "cd" * 32), Kind.DUPLICATED)


@pytest.mark.parametrize(
    ("fate", "other"), [("refused", "acknowledged"), ("acknowledged", "refused")]
)
def test_duplicated_one_message_taken_and_refused(fate, other):
    run = replace(Run([Said(fate=fate)]).evidence(), revoked=frozenset())
    run = asked(run, "acknowledge", WEST, (POLICE, "id-0"))  # both were asked for
    planted = more(run, other, "ab" * 32, like=fate)
    (finding,) = only(planted, Kind.DUPLICATED)
    assert "both" in finding.why
    forgotten = more(run, other, "ab" * 32, like=fate, at=END - 10)
    assert judge(put_back(forgotten, WEST, END - 15, END - 5)) == []
