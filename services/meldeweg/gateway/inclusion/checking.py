"""The loop: what this gateway sent and received is looked for in the audit log, and let go (I1).

Guarantees: a row leaves the outbox only when its bytes were proven to be in a log that extends the
one seen before. While the audit is away nothing is lost or let go, and no message waits.
Trusts: `proving`. A run that a crash cuts short is made again.

    1 heads: the newest that extends the last one takes its place
    2 records that arrived, and rows of the outbox: those below a proven head are compared
    3, 4 what the log lacks (`lacking`)
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from meldeweg.gateway import events
from meldeweg.gateway.inclusion.lacking import Lacking
from meldeweg.gateway.inclusion.proving import (
    Fetch,
    Fork,
    ProvenTree,
    advance,
    included,
    included_up_to,
)
from meldeweg.gateway.store import Store, arrived, log, outbox
from meldeweg.gateway.store.log import Evidence, Head, Seen
from meldeweg.kernel import failpoints, logs, topics
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.metrics import counter, gauge

_HEADS = 200  # per run
_ROWS = 500  # per page
_BYTES = 4 * 1024 * 1024  # per page, unless one row alone is larger
_RUNS = 100  # per page
_ALL = 30.0  # seconds after which everything is compared again, though no head is new
_TIDY = 60.0  # seconds between looks for ranges that nobody needs
_MARKED = timedelta(minutes=10)  # longer than producing, and marking it, ever takes
_STALE = timedelta(days=30)  # the topics' own retention

failpoints.declare(
    "inclusion.before_head", "inclusion.after_head",
    "inclusion.before_release", "inclusion.after_release",
)  # fmt: skip
_log = logs.get()
_size = gauge("log_checkpoint_size", "Entries of the newest proven checkpoint")
_found = counter("log_records_found", "Records found in the audit log", "direction")
_forks = counter("log_forks", "Signed checkpoints that contradict each other")


class Served(Protocol):
    """`fetching.Tiles`: brings tiles of a log by its origin."""

    def reader(self, origin: str) -> Fetch: ...


class Inclusion:
    """`every`: seconds between runs; `queued`: called when rows were put into the outbox."""

    def __init__(
        self,
        me: AgencyId,
        store: Store,
        tiles: Served,
        signer: Callable[[], SigningKey],
        clock: Clock,
        every: float,
        lacking: Lacking,
        queued: Callable[[], None],
    ) -> None:
        self._me, self._store, self._tiles = me, store, tiles
        self._signer, self._clock = signer, clock
        self._every, self._lacking, self._queued = every, lacking, queued
        self._wake = asyncio.Event()
        self._compared: tuple[dict[str, Head], float] = ({}, 0.0)
        self._tidied = time.monotonic()

    def wake(self) -> None:
        """Say that a head or a range was read."""
        self._wake.set()

    async def run(self) -> None:
        """Run for ever: soon after something was read, never more often than half the pause."""
        pause = self._every
        while True:
            await asyncio.sleep(pause / 2)
            try:
                async with asyncio.timeout(pause / 2):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            await self.once()

    async def once(self) -> None:
        """Take steps 1 to 4; what fails for its surroundings is left for the next run."""
        for step in (self._look, self._lacking.produce_again, self._lacking.alarm):
            try:
                await step()
            except Unavailable as exc:
                _log.warning("inclusion_waiting", code=exc.code)

    async def _look(self) -> None:
        await self.advance()
        await self.release()

    async def advance(self) -> None:
        """1 Move each log's head forward, as far as it is proven to extend the one before."""
        while seen := await self._store.read(lambda db: log.seen(db, _HEADS)):
            heads = await self._store.read(log.heads)
            origin = seen[0].origin
            before = heads.get(origin)
            ours = [each for each in seen if each.origin == origin]
            plain = [_head(each) for each in ours]
            fetch = self._tiles.reader(origin)
            head, forks = await asyncio.to_thread(advance, before, plain, fetch)
            await self._persist(before, head, ours, forks)

    async def _persist(
        self, before: Head | None, head: Head | None, seen: Sequence[Seen], forks: Sequence[Fork]
    ) -> None:
        now = self._clock.now()
        facts = {"topic": topics.AUDIT_CHECKPOINTS}
        told = [
            (
                Evidence(now, "log-forked", fork.seen.origin, fork.known.note, fork.seen.note),
                self._event(EventKind.ALARM, code="log-forked", **facts),
            )
            for fork in forks
        ]

        def job(db: sqlite3.Connection) -> None:
            if head is not None and head != before:
                log.advance(db, before, head)
            log.forget_seen(db, seen)
            for evidence, event in told:
                if log.testify(db, evidence):
                    outbox.insert(db, event)

        await failpoints.reach("inclusion.before_head")
        await self._store.write(job)
        await failpoints.reach("inclusion.after_head")
        if head is not None:
            _size.set(head.size)
        for fork in forks:
            _forks.inc()
            _log.error("log_contradicts", code="log-forked", count=fork.seen.size)
        if forks:
            self._queued()

    async def release(self) -> None:
        """2 Compare what waits with the proven heads, and let go of what is there."""
        heads = await self._store.read(log.heads)
        known, at = self._compared
        if heads == known and time.monotonic() - at < _ALL:
            return
        trees = {
            origin: ProvenTree(head, self._tiles.reader(origin)) for origin, head in heads.items()
        }
        for tree in trees.values():
            await self._release_sent(tree)
        await self._release_received(trees)
        self._compared = (heads, time.monotonic())
        if time.monotonic() - self._tidied > _TIDY:
            await self._tidy(heads)

    async def _release_sent(self, tree: ProvenTree) -> None:
        after = (-1, -1)
        while True:
            page = await self._store.read(
                partial(log.sought, head=tree.head, after=after, limit=_ROWS, size=_BYTES)
            )
            if not page:
                return
            after = (page[-1].first, page[-1].offset)
            if found := await asyncio.to_thread(included, page, tree):
                await failpoints.reach("inclusion.before_release")
                await self._store.write(partial(outbox.include, seqs=found, at=self._clock.now()))
                await failpoints.reach("inclusion.after_release")
                _found.labels("sent").inc(len(found))

    async def _release_received(self, trees: dict[str, ProvenTree]) -> None:
        after = 0
        while True:
            page = await self._store.read(partial(_runs, after=after))
            if not page:
                return
            after = page[-1][0].seq
            ends = await asyncio.to_thread(_ends, page, trees)
            done = [(run, end) for run, end in ends if end > run.first]
            if done:
                await self._store.write(partial(_let_go, done=done))
                _found.labels("received").inc(sum(end - run.first for run, end in done))

    async def _tidy(self, heads: dict[str, Head]) -> None:
        now, inboxes = self._clock.now(), topics.inbox_prefix(self._me)
        done, stale = now - _MARKED, now - _STALE
        for head in heads.values():
            await self._store.write(
                partial(log.forget_spans, head=head, inboxes=inboxes, done=done, stale=stale)
            )
        self._tidied = time.monotonic()

    def _event(self, kind: EventKind, **facts: Any) -> outbox.NewRow:
        return events.row(self._me, self._signer(), kind, self._clock.now(), **facts)


def _head(each: Seen) -> Head:
    return Head(each.origin, each.size, each.root, each.note, each.at, each.alive_since)


def _runs(db: sqlite3.Connection, after: int) -> list[tuple[arrived.Waiting, list[log.Span]]]:
    return [(run, log.spans_of(db, run)) for run in arrived.page(db, after, _RUNS)]


def _ends(
    page: Sequence[tuple[arrived.Waiting, Sequence[log.Span]]], trees: dict[str, ProvenTree]
) -> list[tuple[arrived.Waiting, int]]:
    return [
        (run, included_up_to(run, [s for s in spans if s.origin in trees], trees.__getitem__))
        for run, spans in page
    ]


def _let_go(db: sqlite3.Connection, done: Sequence[tuple[arrived.Waiting, int]]) -> None:
    for run, end in done:
        arrived.found(db, run, end)
