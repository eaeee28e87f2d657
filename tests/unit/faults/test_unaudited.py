"""The checker finds what the log lacks, has otherwise, has twice, or is said to have."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Kind, OutRow
from unit.faults.legal import GONE, POLICE, WEST, Run, Said
from unit.faults.planting import not_logged, only, with_store, without


def test_unaudited_a_message_a_receipt_a_look_and_a_record(legal):
    def gone(**having):
        return lambda seen: all(getattr(seen, name) == value for name, value in having.items())

    a_message = legal.stores[WEST].received[0].digest
    for having in (
        {"kind": "message", "digest": a_message},
        {"kind": "receipt", "of": a_message, "what": "acknowledged"},
        {"kind": "event", "digest": a_message, "what": "opened"},
    ):
        for topics in (legal.topics, ()):  # the broker may have dropped it, and it counts still
            planted = replace(not_logged(legal, gone(**having)), topics=topics)
            assert only(planted, Kind.UNAUDITED), having
    told = {"topic": f"events.{POLICE}", "kind": "heartbeat", "digest": None}
    heartbeat = replace(legal.topics[0], offset=500, leaf="x", **told)
    assert only(replace(legal, topics=(*legal.topics, heartbeat)), Kind.UNAUDITED)


def test_unaudited_the_log_has_other_bytes_than_the_topic(legal):
    log = (replace(legal.log[0], leaf="other"), *legal.log[1:])
    assert only(replace(legal, log=log), Kind.UNAUDITED)


@pytest.mark.parametrize("code", ["log-differs", "log-forked"])
def test_unaudited_a_gateway_says_that_the_log_is_another(legal, code):
    event = replace(legal.log[-1], kind="event", what="alarm", code=code, digest=None)
    report = replace(event, topic=f"events.{WEST}", sender=WEST, offset=10_000)
    found = judge(replace(legal, log=(*legal.log, report)))
    assert [one.kind for one in found if code in one.why] == [Kind.UNAUDITED]


def test_unaudited_the_log_does_not_verify(legal):
    assert only(replace(legal, log_problems=("root-differs",)), Kind.UNAUDITED)


def test_unaudited_what_the_broker_took_and_nobody_received():
    legal = Run([Said(to=GONE, fate="undeliverable")]).evidence()
    gone = not_logged(legal, lambda seen: seen.kind == "message")
    assert only(replace(gone, topics=()), Kind.UNAUDITED)


def test_unaudited_what_an_outbox_let_go_or_takes_for_logged(legal):
    run = Run([Said(to=GONE, fate="undeliverable")])
    kept = not_logged(run.evidence(), lambda s: s.kind == "message")
    bare = replace(with_store(kept, POLICE, outbox=without(0)), topics=())
    assert any("let go" in f.why for f in only(bare, Kind.UNAUDITED))
    row = OutRow(
        9,
        f"inbox.{WEST}.{POLICE}",
        "receipt",
        "0" * 64,
        produced=True,
        settled=False,
        included=True,
    )
    (finding,) = only(with_store(legal, POLICE, outbox=lambda rows: [*rows, row]), Kind.UNAUDITED)
    assert "takes it for logged" in finding.why


def test_duplicated_one_record_in_two_entries_of_the_log(legal):
    (finding,) = only(replace(legal, log=(*legal.log, legal.log[0])), Kind.DUPLICATED)
    assert "2 entries" in finding.why
