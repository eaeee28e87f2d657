"""The relay: outbox → broker, in order per topic, until the recipient signed that it is there (I1).

Guarantees: a row leaves the queue only when all in-sync replicas have it; a topic that fails backs
off alone, and its rows keep their order; a message without `delivered` is produced again, as the
same bytes, until its recipient can't open it, or may not hold it, any more, and then it is
`undeliverable` and an event; what a person said of a message is produced again before its topic
forgets it, until nobody may hold it. After a crash rows may be produced twice: recipients
deduplicate.
Trusts: the outbox's bytes (signed before they were queued), the producer's acknowledgement.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from meldeweg.gateway.settings import OutboxSettings
from meldeweg.gateway.store import Store, outbox, sent
from meldeweg.gateway.store.outbox import Produced, Row
from meldeweg.gateway.undeliverable import Undeliverable, is_over
from meldeweg.kernel import failpoints, logs
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.metrics import counter

_ROWS = 500  # per batch
_BYTES = 4 * 1024 * 1024  # per batch, unless one row alone is larger
_IDLE = 1.0  # seconds until the outbox is looked at without being woken
_BACKOFF = 0.25  # seconds, doubling

failpoints.declare("outbound.before_produce", "outbound.after_produce", "outbound.before_mark")
log = logs.get()
_again = counter("messages_produced_again", "Messages produced again for want of `delivered`")


class Producer(Protocol):
    """What the relay needs of `kernel.bus`: one result per record, order kept per topic."""

    async def send(self, batch: Sequence[Outgoing]) -> Sequence[Ack | Unavailable | Refused]: ...


class Outbound:
    """Two tasks: `relay` produces, `look_after` finds what is late or over."""

    def __init__(
        self,
        store: Store,
        producer: Producer,
        me: AgencyId,
        signer: Callable[[], SigningKey],
        clock: Clock,
        settings: OutboxSettings,
        held: Callable[[], Collection[str]],
        lost: Callable[[], Mapping[str, str]],
    ) -> None:
        """`signer` returns the signing key of the moment, or raises Unavailable.

        `held`: topics that are not tried now, because a partner (or we) are suspended; `lost`:
        topics where nothing arrives any more, a partner (or we) being revoked → the code.
        """
        self._store, self._producer = store, producer
        self._clock, self._settings = clock, settings
        self.undeliverable = Undeliverable(store, me, signer, clock, self.wake)
        self._held, self._lost = held, lost
        self._wake = asyncio.Event()
        self._failing: dict[str, tuple[float, float]] = {}  # topic -> (not before, next pause)
        self.alive = time.monotonic()

    def wake(self) -> None:
        """Say that something was queued; called after the commit."""
        self._wake.set()

    async def relay(self) -> None:
        """Run for ever."""
        while True:
            self.alive = time.monotonic()
            self._wake.clear()
            try:
                busy = await self.produce_once()
            except Unavailable as exc:  # the store or a key; the rows are still there
                log.warning("relay_waiting", code=exc.code)
                await asyncio.sleep(_IDLE)
                continue
            if not busy:
                try:
                    async with asyncio.timeout(self._pause()):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def produce_once(self) -> bool:
        """Produce one batch; say whether there was anything to do."""
        now = time.monotonic()
        resting = [topic for topic, (until, _) in self._failing.items() if until > now]
        without = (*resting, *self._held())
        rows = await self._store.read(lambda db: outbox.unproduced(db, _ROWS, _BYTES, without))
        if not rows:
            return False
        over = [row for row in rows if is_over(row, self._clock.now())]
        if over:
            await self.undeliverable.give_up([(row, "") for row in over])
            return True
        await failpoints.reach("outbound.before_produce")
        results = await self._producer.send(
            [Outgoing(row.topic, row.key, row.value, row.headers) for row in rows]
        )
        await failpoints.reach("outbound.after_produce")
        await self._note(rows, results)
        return True

    async def _note(
        self, rows: Sequence[Row], results: Sequence[Ack | Unavailable | Refused]
    ) -> None:
        now = self._clock.now()
        done: list[Produced] = []
        refused: list[tuple[Row, str]] = []
        failed: dict[str, str] = {}
        for row, result in zip(rows, results, strict=True):
            match result:
                case Ack():
                    next_at = now + self._wait(row)
                    at = (result.offset, now, next_at, result.timestamp)
                    done.append(Produced(row.seq, row.ref, *at))
                case Refused():
                    refused.append((row, result.code))
                case Unavailable():
                    failed.setdefault(row.topic, result.code)
        if done:
            await failpoints.reach("outbound.before_mark")
            await self._store.write(lambda db: _mark(db, done))
        if refused:
            await self.undeliverable.give_up(refused)
        for topic in {row.topic for row in rows} - failed.keys():
            self._failing.pop(topic, None)
        for topic, code in failed.items():
            self._back_off(topic, code)

    def _back_off(self, topic: str, code: str) -> None:
        _, pause = self._failing.get(topic, (0.0, _BACKOFF))
        log.warning("topic_backs_off", topic=topic, code=code, seconds=pause)
        longer = min(pause * 2, self._settings.backoff_longest)
        self._failing[topic] = (time.monotonic() + pause, longer)

    def _pause(self) -> float:
        """Return how long to sleep: until the first topic may be tried again, or `_IDLE`."""
        now = time.monotonic()
        return min([_IDLE, *(max(until - now, 0.01) for until, _ in self._failing.values())])

    def _wait(self, row: Row) -> timedelta:
        """Return how long a message waits for `delivered`, or a receipt before its topic ends.

        Nobody says that a receipt was read, and who has `delivered` does not ask again.
        """
        if row.kind == "receipt":
            return timedelta(seconds=self._settings.receipts_again)
        first, longest = self._settings.again_first, self._settings.again_longest
        return timedelta(seconds=min(first * 2.0 ** min(row.attempts, 30), longest))

    async def look_after(self) -> None:
        """Run for ever: what waits too long for `delivered` is produced again, or given up."""
        while True:
            await asyncio.sleep(self._settings.look_every)
            try:
                await self.look_once()
            except Unavailable as exc:
                log.warning("relay_waiting", code=exc.code)

    async def look_once(self) -> None:
        """Put back what is late; give up what nobody could open any more, or nobody is there."""
        now = self._clock.now()
        if lost := self._lost():
            gone = await self._store.read(lambda db: outbox.unsettled(db, lost))
            if gone:
                await self.undeliverable.give_up([(row, lost[row.topic]) for row in gone])
        late = await self._store.read(lambda db: outbox.late(db, now))
        over = [row for row in late if is_over(row, now)]
        if over:
            await self.undeliverable.give_up([(row, "") for row in over])
        if again := [row.seq for row in late if row not in over]:
            log.info("messages_late", count=len(again))
            _again.inc(len(again))
            await self._store.write(lambda db: outbox.again(db, again))
            self.wake()


def _mark(db: sqlite3.Connection, done: Sequence[Produced]) -> None:
    outbox.mark_produced(db, done)
    sent.mark_sent(db, [(each.ref, each.at) for each in done if each.ref])
