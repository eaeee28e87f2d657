"""What two looks at a store make of what waits in it: only what waits in both is waiting."""

from dataclasses import replace

from faults.evidence import Aside, OutRow, StoreDump
from faults.gathering import _still_waiting

ROW = OutRow(
    1, "inbox.jugendamt-west.polizei-probe", "message", "d" * 64, produced=True, settled=False
)
EARLY = Aside("inbox.jugendamt-west.polizei-probe", 3, "signer-unknown")


def seen(before, after):
    return _still_waiting(StoreDump(outbox=before), StoreDump(outbox=after)).outbox


def test_a_row_that_left_meanwhile_does_not_wait_and_one_that_came_is_for_the_next_look():
    assert seen((ROW,), ()) == ()
    assert seen((), (ROW,)) == ()


def test_a_row_is_unproduced_only_if_it_was_so_both_times():
    waits = replace(ROW, produced=False)
    assert [row.produced for row in seen((waits,), (waits,))] == [False]
    assert [row.produced for row in seen((waits,), (ROW,))] == [True]
    assert [row.produced for row in seen((ROW,), (waits,))] == [True]  # again, a moment ago


def test_what_a_gateway_found_in_the_log_meanwhile_counts():
    found = replace(ROW, included=True, settled=True)
    assert seen((ROW,), (found,)) == (found,)


def test_parked_is_what_is_parked_both_times():
    def parked(*rows):
        return StoreDump(parked=rows)

    assert _still_waiting(parked(EARLY), parked()).parked == ()
    assert _still_waiting(parked(EARLY), parked(EARLY)).parked == (EARLY,)
