"""The checker's excuses reach exactly as far as they say: to the moment, and to the message."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Aside, Expired, Kind, Phase
from unit.faults.legal import EAST, END, GONE, POLICE, WEST, Run, Said
from unit.faults.planting import (
    changed,
    heard_at,
    kinds,
    only,
    put_back,
    shown_reversed,
    with_store,
    without,
)


def swapped(evidence):
    """Return the evidence in which the first two that arrived at the office arrived reversed."""
    return with_store(
        evidence,
        WEST,
        received=lambda rows: [replace(r, seq={1: 2, 2: 1}.get(r.seq, r.seq)) for r in rows],
    )


def disordered(evidence):
    return {f.about.split()[0] for f in judge(evidence) if f.kind is Kind.DISORDERED}


# -- order ----------------------------------------------------------------------------------------


def test_the_order_owed_is_that_of_the_sends_whatever_the_order_of_a_store():
    run = Run([Said(), Said(), Said()]).evidence()
    planted = with_store(swapped(run), POLICE, sent=lambda rows: rows[::-1])
    assert disordered(planted) == {"id-0"}


def test_no_order_is_owed_to_what_was_sent_before_the_answer_or_belongs_to_no_thread():
    run = swapped(Run([Said(), Said()]).evidence())
    first = next(e for e in run.history if e.call == "send" and e.phase is Phase.OK)
    second = next(e for e in run.history if e.call == "send" and e.at > first.at)
    for at, found in ((second.at, {"id-0"}), (second.at + 0.1, set())):
        history = tuple(replace(e, at=at) if e is first else e for e in run.history)
        assert disordered(replace(run, history=history)) == found
    unheard = Run([Said(answer="unheard"), Said()]).evidence()
    assert judge(swapped(unheard)) == []
    # A fault's own messages have none.
    assert judge(swapped(Run([Said(foreign=True), Said(foreign=True)]).evidence())) == []


def test_what_was_never_shown_is_lost_and_has_no_place_in_the_order_shown():
    run = Run([Said(), Said(), Said()]).evidence()
    history = tuple(
        replace(e, items=tuple(i for i in e.items if i[1] != "id-0")) for e in run.history
    )
    assert only(replace(run, history=history), Kind.LOST)


def test_a_lost_broker_excuses_what_was_answered_before_its_topics_very_first_record():
    run = Run([Said(lost=True), Said(), Said()], broker_lost=1).evidence()
    topic = f"inbox.{WEST}.{POLICE}"
    answered = next(e.at for e in run.history if e.call == "send" and e.phase is Phase.OK)
    assert judge(run) == []

    def began(first, others=END):
        """Let the topic that is there begin at that moment."""
        there = [s for s in run.topics if s.topic == topic]
        at = {s: first if s.offset == 0 else others for s in there}
        return replace(run, topics=tuple(replace(s, at=at.get(s, s.at)) for s in run.topics))

    assert disordered(began(answered + 0.1)) == set()
    assert disordered(began(answered)) == {"id-0"}
    assert disordered(began(answered - 1, END)) == {"id-0"}
    backwards = began(answered - 1, END)  # a topic is as old as its first offset
    assert disordered(replace(backwards, topics=backwards.topics[::-1])) == {"id-0"}


def test_a_lost_broker_is_known_from_what_topics_alone_have_as_well():
    run = Run([Said(lost=True), Said(), Said()], broker_lost=1).evidence()
    there = {s.topic_id for s in run.topics}
    unlogged = replace(run, log=tuple(s for s in run.log if s.topic_id not in there))
    assert disordered(unlogged) == set()


def expired(evidence, *, again):
    """Return the evidence in which the topic begins behind the first message, which is `again`."""
    first = next(s for s in evidence.topics if s.id == "id-0" and s.kind == "message")
    topics = tuple(s for s in evidence.topics if s is not first)
    if again:
        later = replace(first, offset=50, leaf="later")
        evidence = replace(evidence, log=(*evidence.log, later))
        topics = (*topics, later)
        evidence = with_store(evidence, WEST, received=changed(0, offset=50))
    return replace(evidence, topics=topics)


def test_what_expired_in_its_topic_is_excused_if_it_was_received_from_a_later_place_alone():
    run = swapped(Run([Said(), Said(), Said()]).evidence())
    assert disordered(run) == {"id-0"}
    assert disordered(expired(run, again=True)) == set()
    # It was received before the topic forgot it.
    assert disordered(expired(run, again=False)) == {"id-0"}
    there = replace(expired(run, again=True), topics=run.topics)  # the topic still has it
    assert disordered(there) == {"id-0"}


def test_a_topic_of_which_nothing_is_known_has_forgotten_nothing():
    run = expired(swapped(Run([Said(), Said(), Said()]).evidence()), again=True)
    old = next(s for s in run.log if s.id == "id-0" and s.kind == "message")
    log = tuple(replace(s, topic="gone", topic_id="gone") if s is old else s for s in run.log)
    assert disordered(replace(run, log=log)) == {"id-0"}


def test_of_two_deletions_in_a_topic_the_farther_one_counts():
    run = swapped(Run([Said(), Said(), Said()]).evidence())
    first = next(s for s in run.log if s.id == "id-0" and s.kind == "message")
    gone = replace(first, topic="gone", topic_id="gone", offset=77, leaf="gone", to=None)
    planted = replace(run, log=(*run.log, gone))
    less = frozenset(Expired("gone", end) for end in range(40))
    assert disordered(replace(planted, expired=less)) == {"id-0"}
    assert disordered(replace(planted, expired=less | {Expired("gone", 78)})) == set()


@pytest.mark.parametrize("again", ["id-0", "id-2"])
def test_of_two_that_were_shown_reversed_either_may_have_been_forgotten_meanwhile(again):
    shown = heard_at(shown_reversed(), END - 980)
    of = next(row.digest for row in shown.stores[WEST].received if row.id == again)
    topics = tuple(
        replace(s, at=END - 900) if (s.what, s.of) == ("delivered", of) else s for s in shown.topics
    )
    assert disordered(put_back(shown, WEST, END - 950, END - 850)) == {"id-0"}
    assert judge(put_back(replace(shown, topics=topics), WEST, END - 950, END - 850)) == []


# -- what a gateway turned away -------------------------------------------------------------------


@pytest.mark.parametrize("state", ["refused", "undeliverable"])
def test_lost_is_what_its_state_alone_calls_turned_away(state):
    run = Run([Said(to=EAST, fate="turned-away")]).evidence()
    planted = with_store(run, POLICE, sent=changed(0, state=state, steps=("sent",)))
    assert only(planted, Kind.LOST)


def test_what_a_revoked_agency_sent_may_be_refused_given_up_and_put_aside():
    for fate in ("turned-away", "undeliverable"):
        run = Run([Said(sender=GONE, fate=fate)]).evidence()
        assert judge(run) == []
        aside = Aside(f"inbox.{WEST}.{GONE}", 0, "revoked", run.stores[GONE].sent[0].digest)
        assert judge(with_store(run, WEST, quarantined=lambda rows, a=aside: [a])) == []


@pytest.mark.parametrize("seen", ["log", "topics"])
def test_a_quarantined_message_is_known_from_the_log_or_the_topic_alone(seen):
    run = Run([Said(), Said()]).evidence()
    digest = run.stores[POLICE].sent[0].digest
    lacks = with_store(run, POLICE, sent=without(0), outbox=without(0))
    aside = Aside(f"inbox.{WEST}.{POLICE}", 0, "schema-invalid", digest)
    planted = with_store(lacks, WEST, quarantined=lambda rows: [aside])
    for where, found in ((seen, True), ("neither", False)):
        kept = {"log": (), "topics": ()} | ({where: getattr(run, where)} if found else {})
        told = [f.why for f in judge(replace(planted, **kept)) if f.kind is Kind.LOST]
        assert any("quarantined" in why for why in told) is found


# -- stores that were put back --------------------------------------------------------------------


def test_an_answer_may_be_noted_a_second_after_the_end_of_the_store_that_gave_it():
    run = Run([Said(), Said()]).evidence()
    answered = next(e.at for e in run.history if e.call == "send" and e.phase is Phase.OK)
    lacks = with_store(run, POLICE, sent=without(0), outbox=without(0))
    for copied, back in ((50, answered - 1), (50, answered), (answered, answered + 9)):
        assert judge(put_back(lacks, POLICE, copied, back)) == []
    for copied, back in ((50, answered - 1.1), (answered + 0.1, answered + 9)):
        assert Kind.LOST in kinds(put_back(lacks, POLICE, copied, back))


def test_a_receipt_may_be_in_the_topic_a_second_after_the_end_of_the_store_that_gave_it():
    run = Run([Said()]).evidence()
    receipt = next(s for s in run.topics if s.what == "acknowledged")
    first, twin = replace(receipt, at=END - 380), replace(receipt, digest="other", offset=900)
    topics = (*(first if s == receipt else s for s in run.topics), twin)
    twice = replace(run, topics=topics, log=(*run.log, twin))
    for copied, back in ((END - 500, END - 381), (END - 380, END - 300)):
        assert judge(put_back(twice, WEST, copied, back)) == []
    for copied, back in ((END - 500, END - 381.1), (END - 379.9, END - 300)):
        assert only(put_back(twice, WEST, copied, back), Kind.DUPLICATED)


@pytest.mark.parametrize("known", ["receipt", "inbox"])
def test_an_arrival_is_known_from_its_receipt_or_from_the_inbox_that_showed_it(known):
    run = Run([Said()]).evidence()
    page = next(e for e in run.history if e.call == "pull" and e.items)
    later = replace(page, op=9000, at=page.at + 500)
    again = (replace(later, phase=Phase.INVOKED, items=()), later)
    twice = replace(run, history=(*run.history, *again))
    at = page.at  # when it was first shown
    if known == "receipt":
        at -= 300
        twice = heard_at(twice, at)
    else:  # the broker has no receipt of it any more
        twice = replace(twice, topics=tuple(s for s in twice.topics if s.what != "delivered"))
    for copied, back in ((at - 50, at - 1), (at, at + 9)):
        assert judge(put_back(twice, WEST, copied, back)) == []
    for copied, back in ((at - 50, at - 1.1), (at + 0.1, at + 9)):
        assert only(put_back(twice, WEST, copied, back), Kind.DUPLICATED)
    other = put_back(twice, EAST, at - 50, at + 9)
    assert only(other, Kind.DUPLICATED)


@pytest.mark.parametrize(("fate", "call"), [("acknowledged", "acknowledge"), ("refused", "refuse")])
def test_a_word_that_nobody_answered_may_be_forgotten_and_one_that_failed_was_none(fate, call):
    run = Run([Said(fate=fate)]).evidence()
    word = next(e for e in run.history if e.call == call and e.phase is Phase.OK)
    back = with_store(run, WEST, received=changed(0, state="opened"))

    def ended(phase, copied, back_at):
        history = tuple(replace(e, phase=phase) if e is word else e for e in back.history)
        return put_back(replace(back, history=history), WEST, copied, back_at)

    for window in ((word.at - 50, word.at + 50), (word.at + 20, word.at + 50)):
        # It may have been done long after who asked had given up.
        assert judge(ended(Phase.UNKNOWN, *window)) == []
    assert Kind.STUCK in kinds(ended(Phase.UNKNOWN, word.at - 50, word.at - 40))
    assert judge(ended(Phase.OK, word.at - 50, word.at + 50)) == []
    assert Kind.STUCK in kinds(ended(Phase.OK, word.at + 20, word.at + 50))
    assert Kind.STUCK in kinds(ended(Phase.FAIL, word.at - 50, word.at + 50))


def test_a_message_that_nobody_sent_explains_no_retraction():
    run = Run([Said(), Said()]).evidence()
    taken_back = with_store(
        run, WEST, received=changed(0, state="retracted", steps=("acknowledged", "retracted"))
    )
    row = replace(taken_back.stores[WEST].received[1], id="id-77", digest="d77", seq=77)
    planted = with_store(taken_back, WEST, received=lambda rows: [*rows, row])
    assert {Kind.STUCK, Kind.INVENTED} <= kinds(put_back(planted, POLICE, 0, END))


def test_anothers_unheard_tries_explain_no_message():
    run = Run([Said(), Said(sender=WEST, to=EAST, answer="unheard")]).evidence()
    row = replace(run.stores[WEST].received[0], id="id-77", digest="d77", seq=77)
    planted = with_store(run, WEST, received=lambda rows: [*rows, row])
    restored = put_back(planted, WEST, 0, END)
    assert Kind.INVENTED in kinds(restored)
    twice = restored.restored | put_back(planted, POLICE, 0, 99).restored
    assert Kind.INVENTED in kinds(replace(restored, restored=twice))


# -- linked copies --------------------------------------------------------------------------------


def test_a_copy_that_its_senders_older_copy_lacks_may_be_opened_by_whom_no_order_names():
    run = Run([Said(answer="unheard", copy=EAST)]).evidence()
    lacks = with_store(run, POLICE, sent=lambda rows: (), outbox=lambda rows: ())
    assert judge(put_back(lacks, POLICE, 99, 105)) == []
    assert {Kind.MISDELIVERED, Kind.INVENTED} == kinds(put_back(lacks, POLICE, 50, 99))


def test_a_message_that_is_kept_is_opened_by_whom_it_is_for_whatever_was_forgotten_beside_it():
    run = Run([Said()]).evidence()
    opened = next(e for e in run.history if e.call == "open" and e.phase is Phase.OK)
    asked = next(e for e in run.history if e.op == opened.op)
    more = (replace(asked, op=9000, agency=EAST), replace(opened, op=9000, agency=EAST))
    planted = replace(run, history=(*run.history, *more))
    assert Kind.MISDELIVERED in kinds(put_back(planted, POLICE, 0, END))
