"""The SQL of what was sent: pages, moves by the table, deadlines, and what is forgotten."""

from datetime import timedelta

import pytest

from meldeweg.gateway.states import SentMove, SentState
from meldeweg.gateway.store import sent as sent_rows
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import new_message_id
from meldeweg.kernel.statement import Urgency
from unit.gateway.gateway_rows import NOW, sent


def test_a_sent_message_is_read_back_equal(db):
    new = sent(exercise=True, thread=b"sealed", linked_to=new_message_id())
    n = sent_rows.insert(db, new)
    found = sent_rows.by_id(db, new.id)
    assert found == sent_rows.by_digest(db, new.digest)
    assert found.n == n
    assert {name: getattr(found, name) for name in new.__slots__} == {
        name: getattr(new, name) for name in new.__slots__
    }
    assert sent_rows.by_id(db, new_message_id()) is None


def test_sent_pages_are_newest_first_and_go_on_where_they_ended(db):
    ids = [sent_rows.insert(db, sent()) for _ in range(5)]
    first = sent_rows.page(db, None, 3)
    second = sent_rows.page(db, first[-1].n, 3)
    assert [row.n for row in (*first, *second)] == ids[::-1]
    assert sent_rows.page(db, None, 3, SentState.OVERDUE) == []


def test_a_kennzeichen_is_taken_while_its_message_is_open(db):
    new = sent()
    sent_rows.insert(db, new)
    assert sent_rows.kennzeichen_taken(db, new.kennzeichen)
    sent_rows.move(db, sent_rows.by_id(db, new.id), SentMove.ACKNOWLEDGED, NOW)
    assert not sent_rows.kennzeichen_taken(db, new.kennzeichen)


def test_moves_follow_the_table_and_are_noted_once(db):
    new = sent()
    sent_rows.insert(db, new)
    steps = [SentMove.PRODUCED, SentMove.DELIVERED, SentMove.PRODUCED, SentMove.REFUSED]
    for step in steps:
        sent_rows.move(db, sent_rows.by_id(db, new.id), step, NOW, "not-responsible")
    message = sent_rows.by_id(db, new.id)
    assert message.state is SentState.REFUSED
    assert [step.kind for step in sent_rows.timeline(db, message.n)] == [
        "sent",
        "delivered",
        "refused",
    ]


def test_a_delivered_that_comes_again_does_not_undo_a_refusal(db):
    new = sent()
    sent_rows.insert(db, new)
    for step in (SentMove.DELIVERED, SentMove.REFUSED, SentMove.DELIVERED):
        sent_rows.move(db, sent_rows.by_id(db, new.id), step, NOW)
    assert sent_rows.by_id(db, new.id).state is SentState.REFUSED


def test_an_impossible_move_is_refused_and_leaves_no_trace(db):
    new = sent()
    sent_rows.insert(db, new)
    sent_rows.move(db, sent_rows.by_id(db, new.id), SentMove.ACKNOWLEDGED, NOW)
    message = sent_rows.by_id(db, new.id)
    with pytest.raises(Refused):
        sent_rows.move(db, message, SentMove.REFUSED, NOW)
    assert len(sent_rows.timeline(db, message.n)) == 1


def test_marking_many_as_sent_is_the_same_as_the_table(db):
    rows = {state: sent(state=state) for state in SentState}
    for row in rows.values():
        sent_rows.insert(db, row)
    sent_rows.mark_sent(db, [(row.digest, NOW) for row in rows.values()] * 2)
    for state, row in rows.items():
        found = sent_rows.by_id(db, row.id)
        one_by_one = sent(state=state)
        sent_rows.insert(db, one_by_one)
        expected = sent_rows.move(db, sent_rows.by_id(db, one_by_one.id), SentMove.PRODUCED, NOW)
        assert found.state is expected
        assert [step.kind for step in sent_rows.timeline(db, found.n)] == ["sent"]


def test_past_deadline_finds_each_message_until_it_is_marked(db):
    late, in_time = sent(ack_by=NOW - timedelta(milliseconds=1)), sent(ack_by=NOW)
    for row in (late, in_time):
        sent_rows.insert(db, row)
    (found,) = sent_rows.past_deadline(db, NOW)
    assert found.id == late.id
    assert sent_rows.mark_overdue(db, found, NOW) is SentState.OVERDUE
    assert sent_rows.past_deadline(db, NOW) == []


def test_a_silent_immediate_message_alarms_once_and_only_without_delivered(db):
    silent, delivered = sent(urgency=Urgency.IMMEDIATE), sent(urgency=Urgency.IMMEDIATE)
    for row in (silent, delivered, sent()):
        sent_rows.insert(db, row)
    at = sent_rows.by_id(db, delivered.id)
    sent_rows.mark_overdue(db, at, NOW)
    sent_rows.move(db, sent_rows.by_id(db, delivered.id), SentMove.DELIVERED, NOW)
    (found,) = sent_rows.silent_immediate(db, NOW)
    assert found.id == silent.id
    assert sent_rows.silent_immediate(db, NOW - timedelta(seconds=1)) == []
    sent_rows.mark_alarmed(db, found, NOW)
    assert sent_rows.silent_immediate(db, NOW) == []


def test_forgetting_removes_what_says_too_much_and_keeps_the_rest(db):
    new = sent(thread=b"sealed", delete_after="2026-12-01")
    sent_rows.insert(db, new)
    assert sent_rows.expired(db, "2026-11-30") == []
    (due,) = sent_rows.expired(db, "2026-12-01")
    sent_rows.forget(db, due.n)
    assert sent_rows.expired(db, "2026-12-01") == []
    found = sent_rows.by_id(db, new.id)
    assert (found.answer, found.actor, found.thread) == (None, None, None)
    assert found.digest == new.digest
