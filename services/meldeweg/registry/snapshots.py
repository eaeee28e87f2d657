"""Say every minute, signed, where each topic of trust ends: a withheld record shows (I5).

Trusts: the feed read every record below the end it says. The number never goes back.
"""

import asyncio

from meldeweg.kernel import logs, topics
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.issue import signed
from meldeweg.kernel.trust.objects import Snapshot, TopicEnd
from meldeweg.registry.book import Book

_SOON = 1.0  # seconds
log = logs.get()


def snapshot(chains: Chains, n: int, clock: Clock) -> Snapshot:
    """Describe all topics of trust at this moment."""
    ends = {topic: chains.end(topic) for topic in chains.topics()}
    return Snapshot(
        v=1,
        n=n,
        at=clock.now(),
        topics={topic: TopicEnd(end=end, digest=digest) for topic, (end, digest) in ends.items()},
    )


class Snapshots:
    """Signs and publishes; a failure is tried again soon, then ever later up to the period."""

    def __init__(
        self, chains: Chains, book: Book, producer: Producer, key: SigningKey, clock: Clock
    ) -> None:
        self._chains, self._book, self._producer = chains, book, producer
        self._key, self._clock = key, clock

    async def publish(self) -> None:
        """Sign one snapshot and put it on its topic; raises `Unavailable`."""
        token = signed(
            snapshot(self._chains, await self._book.next_snapshot(), self._clock), self._key
        )
        (outcome,) = await self._producer.send([Outgoing(topics.REGISTRY_SNAPSHOTS, None, token)])
        if not isinstance(outcome, Ack):
            raise Unavailable(outcome.code, "snapshot not published")

    async def run(self, period: float) -> None:
        """Publish every `period` seconds, for ever."""
        again = _SOON
        while True:
            try:
                await self.publish()
            except Unavailable as exc:
                # A district's first snapshot may come before its topic: nobody waits a minute then.
                log.warning("snapshot_waiting", code=exc.code)
                wait, again = min(again, period), again * 2
            else:
                wait, again = period, _SOON
            await asyncio.sleep(wait)
