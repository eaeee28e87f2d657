"""A snapshot that could not be published is not owed for a whole period."""

import asyncio

from meldeweg.kernel.errors import Unavailable
from meldeweg.registry import snapshots


class Refusing(snapshots.Snapshots):
    """Its topic is not there for the first two."""

    def __init__(self):
        self.tries = 0
        self.published = asyncio.Event()

    async def publish(self):
        self.tries += 1
        if self.tries < 3:
            raise Unavailable("topic-unknown", "")
        self.published.set()


async def test_it_is_tried_again_soon_and_then_every_period(monkeypatch):
    monkeypatch.setattr(snapshots, "_SOON", 0.01)
    refusing = Refusing()
    running = asyncio.create_task(refusing.run(60))
    await asyncio.wait_for(refusing.published.wait(), 30)
    await asyncio.sleep(0.1)
    running.cancel()
    assert refusing.tries == 3, "the next one comes with the period"


async def test_what_fails_for_long_is_tried_no_more_often_than_every_period(monkeypatch):
    waited = []

    async def asleep(seconds):
        waited.append(seconds)
        if len(waited) == 9:
            raise asyncio.CancelledError

    refusing = Refusing()
    refusing.tries = -100
    monkeypatch.setattr(snapshots.asyncio, "sleep", asleep)
    running = asyncio.create_task(refusing.run(60))
    await asyncio.wait([running])
    assert waited == [1, 2, 4, 8, 16, 32, 60, 60, 60]
