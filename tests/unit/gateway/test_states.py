"""The states: complete tables, no way back from a person's word, a drawing that is true."""

from contextlib import suppress
from pathlib import Path

import pytest

from meldeweg.gateway import drawing
from meldeweg.gateway.states import (
    RECEIVED,
    SENT,
    ReceivedMove,
    ReceivedState,
    SentMove,
    SentState,
    after_received,
    after_sent,
)
from meldeweg.kernel.errors import Refused

DOCUMENT = Path(__file__).parents[3] / "docs" / "states.md"


def test_every_state_has_its_row():
    assert set(SENT) == set(SentState)
    assert set(RECEIVED) == set(ReceivedState)


def test_every_state_but_the_first_can_be_reached():
    for table, first in ((SENT, SentState.QUEUED), (RECEIVED, ReceivedState.RECEIVED)):
        reached = {after for moves in table.values() for after in moves.values()}
        assert reached | {first} == set(table)


@pytest.mark.parametrize("move", [m for m in SentMove if m is not SentMove.RETRACTED])
def test_what_a_person_acknowledged_stays_acknowledged(move):
    with suppress(Refused):
        assert after_sent(SentState.ACKNOWLEDGED, move) is SentState.ACKNOWLEDGED


def test_overdue_ends_only_by_a_person_or_for_good():
    ends = {move for move, after in SENT[SentState.OVERDUE].items() if after != SentState.OVERDUE}
    assert ends == {
        SentMove.ACKNOWLEDGED,
        SentMove.REFUSED,
        SentMove.RETRACTED,
        SentMove.UNDELIVERABLE,
    }


def test_nobody_acknowledges_what_nobody_opened():
    with pytest.raises(Refused) as refused:
        after_received(ReceivedState.RECEIVED, ReceivedMove.ACKNOWLEDGED)
    assert refused.value.code == "step-impossible"


@pytest.mark.parametrize("move", ReceivedMove)
def test_what_is_erased_stays_erased(move):
    with suppress(Refused):
        assert after_received(ReceivedState.ERASED, move) is ReceivedState.ERASED


@pytest.mark.parametrize("state", set(ReceivedState) - {ReceivedState.ERASED})
def test_its_sender_can_take_back_whatever_is_still_here(state):
    assert after_received(state, ReceivedMove.RETRACTED) is ReceivedState.RETRACTED


@pytest.mark.parametrize("move", [ReceivedMove.ACKNOWLEDGED, ReceivedMove.REFUSED])
def test_nobody_takes_or_refuses_what_was_taken_back(move):
    with pytest.raises(Refused) as refused:
        after_received(ReceivedState.RETRACTED, move)
    assert refused.value.code == "step-impossible"


def test_everything_expires():
    for state in set(ReceivedState) - {ReceivedState.ERASED}:
        assert after_received(state, ReceivedMove.EXPIRED) is ReceivedState.ERASED


def test_the_drawing_in_the_docs_is_the_table_in_the_code():
    assert DOCUMENT.read_text(encoding="utf-8") == drawing.document()
