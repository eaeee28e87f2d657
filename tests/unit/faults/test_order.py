"""Out of order within a thread: found, and excused by what really reorders alone."""

from dataclasses import replace

from faults.checker import judge
from faults.evidence import Expired, Kind
from unit.faults.legal import WEST, Run, Said
from unit.faults.planting import only, with_store


def test_out_of_order_within_a_thread(legal):
    rows = legal.stores[WEST].received
    swapped = {rows[0].seq: rows[1].seq, rows[1].seq: rows[0].seq}
    planted = with_store(
        legal,
        WEST,
        received=lambda rows: [replace(r, seq=swapped.get(r.seq, r.seq)) for r in rows],
    )
    (finding,) = only(planted, Kind.DISORDERED)
    assert "id-0" in finding.about


def test_out_of_order_is_not_excused_by_another_messages_parking(legal):
    run = Run([Said(), Said(), Said(parked=1), Said()])
    assert judge(run.evidence()) == []
    swapped = {1: 2, 2: 1}
    planted = with_store(
        run.evidence(),
        WEST,
        received=lambda rows: [replace(r, seq=swapped.get(r.seq, r.seq)) for r in rows],
    )
    assert only(planted, Kind.DISORDERED)


def test_out_of_order_is_not_excused_by_a_broker_that_was_lost_before_it_was_sent():
    run = Run([Said(), Said(), Said()], broker_lost=1)
    planted = with_store(
        run.evidence(),
        WEST,
        received=lambda rows: [replace(r, seq={2: 3, 3: 2}.get(r.seq, r.seq)) for r in rows],
    )
    # Both of them were answered after the new topic had its first record.
    late = tuple(replace(s, at=1.0) for s in planted.topics)
    assert only(replace(planted, topics=late), Kind.DISORDERED)


def test_out_of_order_in_what_the_inbox_showed(legal):
    def backwards(evidence):
        history = tuple(replace(e, items=e.items[::-1]) for e in evidence.history)
        return replace(evidence, history=history)

    found = only(backwards(legal), Kind.DISORDERED)
    assert all("shown after" in f.why for f in found)
    # What was parked may be shown late, as it came; what lies in the page behind it may not.
    parked = Run([Said(parked=1), Said(), Said(), Said()]).evidence()
    assert judge(parked) == []
    (page, *_) = [e for e in parked.history if e.call == "pull" and e.items]
    assert [id_ for _, id_ in page.items] == ["id-1", "id-0"]
    found = only(backwards(parked), Kind.DISORDERED)
    assert {f.about.split()[0] for f in found} == {"id-2"}


def test_out_of_order_is_excused_by_a_lost_broker_for_what_was_received_from_the_new_one_alone():
    def swapped(evidence):
        return with_store(
            evidence,
            WEST,
            received=lambda rows: [replace(r, seq={1: 2, 2: 1}.get(r.seq, r.seq)) for r in rows],
        )

    before = Run([Said(), Said(), Said()], broker_lost=2).evidence()
    # Both were received from the topic that is no more, long before.
    assert only(swapped(before), Kind.DISORDERED)
    again = Run([Said(lost=True), Said(), Said()], broker_lost=2).evidence()
    assert judge(again) == []


def test_out_of_order_is_excused_by_what_a_fault_deleted_from_a_topic_that_is_gone_by_now(legal):
    rows = legal.stores[WEST].received
    swapped = {rows[0].seq: rows[1].seq, rows[1].seq: rows[0].seq}
    planted = with_store(
        legal,
        WEST,
        received=lambda rows: [replace(r, seq=swapped.get(r.seq, r.seq)) for r in rows],
    )
    first = next(seen for seen in legal.log if seen.id == "id-0" and seen.kind == "message")
    before = replace(first, topic="gone", topic_id="gone", offset=77, leaf="gone", to=None)
    twice = replace(planted, log=(*legal.log, before))
    for deleted in (set(), {Expired("gone", 77)}, {Expired("another", 90)}):
        assert only(replace(twice, expired=frozenset(deleted)), Kind.DISORDERED)
    assert judge(replace(twice, expired=frozenset({Expired("gone", 78)}))) == []
