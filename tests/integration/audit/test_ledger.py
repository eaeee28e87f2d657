"""The one writer: dense, fenced, loud about anything else."""

import psycopg
import pytest

from integration.audit.harness import IDS, ORIGIN, OTHER, TOPIC, Audit, record
from meldeweg.audit import schema
from meldeweg.audit.ledger import Ledger
from meldeweg.audit.project import project
from meldeweg.audit.served import Served
from meldeweg.audit.verify import verify
from meldeweg.kernel import failpoints, note
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.leaf import genesis, leaf_of_record
from meldeweg.kernel.manifest import parse_manifest


def alarms(audit):
    return {(a["code"], a["subject"]) for a in audit.reading.alarms(everything=False)}


def sql(uri, *args):
    with psycopg.connect(uri, options="-c search_path=audit") as connection:
        cursor = connection.execute(*args)
        return cursor.fetchall() if cursor.description else None


def test_what_was_appended_is_there_after_a_restart_and_goes_on_where_it_was(uri):
    one = Audit(uri)
    one.append(record(0), record(1), record(0, OTHER), record(2))
    one.close()
    two = Audit(uri)
    assert {s.topic: s.next for s in two.ledger.streams.values()} == {TOPIC: 3, OTHER: 1}
    assert two.ledger.log.size == 5  # the genesis is one
    two.append(record(3))
    two.seal()
    leaves = [each.leaf for each in two.reading.entries(0, 9, 2026)]
    expected = [
        leaf_of_record(IDS[r.topic], r.offset, r.key, r.headers, r.value).encode()
        for r in (record(0), record(1), record(0, OTHER), record(2), record(3))
    ]
    assert leaves == [genesis(f"{ORIGIN}/2026", 2026).encode(), *expected]
    two.close()


def test_a_record_read_again_is_in_the_log_once(audit):
    assert audit.append(record(0), record(1)) == 2
    assert audit.append(record(0), record(1), record(2)) == 1
    assert alarms(audit) == set()


def test_an_offset_read_again_with_other_bytes_is_a_fork_alarm_and_halts_this_topic_alone(audit):
    audit.append(record(0), record(0, OTHER))
    assert audit.append(record(0, value=b"another"), record(1)) == 0
    assert alarms(audit) == {("offset-forked", TOPIC)}
    assert audit.append(record(1), record(1, OTHER)) == 1
    assert [s["halted"] for s in audit.reading.streams()] == ["offset-forked", None]


def test_a_gap_is_an_alarm_and_does_not_stop_the_other_topics(audit):
    assert audit.append(record(0), record(2), record(0, OTHER)) == 2
    assert alarms(audit) == {("offset-gap", TOPIC)}
    assert audit.append(record(1), record(1, OTHER)) == 1  # halted: nothing is skipped silently
    audit.seal()
    assert [s.next for s in audit.ledger.streams.values()] == [1, 2]


def test_a_topic_whose_first_record_is_gone_is_an_alarm(audit):
    assert audit.append(record(7)) == 0
    assert alarms(audit) == {("offset-gap", TOPIC)}


def test_a_recreated_topic_is_an_alarm_and_a_new_stream(audit):
    audit.append(record(0), record(1))
    again = audit.ledger.stream(TOPIC, b"N" * 16)
    assert (again.next, again.halted) == (0, None)
    assert audit.ledger.append([(again, [project(b"N" * 16, record(0, value=b"new"))])]) == 1
    assert alarms(audit) == {("topic-recreated", TOPIC)}
    assert audit.append(record(2)) == 0  # the old one is over


def test_a_halted_topic_goes_on_where_a_named_person_says_and_the_hole_stays_visible(audit):
    stream = audit.ledger.stream(TOPIC, IDS[TOPIC])
    with pytest.raises(Refused, match="stream-not-halted"):
        audit.ledger.resume(stream, 3, "Erika Beispiel", "an invented reason")
    audit.append(record(0), record(3))
    with pytest.raises(Refused, match="offset-behind"):
        audit.ledger.resume(stream, 0, "Erika Beispiel", "an invented reason")
    audit.ledger.resume(stream, 3, "Erika Beispiel", "an invented reason")
    assert audit.append(record(3), record(4)) == 2
    audit.seal()
    assert alarms(audit) == set()
    (resolved,) = audit.reading.alarms(everything=True)
    assert resolved["resolved_by"] == "Erika Beispiel: an invented reason"
    ranges = parse_manifest(note.parse(audit.manifests[-1]).text).ranges
    assert [(r.start, r.end) for r in ranges] == [(0, 1), (3, 5)]
    signed = audit.reading.signed()
    report = verify(Served(audit.reading, audit.sealer.verifiers(signed.origin), signed))
    assert [f.code for f in report.broken] == ["record-omitted"]


def test_the_same_alarm_again_counts_and_is_not_a_second_one(audit):
    stream = audit.ledger.stream(TOPIC, IDS[TOPIC])
    for _ in range(3):
        audit.ledger.halt(stream, "topic-shorter", "ends at 5")
    (alarm,) = audit.reading.alarms(everything=True)
    assert (alarm["code"], alarm["count"]) == ("topic-shorter", 3)


def test_a_second_writer_stops_the_first_before_it_can_write(audit, uri):
    second = Ledger(uri, audit.clock)
    second.open()
    with pytest.raises(Fatal, match="audit-fenced"):
        audit.append(record(0))
    assert sql(uri, "SELECT count(*) FROM entry") == [(1,)]
    second.close()


def test_the_first_writer_stays_fenced_when_it_connects_again(audit, uri):
    second = Ledger(uri, audit.clock)
    second.open()
    with pytest.raises(Fatal, match="audit-fenced"):
        audit.ledger.open()
    second.close()


def test_a_failure_before_the_commit_keeps_nothing_and_after_it_loses_nothing(audit):
    try:
        failpoints.arm("audit.append.uncommitted=error@1")
        with pytest.raises(Unavailable, match="failpoint"):
            audit.append(record(0))
        audit.ledger.open()
        assert audit.ledger.log.size == 1
        failpoints.arm("audit.append.committed=error@1")
        with pytest.raises(Unavailable, match="failpoint"):
            audit.append(record(0))  # the answer is lost, the rows are not
        audit.ledger.open()
        assert audit.ledger.log.size == 2
        assert audit.append(record(0), record(1)) == 1
    finally:
        failpoints.arm("")


def test_nothing_is_written_on_a_connection_that_was_lost(audit, uri):
    sql(uri, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
             "WHERE application_name = 'meldeweg-audit' AND pid <> pg_backend_pid()")  # fmt: skip
    with pytest.raises(Unavailable, match="database-unavailable"):
        audit.append(record(0))
    with pytest.raises(Unavailable, match="database-unavailable"):
        audit.append(record(0))
    audit.ledger.open()
    assert audit.append(record(0)) == 1


def test_a_database_that_is_not_there_is_unavailable(audit):
    with pytest.raises(Unavailable, match="database-unavailable"):
        Ledger("postgresql://audit@/nowhere?host=/nowhere", audit.clock).open()


def test_a_schema_from_the_future_is_refused(audit, uri):
    sql(uri, "INSERT INTO version VALUES (%s)", (len(schema.VERSIONS) + 1,))
    with pytest.raises(Fatal, match="schema-newer"):
        Ledger(uri, audit.clock).open()


def test_garbage_of_every_kind_gets_an_entry(audit):
    name = b"\xff\xfe".decode("utf-8", "surrogateescape")
    garbage = [
        record(0, key=None, value=None, headers=()),
        record(1, key=b"", value=b"", headers=((name, None), ("", b""))),
        record(2, value=b"[" * 100_000),
        record(3, value=b'{"record":{"ciphertext":"x","plain":"y"}}'),
        record(4, value=b"[]", headers=(("statement", b"\x00\xff"), ("statement", b"b"))),
        record(5, value=b'{"record":' + b"1" * 5000 + b"}"),
    ]
    assert audit.append(*garbage) == 6
    audit.seal()
    kept = [audit.reading.entry(index) for index in range(1, 7)]
    assert [each.sealed for each in kept] == [None] * 6
    assert [each.leaf for each in kept] == [
        leaf_of_record(IDS[TOPIC], r.offset, r.key, r.headers, r.value).encode() for r in garbage
    ]


def test_the_sealed_record_is_kept_and_the_content_never(audit, uri):
    audit.append(record(0))
    audit.seal()
    assert audit.reading.entry(1).sealed == b'{"ciphertext":"cmVjb3Jk0"}'
    assert b"Y29udGVudA" not in str(sql(uri, "SELECT * FROM entry")).encode()
    assert audit.reading.find(TOPIC, 0) == [audit.reading.entry(1)]
