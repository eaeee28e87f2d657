"""Puts what this agency certified on `keys.<me>`, and again when the broker has lost it.

Guarantees: certificates, revocations and what this agency reads are on its topic of keys soon after
an operator put them into the directory, and all that ever was there soon after the topic was
recreated empty. Publishing twice is harmless. Trusts: the trust feed for what lies on the topic.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from meldeweg.gateway import events
from meldeweg.gateway.keyring import Keyring
from meldeweg.gateway.store import Store, outbox
from meldeweg.kernel import logs, topics
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.trust.issue import signed
from meldeweg.kernel.trust.objects import AgencyStatus, Reads
from meldeweg.kernel.trust.view import View

_SOON = 0.25  # seconds between looks while something is missing
_AGAIN = 30.0  # seconds until something sent and not seen on the topic is sent again
log = logs.get()


class Producer(Protocol):
    """What publication needs of `kernel.bus`."""

    async def send(self, batch: Sequence[Outgoing]) -> Sequence[Ack | Unavailable | Refused]: ...


class Publication:
    """Looks every few seconds at the directory and at the topic."""

    def __init__(
        self,
        me: AgencyId,
        keyring: Keyring,
        view: View,
        store: Store,
        producer: Producer,
        clock: Clock,
        *,
        known: Callable[[], Mapping[Digest, bytes]],
        seen: Callable[[], Collection[Digest]],
        caught_up: Callable[[], bool],
        begun: Callable[[], bool],
        reads: Mapping[str, tuple[int, ...]],
        every: float,
    ) -> None:
        """`known`: everything that ever lay on our topic; `seen`: what lies there now.

        `caught_up`: whether the topic was read to its end. `begun`: whether the store was new at
        this start. `reads`: the message types and versions that this software reads. `every`:
        seconds.
        """
        self._me, self._keyring, self._view = me, keyring, view
        self._store, self._producer, self._clock = store, producer, clock
        self._known, self._seen, self._caught_up = known, seen, caught_up
        self._reads, self._every = dict(reads), every
        self._sent: dict[Digest, float] = {}
        self._announced = -_AGAIN
        self._unasked = begun

    async def run(self) -> None:
        """Run for ever."""
        while True:
            await self.look()
            # Until partners can seal to us and know what we read, nobody waits for a period.
            await asyncio.sleep(self._every if self.missing() is None else _SOON)

    async def look(self) -> None:
        """Look once at the directory and at the topic, and publish what is missing."""
        if self._keyring.scan():
            log.info("keys_changed", count=len(self._keyring.keys.tokens))
        if self._caught_up() and self._view.status(self._me) is AgencyStatus.ACTIVE:
            self._look_back()
            await self._publish()
            await self._announce()

    def missing(self) -> str | None:
        """Say for `/readyz` whether partners can know what this agency reads."""
        return None if dict(self._view.reads(self._me)) == self._reads else "not-announced"

    def _look_back(self) -> None:
        """Say once when the store is new and the agency is not: what it accepted lies elsewhere."""
        if self._unasked() and self._view.announced_at(self._me) is not None:
            # A volume that is not mounted looks like this; so does a machine that took its place.
            log.warning("store_new_agency_known", agency=self._me)
        self._unasked = lambda: False

    async def _publish(self) -> None:
        now, seen = time.monotonic(), self._seen()
        own = {**self._known(), **{Digest.of(token): token for token in self._keyring.keys.tokens}}
        missing = [
            token
            for digest, token in own.items()
            if digest not in seen and self._sent.get(digest, -_AGAIN) + _AGAIN <= now
        ]
        if not missing:
            return
        topic = topics.keys(self._me)
        results = await self._producer.send([Outgoing(topic, None, each) for each in missing])
        done = [token for token, got in zip(missing, results, strict=True) if isinstance(got, Ack)]
        self._sent.update((Digest.of(token), now) for token in done)
        if done:
            log.info("keys_published", count=len(done))
            await self._tell(len(done))

    async def _tell(self, count: int) -> None:
        """Note each publication as an event; before our first certificate is seen, nobody can."""
        try:
            key = self._keyring.signing_key(self._view, self._clock.now())
            rows = [
                events.row(self._me, key, EventKind.KEY_PUBLISHED, self._clock.now())
                for _ in range(count)
            ]
            await self._store.write(lambda db: [outbox.insert(db, row) for row in rows])
        except Unavailable as exc:
            log.warning("event_not_told", code=exc.code)

    def _after_the_last(self) -> datetime:
        """Return now; or, where a clock was ahead once, a moment after what was said then."""
        now, last = self._clock.now(), self._view.announced_at(self._me)
        return now if last is None else max(now, last + timedelta(milliseconds=1))

    async def _announce(self) -> None:
        """Say which types and versions we read, if the topic says something else."""
        now = time.monotonic()
        if dict(self._view.reads(self._me)) == self._reads or now < self._announced + _AGAIN:
            return
        try:
            key = self._keyring.signing_key(self._view, self._clock.now())
        except Unavailable:
            return  # our certificate is not in our own view yet
        body = Reads(v=1, agency=self._me, types=self._reads, at=self._after_the_last())
        token = signed(body, key)
        await self._producer.send([Outgoing(topics.keys(self._me), None, token)])
        self._announced = now
