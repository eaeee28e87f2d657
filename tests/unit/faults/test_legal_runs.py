"""The checker accuses no legal run, and misses whatever is taken out of one."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from faults.checker import judge
from faults.evidence import Kind, StoreDump
from unit.faults.legal import AGENCIES, ANSWERS, BACK, FATES, GONE, Run, Said
from unit.faults.planting import kinds, with_store

_pairs = st.sampled_from([(a, b) for a in AGENCIES for b in AGENCIES if a != b])


@st.composite
def messages(draw):
    sender, to = draw(_pairs)
    fate = draw(st.sampled_from(FATES))
    if fate in BACK and GONE not in (sender, to):
        to = GONE
    return Said(
        sender=sender,
        to=to,
        thread=draw(st.sampled_from("ab")),
        urgency=draw(st.sampled_from(("immediate", "today", "routine"))),
        answer=draw(st.sampled_from(ANSWERS)),
        fate=fate,
        parked=draw(st.sampled_from((0, 0, 1, 3))),
        lost=draw(st.booleans()),
        twice=draw(st.booleans()),
        overdue=draw(st.booleans()) and fate == "delivered",
        late=fate not in BACK and draw(st.booleans()),
        foreign=(foreign := draw(st.booleans())),
        copy=None if foreign or fate in BACK else draw(st.none() | _others(sender, to)),
    )


def _others(*taken):
    return st.sampled_from([agency for agency in AGENCIES if agency not in taken])


@given(
    said=st.lists(messages(), max_size=12),
    broker_lost=st.none() | st.integers(0, 12),
)
@settings(max_examples=150, deadline=None)
def test_a_legal_run_is_never_accused(said, broker_lost):
    evidence = Run(said, broker_lost).evidence()
    assert judge(evidence) == []


@given(said=st.lists(messages(), min_size=1, max_size=8), data=st.data())
@settings(max_examples=80, deadline=None)
def test_whatever_delivered_message_is_taken_away_it_is_missed(said, data):
    run = Run(said)
    arrived = [m for m in run.said if m.arrives and m.sender != GONE]
    if not arrived:
        return
    gone = data.draw(st.sampled_from(arrived))
    planted = with_store(
        run.evidence(), gone.to, received=lambda rows: [r for r in rows if r.id != gone.id]
    )
    assert Kind.LOST in kinds(planted)


def test_an_empty_run_is_legal():
    evidence = replace(Run([]).evidence(), stores=dict.fromkeys(AGENCIES, StoreDump()))
    assert judge(evidence) == []
