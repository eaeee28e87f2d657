"""Linked copies: the checker finds what was lost, strayed, came twice or belongs to nothing."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Kind, Phase
from unit.faults.legal import EAST, GONE, POLICE, WEST, Run, Said
from unit.faults.planting import changed, kinds, only, put_back, with_store, without


@pytest.fixture
def copied():
    evidence = Run([Said(), Said(copy=EAST), Said()]).evidence()
    assert judge(evidence) == []
    assert evidence.stores[EAST].received
    return evidence


def place_of(evidence):
    return next(n for n, row in enumerate(evidence.stores[POLICE].sent) if row.linked_to)


def test_a_linked_copy_that_was_lost_is_found_at_either_end(copied):
    kept = with_store(copied, POLICE, sent=without(place_of(copied)))
    assert any("not kept" in f.why for f in judge(kept) if f.kind is Kind.LOST)
    assert only(with_store(copied, EAST, received=without(0)), Kind.LOST)
    excused = with_store(copied, POLICE, sent=lambda rows: [rows[0], rows[3]])
    assert judge(put_back(excused, POLICE, 105, 115)) == []
    assert Kind.LOST in kinds(put_back(kept, POLICE, 200, 300))


def test_a_linked_copy_for_another_than_was_named_is_found(copied):
    n = place_of(copied)
    other = with_store(copied, POLICE, sent=changed(n, recipient=GONE))
    assert any("kept for another" in f.why for f in judge(other) if f.kind is Kind.MISDELIVERED)
    row = copied.stores[EAST].received[0]
    strayed = with_store(copied, GONE, received=lambda rows: [*rows, row])
    assert any("received by" in f.why for f in judge(strayed) if f.kind is Kind.MISDELIVERED)
    same = Run([Said(copy=WEST)]).evidence()
    assert any("itself" in f.why for f in judge(same) if f.kind is Kind.MISDELIVERED)


def test_a_linked_copy_that_is_there_twice_or_that_nobody_was_told_of_is_found(copied):
    n = place_of(copied)
    twin = replace(copied.stores[POLICE].sent[n], id="id-9")
    assert any(
        "beyond" in f.why
        for f in judge(with_store(copied, POLICE, sent=lambda rows: [*rows, twin]))
        if f.kind is Kind.DUPLICATED
    )
    history = tuple(replace(e, linked=()) if e.linked else e for e in copied.history)
    untold = judge(replace(copied, history=history))
    assert any("beyond" in f.why for f in untold if f.kind is Kind.DUPLICATED)
    unheard = Run([Said(answer="unheard", copy=EAST)]).evidence()
    assert judge(unheard) == []
    twin = replace(next(r for r in unheard.stores[POLICE].sent if r.linked_to), id="id-9")
    twice = with_store(unheard, POLICE, sent=lambda rows: [*rows, twin])
    assert any("beyond" in f.why for f in judge(twice) if f.kind is Kind.DUPLICATED)


def test_a_linked_copy_of_nothing_or_of_another_message_is_found(copied):
    n = place_of(copied)
    for of in ("id-77", "id-0", None):
        planted = judge(with_store(copied, POLICE, sent=changed(n, linked_to=of)))
        assert {Kind.INVENTED} <= {f.kind for f in planted}, of


def test_a_linked_copy_whose_message_is_not_kept_is_invented():
    unheard = Run([Said(answer="unheard", copy=EAST)]).evidence()
    alone = with_store(unheard, POLICE, sent=without(0))
    assert any("not in the sender" in f.why for f in judge(alone) if f.kind is Kind.INVENTED)


def test_a_copys_content_is_misdelivered_where_nobody_named_its_reader(copied):
    opened = next(
        e for e in copied.history if e.call == "open" and e.agency == EAST and e.phase is Phase.OK
    )
    asked = next(e for e in copied.history if e.op == opened.op)
    for name in ("id-1", asked.id):  # the message's own, and its copy's
        more = replace(asked, op=9000, agency=GONE, id=name), replace(opened, op=9000, agency=GONE)
        assert Kind.MISDELIVERED in kinds(replace(copied, history=(*copied.history, *more)))
    wrong = tuple(replace(e, content="f" * 64) if e is opened else e for e in copied.history)
    assert only(replace(copied, history=wrong), Kind.UNREADABLE)
