"""What log or topics have carried is where it was carried to, whatever both stores have lost."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Aside, Expired, Kind, StoreDump, since
from unit.faults.legal import EAST, END, POLICE, WEST, Run, Said
from unit.faults.planting import (
    changed,
    forgotten,
    kinds,
    not_logged,
    only,
    put_back,
    with_store,
    without,
)


def unsaid(evidence, digest):
    """Return the evidence in which nobody ever said anything of that message."""
    gone = [s for s in evidence.log if digest == (s.digest if s.kind == "event" else s.of)]
    topics = tuple(seen for seen in evidence.topics if seen not in gone)
    return replace(not_logged(evidence, lambda seen: seen in gone), topics=topics)


def lost_at_both(answer="ok", *, said=False):
    """Return a run whose second message is on its topic and in the log, and in no store."""
    run = Run([Said(), Said(answer=answer), Said()]).evidence()
    row = run.stores[POLICE].sent[1]
    lacks = with_store(run, POLICE, sent=without(1), outbox=without(1))
    lacks = forgotten(lacks, WEST, row.id)
    return (lacks if said else unsaid(lacks, row.digest)), row


@pytest.mark.parametrize("said", [False, True])
def test_lost_what_its_sender_forgot_and_its_recipient_lacks(said):
    lacks, row = lost_at_both(said=said)
    restored = put_back(lacks, POLICE, row.created - 5, row.created + 5)
    found = only(restored, Kind.LOST)
    assert any("in neither store" in each.why for each in found)
    assert any("said acknowledged, delivered" in each.why for each in found) is said


@pytest.mark.parametrize("seen", ["log", "topics"])
def test_lost_what_nobody_answered_and_both_ends_forgot(seen):
    lacks, _ = lost_at_both("unheard")
    (finding,) = only(lacks, Kind.LOST)
    assert "in neither store" in finding.why
    alone = {"log": (), "topics": ()} | {seen: getattr(lacks, seen)}
    assert any("in neither store" in each.why for each in judge(replace(lacks, **alone)))


@pytest.mark.parametrize("how", ["expired", "later", "broker"])
def test_excused_is_what_a_restored_sender_forgot_if_its_topic_is_gone(how):
    lacks, row = lost_at_both()
    (seen,) = [s for s in lacks.log if s.digest == row.digest and s.kind == "message"]
    if how == "expired":
        gone = replace(lacks, expired=frozenset({Expired(seen.topic_id, seen.offset + 1)}))
    elif how == "later":
        gone = replace(
            lacks,
            topics=tuple(
                s for s in lacks.topics if s.topic != seen.topic or s.offset > seen.offset
            ),
        )
    else:
        rest = tuple(s for s in lacks.topics if s.topic != seen.topic)
        first = replace(seen, topic_id="again", offset=0, kind=None, leaf="again")
        gone = replace(lacks, topics=(*rest, first), log=(*lacks.log, first))
    assert judge(put_back(gone, POLICE, row.created - 5, row.created + 5)) == []
    assert Kind.LOST in kinds(put_back(gone, POLICE, row.created + 5, row.created + 9))
    assert Kind.LOST in kinds(put_back(gone, WEST, row.created - 5, row.created + 5))


def test_excused_is_what_a_restored_recipient_said_of_what_cannot_come_again():
    lacks, row = lost_at_both("unheard", said=True)
    (seen,) = [s for s in lacks.log if s.digest == row.digest and s.kind == "message"]
    gone = replace(lacks, expired=frozenset({Expired(seen.topic_id, seen.offset + 1)}))

    def accused(evidence, agency):
        return any(f.about == row.digest for f in judge(put_back(evidence, agency, END - 10, END)))

    assert not accused(gone, WEST)
    assert accused(lacks, WEST)  # it comes again
    assert accused(gone, EAST)


def test_stuck_a_word_that_left_and_that_its_sender_never_heard():
    run = Run([Said(), Said()]).evidence()
    back = with_store(run, WEST, received=changed(0, state="received", steps=()))
    planted = with_store(
        back, POLICE, sent=changed(0, state="delivered", steps=("sent", "delivered"))
    )
    said = next(e.at for e in run.history if e.call == "acknowledge")
    found = only(put_back(planted, WEST, said - 5, said + 5), Kind.STUCK)
    assert "said acknowledged, delivered at the sender" in found[0].why
    digest = run.stores[POLICE].sent[0].digest
    (word,) = [s for s in run.log if (s.what, s.of) == ("acknowledged", digest)]
    expired = replace(planted, expired=frozenset({Expired(word.topic_id, word.offset + 1)}))
    assert judge(put_back(expired, WEST, said - 5, said + 5)) == []  # it has to be said again


def test_stuck_a_delivered_that_its_sender_never_heard():
    run = Run([Said(fate="delivered")]).evidence()
    planted = with_store(run, POLICE, sent=changed(0, state="overdue", steps=("sent", "overdue")))
    (finding,) = only(planted, Kind.STUCK)
    assert "said delivered" in finding.why


@pytest.mark.parametrize("of", ["unknown", "theirs"])
def test_invented_a_receipt_by_who_never_had_the_message(of):
    run = Run([Said()]).evidence()
    (word,) = [s for s in run.log if s.what == "acknowledged"]
    more = {"digest": "ef" * 32, "id": "q", "offset": 99}
    more |= {"of": "cd" * 32} if of == "unknown" else {"sender": EAST}
    planted = replace(run, log=(*run.log, replace(word, **more)))
    assert Kind.INVENTED in kinds(planted)


def test_lost_a_message_that_the_log_alone_knows():
    run = Run([Said()]).evidence()
    seen = next(s for s in run.log if s.kind == "message")
    ghost = replace(seen, offset=99, id="id-ghost", digest="cd" * 32)
    (finding,) = only(replace(run, log=(*run.log, ghost)), Kind.LOST)
    assert "id-ghost" in finding.about


def test_what_was_carried_before_a_run_is_none_of_it():
    run = Run([Said(), Said()]).evidence()
    before = {
        POLICE: StoreDump(sent=run.stores[POLICE].sent[:1]),
        WEST: StoreDump(received=run.stores[WEST].received[:1]),
    }
    later = since(run, before)
    history = tuple(e for e in later.history if e.op not in _of_first(run))
    history = tuple(replace(e, items=tuple(i for i in e.items if i[1] != "id-0")) for e in history)
    assert judge(replace(later, history=history)) == []


def _of_first(run):
    return {e.op for e in run.history if e.id == "id-0" or e.key == "key-0"}


def test_what_somebody_put_on_a_topic_before_a_run_is_none_of_it():
    """Tests share a district: another one's forgeries lie in its topics and its log."""
    run = Run([Said()]).evidence()
    seen = next(s for s in run.topics if s.kind == "receipt")
    forged = replace(seen, offset=99, digest="cd" * 32, of="ef" * 32, at=1.0)
    again = replace(forged, offset=98, digest="ab" * 32)
    planted = replace(run, topics=(*run.topics, forged, again), log=(*run.log, forged, again))
    assert {Kind.INVENTED} <= kinds(planted)
    assert not {Kind.INVENTED, Kind.DUPLICATED, Kind.LOST} & set(kinds(since(planted, {})))


def test_what_was_put_aside_of_it_meanwhile_is_none_of_the_run_either():
    """It was parked when the run began, and its time came."""
    run = Run([Said()]).evidence()
    seen = next(s for s in run.topics if s.kind == "receipt")
    forged = replace(seen, offset=99, digest="cd" * 32, of="ef" * 32, at=1.0)
    aside = Aside(forged.topic, 99, "agreement-unknown", forged.digest)
    planted = replace(run, topics=(*run.topics, forged), log=(*run.log, forged))
    planted = with_store(planted, POLICE, quarantined=lambda rows: (*rows, aside))
    assert any("agreement-unknown" in each.why for each in judge(planted))
    assert not any("agreement-unknown" in each.why for each in judge(since(planted, {})))
