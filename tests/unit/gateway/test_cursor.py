"""A kept cursor stays good: also for a gateway whose store was restored from an older copy."""

import sqlite3
from datetime import timedelta

from meldeweg.gateway.cursor import Cursors
from meldeweg.gateway.store import Store, database
from meldeweg.kernel.clock import FixedClock
from unit.gateway.receiving import Gateway
from unit.gateway.world import NOW


async def started(directory, at):
    store = Store(directory)
    await store.start()
    await Cursors(store, FixedClock(at)).start()
    return store


async def test_what_arrives_after_a_restore_lies_behind_every_cursor_given_before(
    fresh, tmp_path, world
):
    older, first, second = (world.message(n=n) for n in (1, 2, 3))
    store = await started(fresh, NOW)
    gateway = Gateway(store, world)
    await gateway.take(older)
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    with sqlite3.connect(copy / database.FILE) as into:
        source = sqlite3.connect(fresh / database.FILE)
        source.backup(into)
        source.close()
    into.close()
    await gateway.take(first)
    kept = (await gateway.inbox.list(None, 10)).next  # a case system read this far
    await store.stop()

    store = await started(copy, NOW + timedelta(minutes=1))
    gateway = Gateway(store, world)
    await gateway.take(second)  # never seen; it comes before the other one this time
    await gateway.take(first)
    shown = await gateway.inbox.list(kept, 10)
    again = await gateway.inbox.list(None, 10)
    await store.stop()
    assert len(shown.items) == 2
    assert len(again.items) == 3


async def test_a_clock_put_back_takes_no_number_back(fresh):
    for at in (NOW, NOW - timedelta(days=1)):
        store = await started(fresh, at)
        await store.stop()
    with sqlite3.connect(fresh / database.FILE) as db:
        numbers = dict(db.execute("SELECT name, seq FROM sqlite_sequence"))
    db.close()
    assert numbers["received"] == numbers["quarantine"] == int(NOW.timestamp() * 1000)
