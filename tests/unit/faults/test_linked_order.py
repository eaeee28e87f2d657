"""Linked copies of one thread reach their office in the order in which their messages were sent."""

from dataclasses import replace

from faults.checker import judge
from faults.evidence import Kind
from unit.faults.legal import EAST, Run, Said
from unit.faults.planting import only, with_store


def reversed_at(evidence, agency):
    def rows(there):
        first, second = there
        return [replace(second, seq=1), replace(first, seq=2)]

    history = tuple(
        replace(e, items=tuple(reversed(e.items))) if e.agency == agency else e
        for e in evidence.history
    )
    return with_store(replace(evidence, history=history), agency, received=rows)


def test_disordered_two_copies_of_one_thread():
    run = Run([Said(copy=EAST), Said(copy=EAST)]).evidence()
    found = only(reversed_at(run, EAST), Kind.DISORDERED)
    assert any("arrived after it" in each.why for each in found)


def test_no_order_is_owed_to_copies_of_two_threads_or_of_what_nobody_answered():
    threads = Run([Said(copy=EAST, thread="a"), Said(copy=EAST, thread="b")]).evidence()
    assert judge(reversed_at(threads, EAST)) == []
    unheard = Run([Said(copy=EAST, answer="unheard"), Said(copy=EAST)]).evidence()
    assert judge(reversed_at(unheard, EAST)) == []


def test_a_copy_that_was_parked_may_come_late():
    run = Run([Said(copy=EAST), Said(copy=EAST)]).evidence()
    late = run.stores[EAST].received[0]
    event = next(s for s in run.log if s.kind == "event")
    parked = replace(event, sender=EAST, what="parked", digest=late.digest, offset=900, leaf="p")
    told = replace(run, log=(*run.log, parked))
    assert Kind.DISORDERED not in {f.kind for f in judge(reversed_at(told, EAST))}
