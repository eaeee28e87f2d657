"""Asking from outside until it is so, and what a certificate may do at the broker."""

import time

from meldeweg.kernel.bus import produce
from meldeweg.kernel.bus.probe import read_is_allowed
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.errors import Refused

PATIENCE = 60.0  # seconds; far more than anything takes on a machine that has nothing else to do


def eventually(done, seconds=PATIENCE, every=0.1, shown=lambda: ""):
    """Return what `done` returns once it is true; fail after `seconds`."""
    until = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < until, f"not within {seconds:.0f} s: {shown()}"
        time.sleep(every)
    return found


async def may_write(connection, topic):
    """Try it; what gets through is poison, so only a topic that must refuse is tried."""
    producer = produce.Producer(connection)
    try:
        (said,) = await producer.send([Outgoing(topic, b"key", b"{}")])
    finally:
        await producer.stop()
    if isinstance(said, Ack):
        return True
    assert said.code in ("topic-not-authorized", "cluster-not-authorized"), said.code
    return False


async def may_read(connection, topic):
    try:
        await read_is_allowed(connection, topic)
    except Refused:
        return False
    return True


def status_of(district, agency, seen_by):
    return next(a.status for a in district[seen_by].agencies() if a.id == agency)
