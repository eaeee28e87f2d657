"""What the store knows of the audit log: the migration, and the SQL that keeps its word."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from meldeweg.gateway.store import arrived, connection, database, log, outbox
from meldeweg.gateway.store.arrived import Run
from meldeweg.gateway.store.log import Chain, Evidence, Head, Span
from meldeweg.gateway.store.schema import HEAD
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import Digest
from unit.gateway.gateway_rows import NOW, queued

ORIGIN = "audit.example/2026"
OLD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from meldeweg.gateway.store.schema.__main__ import migrate
migrate(Path(sys.argv[1]), "0001")
"""
ROWS = [  # produced_at, topic_offset, settled_at, value
    ("waits", None, None, None, b"v"),
    ("sent", NOW, 3, None, b"v"),
    ("delivered", NOW, 4, NOW, b"v"),
    ("given up", NOW, None, NOW, b"v"),
    ("erased", NOW, 5, NOW, None),
]


def test_a_store_of_the_first_version_keeps_its_rows_and_looks_for_what_was_produced(tmp_path):
    path = tmp_path / database.FILE
    services = database.__file__.partition("/meldeweg/")[0]
    subprocess.run([sys.executable, "-c", OLD, path, services], check=True, timeout=60)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for ref, *times, value in ROWS:
            produced, offset, settled = times
            db.execute(
                "INSERT INTO outbox (topic, headers, value, size, kind, ref, accepted_at,"
                " produced_at, topic_offset, settled_at) VALUES"
                " ('t', x'', ?, 1, 'message', ?, ?, ?, ?, ?)",
                (
                    value,
                    ref,
                    to_rfc3339(NOW),
                    produced and to_rfc3339(produced),
                    offset,
                    settled and to_rfc3339(settled),
                ),
            )
    database.migrate(path)
    with closing(connection.open_writer(path)) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)
        kept = dict(db.execute("SELECT ref, waits_since FROM outbox ORDER BY seq"))
        assert kept == {"waits": None, "sent": to_rfc3339(NOW), "delivered": to_rfc3339(NOW)}
        assert outbox.count_unlogged(db) == 2


def head(size=5, root=b"r" * 32):
    return Head(ORIGIN, size, root, b"note", 1, 2)


def test_a_head_is_replaced_only_by_who_knows_which(db):
    log.advance(db, None, head())
    with pytest.raises(Unavailable, match="head-moved"):
        log.advance(db, None, head(9))
    with pytest.raises(Unavailable, match="head-moved"):
        log.advance(db, head(4), head(9))
    assert log.heads(db) == {ORIGIN: head()}
    log.advance(db, head(), head(9))
    assert log.heads(db) == {ORIGIN: head(9)}


def test_heads_that_wait_are_kept_once_and_not_without_end(db, monkeypatch):
    monkeypatch.setattr(log, "_SEEN_MAX", 10)
    log.advance(db, None, head())
    for size in [*range(6, 40), 39, 5]:
        log.add_seen(db, head(size))
    assert [each.size for each in log.seen(db, 100)] == list(range(30, 40))
    log.add_seen(db, head(39, b"x" * 32))  # another root is another head
    log.add_seen(db, head(5, b"x" * 32))
    assert [each.root[:1] for each in log.seen(db, 100)][-3:] == [b"r", b"x", b"x"]
    assert len(log.seen(db, 100)) <= 10
    assert log.newest(db, ORIGIN) == b"note"
    assert log.newest(db, "other") is None
    log.forget_seen(db, log.seen(db, 100))
    assert log.seen(db, 100) == []


def test_one_contradiction_of_a_log_is_kept_and_told(db):
    chain = Chain(ORIGIN, 3, b"d" * 32, b"note", 1, 2)
    log.put_chain(db, chain)
    one = Evidence(NOW, "log-forked", ORIGIN, b"a", b"b")
    assert log.testify(db, one)
    assert not log.testify(db, replace(one, seen=b"c"))
    assert log.evidence(db) == [one]
    assert log.chains(db) == {ORIGIN: replace(chain, told=NOW)}


def spans(db, *places):
    log.add_spans(
        db, [Span(ORIGIN, first, "t", b"i" * 16, start, stop, NOW) for first, start, stop in places]
    )


def test_ranges_that_overlap_a_run_are_found_in_order(db):
    spans(db, (1, 0, 10), (20, 10, 12), (40, 12, 99), (1, 0, 10))
    run = Run("t", b"i" * 16, 10, bytes(32 * 3), NOW)
    assert [span.start for span in log.spans_of(db, run)] == [10, 12]
    assert log.spans_of(db, replace(run, topic_id=bytes(16))) == []
    assert log.spans_of(db, replace(run, first=99)) == []


def test_a_place_counts_as_read_by_the_log_below_its_head_alone(db):
    spans(db, (1, 0, 10))
    assert not log.is_placed(db, "t", 3)
    log.advance(db, None, head(5))
    assert [log.is_placed(db, "t", offset) for offset in (0, 3, 4, 10)] == [
        True,
        True,
        False,
        False,
    ]


def test_rows_below_the_head_come_once_for_each_place_in_pages(db):
    for offset in range(6):
        seq = outbox.insert(db, queued(topic="t", ref=Digest.of(b"%d" % offset)))
        outbox.mark_produced(db, [outbox.Produced(seq, None, offset, NOW, None)])
    spans(db, (10, 3, 6), (1, 0, 3))
    found, after = [], (-1, -1)
    while page := log.sought(db, head(12), after, 2, 10**6):
        after = (page[-1].first, page[-1].offset)
        found += [(each.index, each.offset) for each in page]
    assert found == [(1, 0), (2, 1), (3, 2), (10, 3), (11, 4)]  # index 12 is beyond the head
    outbox.include(db, [1], NOW)
    assert [each.seq for each in log.sought(db, head(12), (-1, -1), 99, 10**6)] == [2, 3, 4, 5]
    assert len(log.sought(db, head(12), (-1, -1), 99, 1)) == 1


def test_runs_shrink_from_the_front(db):
    hashes = b"".join(bytes([n]) * 32 for n in range(5))
    arrived.add(db, [Run("t", b"i" * 16, 7, hashes, NOW)])
    (run,) = arrived.page(db, 0, 10)
    assert (run.first, run.stop, arrived.count(db)) == (7, 12, 5)
    arrived.found(db, run, 7)
    arrived.found(db, run, 9)
    (run,) = arrived.page(db, 0, 10)
    assert (run.first, run.hashes) == (9, hashes[64:])
    assert [(m.topic, m.count, m.offset) for m in arrived.missing(db, NOW)] == [("t", 3, 9)]
    arrived.found(db, run, 12)
    assert arrived.page(db, 0, 10) == []


def test_what_the_room_counts_is_what_is_not_delivered(db):
    ref = Digest.of(b"message")
    seq = outbox.insert(db, queued(size=100))
    outbox.mark_produced(db, [outbox.Produced(seq, ref, 0, NOW, NOW)])
    assert outbox.waiting_bytes(db) == 100
    outbox.settle(db, ref, NOW)
    assert outbox.waiting_bytes(db) == 0
