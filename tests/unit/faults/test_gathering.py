"""What a look at a store says of it, and what two make of what waits: what waits in both."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from faults.evidence import Aside, OutRow, StoreDump
from faults.gathering import _aside, _still_waiting
from meldeweg.gateway.store.headers import pack

WAY = json.loads((Path(__file__).parents[2] / "vectors" / "way.json").read_text())

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


def test_what_is_put_aside_is_named_by_its_statement_if_it_has_one():
    with closing(sqlite3.connect(":memory:")) as db:
        db.row_factory = sqlite3.Row
        db.execute("CREATE TABLE quarantine (topic, topic_offset, code, headers)")
        sealed = next(r for r in WAY["records"] if r["topic"].startswith("inbox.jugendamt"))
        good = pack(tuple((name, value.encode()) for name, value in sealed["headers"]))
        for headers in (good, pack((("statement", b"x"),)), pack(()), None):
            db.execute("INSERT INTO quarantine VALUES ('inbox.a.b', 3, 'why', ?)", (headers,))
        found = [_aside(row) for row in db.execute("SELECT * FROM quarantine")]
    assert [each.digest for each in found] == [WAY["expected"]["message"], None, None, None]
    assert {(each.topic, each.offset, each.code) for each in found} == {("inbox.a.b", 3, "why")}
