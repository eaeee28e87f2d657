"""Every record that arrives is looked for in the log afterwards, whatever became of it."""

from dataclasses import replace

import pytest

from meldeweg.gateway.store import arrived
from meldeweg.kernel import failpoints, topics
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.leaf import leaf_of_record
from meldeweg.kernel.merkle import leaf_hash
from unit.gateway.world import KREIS, NETTETAL, POLICE

FROM_POLICE, FROM_NETTETAL = topics.inbox(KREIS, POLICE), topics.inbox(KREIS, NETTETAL)


def hashes(*records):
    leaves = (
        leaf_of_record(each.topic_id.bytes, each.offset, each.key, each.headers, each.value)
        for each in records
    )
    return b"".join(leaf_hash(leaf.encode()) for leaf in leaves)


def runs(gateway):
    return gateway.peek(lambda db: arrived.page(db, 0, 100))


async def test_good_records_and_poison_and_what_comes_twice_are_kept_as_one_run(gateway, world):
    good = world.message()
    bad = replace(world.message(), value=b"{}", headers=(("statement", b"x"), ("\udcff", None)))
    batch = await gateway.take(good, bad, good)
    (run,) = runs(gateway)
    assert (run.topic, run.first, run.hashes) == (FROM_POLICE, 0, hashes(*batch))
    assert run.topic_id == batch[0].topic_id.bytes
    assert len(gateway.received()) == 1


async def test_each_topic_and_each_gap_begins_a_run_of_its_own(gateway, world):
    one, other = world.message(), replace(world.message(), topic=FROM_NETTETAL)
    await gateway.take(one, other, world.message())
    gateway._next[FROM_POLICE] += 3
    await gateway.take(world.message())
    assert [(run.topic, run.first, run.stop) for run in runs(gateway)] == [
        (FROM_POLICE, 0, 2),
        (FROM_NETTETAL, 0, 1),
        (FROM_POLICE, 5, 6),
    ]


async def test_a_record_that_could_not_be_judged_is_looked_for_too(gateway, world):
    (record,) = gateway.placed(world.message())
    await gateway.arrivals.quarantine(record, "handler-error")
    (run,) = runs(gateway)
    assert run.hashes == hashes(record)


async def test_a_batch_that_was_not_kept_left_nothing_to_look_for(gateway, world):
    batch = gateway.placed(world.message())
    failpoints.arm("store.before_commit=error@1")
    with pytest.raises(Unavailable):
        await gateway.inbound.handle(batch)
    assert runs(gateway) == []
    await gateway.inbound.handle(batch)
    assert [run.hashes for run in runs(gateway)] == [hashes(*batch)]
