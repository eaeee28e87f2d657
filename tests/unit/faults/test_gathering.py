"""What a look at a store says of it, and what two make of what waits: what waits in both."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from faults.evidence import Aside, OutRow, StoreDump
from faults.gathering import _aside, _said, _still_waiting, store
from meldeweg.gateway.states import ReceivedMove, SentMove
from meldeweg.gateway.store import connection, database, received, sent
from meldeweg.gateway.store.headers import pack
from meldeweg.kernel import event
from meldeweg.kernel.event import Event, EventKind, Heartbeat
from meldeweg.kernel.ids import new_message_id
from meldeweg.kernel.jwk import SigningKey
from unit.gateway import gateway_rows
from unit.gateway.gateway_rows import NOW, POLICE

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


def test_a_stores_rows_say_when_a_message_was_heard_of_and_when_nobody_had_to_wait(tmp_path):
    database.migrate(tmp_path / database.FILE)

    def after(minutes):
        return NOW + timedelta(minutes=minutes)

    with closing(connection.open_writer(tmp_path / database.FILE)) as db, db:
        new = [(gateway_rows.sent(), gateway_rows.received()) for _ in range(3)]
        for ours, theirs in new:
            sent.insert(db, ours)
            received.insert(db, theirs)
        rows = [sent.by_digest(db, ours.digest) for ours, _ in new]
        there = [received.by_digest(db, theirs.digest) for _, theirs in new]
        for move, at in (
            (SentMove.OVERDUE, 4),
            (SentMove.DELIVERED, 6),
            (SentMove.REFUSED, 8),
        ):
            rows[0] = replace(rows[0], state=sent.move(db, rows[0], move, after(at)))
        sent.move(db, rows[1], SentMove.UNDELIVERABLE, after(9))
        received.move(db, there[0], ReceivedMove.OPENED, after(5))
        there[0] = received.by_digest(db, there[0].digest)
        received.move(db, there[0], ReceivedMove.ACKNOWLEDGED, after(7))
        received.move(db, there[1], ReceivedMove.RETRACTED, after(3))
    found = store(tmp_path / database.FILE)
    told = [(row.created, row.delivered, row.ended, row.steps) for row in found.sent]
    assert told == [
        (
            NOW.timestamp(),
            after(6).timestamp(),
            after(8).timestamp(),
            ("overdue", "delivered", "refused"),
        ),
        (NOW.timestamp(), None, after(9).timestamp(), ("undeliverable",)),
        (NOW.timestamp(), None, None, ()),
    ]
    came = [(row.came, row.ended, row.steps) for row in found.received]
    assert came == [
        (NOW.timestamp(), after(7).timestamp(), ("opened", "acknowledged")),
        (NOW.timestamp(), after(3).timestamp(), ("retracted",)),
        (NOW.timestamp(), None, ()),
    ]


def test_a_stores_rows_say_when_a_content_went_and_when_it_was_due(tmp_path):
    database.migrate(tmp_path / database.FILE)
    with closing(connection.open_writer(tmp_path / database.FILE)) as db, db:
        new = [gateway_rows.received(delete_after="2026-10-25") for _ in range(3)]
        for each in new:
            received.insert(db, each)
        there = [received.by_digest(db, each.digest) for each in new]
        received.move(db, there[0], ReceivedMove.EXPIRED, NOW + timedelta(minutes=3))
        received.move(db, there[1], ReceivedMove.REFUSED, NOW)
        there[1] = received.by_digest(db, there[1].digest)
        received.move(db, there[1], ReceivedMove.ERASED, NOW + timedelta(minutes=4))
    found = store(tmp_path / database.FILE).received
    assert {row.delete_after for row in found} == {datetime(2026, 10, 25, tzinfo=UTC).timestamp()}
    at = [(NOW + timedelta(minutes=minutes)).timestamp() for minutes in (3, 4)]
    assert [row.erased for row in found] == [*at, None]


def test_what_a_gateway_tells_is_read_with_its_own_time():
    about = {"v": 1, "id": new_message_id(), "agency": POLICE, "at": NOW}
    counts = {"sent": {}, "received": {}, "parked": 0, "quarantined": 0, "waiting": 0}
    for told, kind in (
        (Event(**about, kind=EventKind.STARTED), "event"),
        (Heartbeat(**about, **counts), "heartbeat"),
    ):
        said = _said(event.sign(told, SigningKey(bytes(32))))
        assert (said["kind"], said["sender"], said["said"]) == (kind, POLICE, NOW.timestamp())
