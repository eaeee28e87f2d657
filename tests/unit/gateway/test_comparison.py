"""A contradicting snapshot is found; a view that is only behind is not one."""

import pytest

from meldeweg.gateway.comparison import Comparison
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.objects import Snapshot, TopicEnd
from unit.gateway.gateway_rows import NOW

TOPIC = "keys.polizei-viersen"


def _record(offset, value):
    return Record(TOPIC, 0, offset, 0, None, value, ())


def _read(values, start=0):
    comparison = Comparison()
    for offset, value in enumerate(values, start):
        comparison.extend(_record(offset, value))
    return comparison


def _snapshot(values):
    chains = Chains()
    for value in values:
        chains.extend(TOPIC, value)
    end, digest = chains.end(TOPIC)
    return Snapshot(v=1, n=1, at=NOW, topics={TOPIC: TopicEnd(end=end, digest=digest)})


@pytest.mark.parametrize("signed", [[], [b"a"], [b"a", b"b"], [b"a", b"b", b"c"]])
def test_the_same_records_never_contradict_however_far_either_came(signed):
    assert _read([b"a", b"b"]).contradiction(_snapshot(signed)) is None


@pytest.mark.parametrize("signed", [[b"x"], [b"a", b"x"], [b"b", b"a"]])
def test_another_record_another_order_or_a_withheld_one_contradicts(signed):
    assert _read([b"a", b"b"]).contradiction(_snapshot(signed)) == TOPIC


def test_a_topic_not_read_from_its_start_is_not_compared():
    assert _read([b"b"], start=1).contradiction(_snapshot([b"x"])) is None


def test_a_topic_that_began_anew_is_compared_with_newer_snapshots_alone():
    comparison = _read([b"a", b"b"])
    comparison.begin_anew(TOPIC, 0)
    assert comparison.next_offset(TOPIC) == 0
    comparison.extend(_record(0, b"b"))
    old = _snapshot([b"a", b"b"])
    assert comparison.contradiction(old) is None
    comparison.snapshot_arrived()
    assert comparison.contradiction(_snapshot([b"b"])) is None
    assert comparison.contradiction(_snapshot([b"a"])) == TOPIC


def test_a_topic_whose_beginning_is_gone_is_not_compared():
    comparison = _read([b"a"])
    comparison.begin_anew(TOPIC, 5)
    comparison.snapshot_arrived()
    comparison.extend(_record(5, b"b"))
    assert comparison.contradiction(_snapshot([b"x"])) is None
