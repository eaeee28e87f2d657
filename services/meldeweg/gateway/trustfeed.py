"""Follows the topics of trust: every record is verified, kept, chained, compared with the registry.

Guarantees: the register holds what the anchor's chain vouches for, survives a restart without the
broker (cache in the store, verified again on load), and never forgets a revocation. A snapshot of
the registry that contradicts what was read here stops sealing until one agrees; a stale one is a
warning. A record that is refused is kept in quarantine and told once.
Trusts: the trust anchor; no topic, no order, not the cache.
"""

import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from meldeweg.gateway import events
from meldeweg.gateway.comparison import Comparison
from meldeweg.gateway.standing import held_topics, lost_topics
from meldeweg.gateway.store import Store, offsets, outbox, quarantine, trust
from meldeweg.gateway.store.quarantine import NewQuarantined
from meldeweg.kernel import logs, topics
from meldeweg.kernel.agreement import AgreementStatus, standing
from meldeweg.kernel.bus.positions import Position, Reset
from meldeweg.kernel.bus.records import Place, Record
from meldeweg.kernel.bus.subscription import Subscription
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.metrics import counter, gauge
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.kernel.trust.register import Register

_SNAPSHOTS = topics.REGISTRY_SNAPSHOTS
_REGISTRY = AgencyId("registry")  # whose topics `registry.*` are, in the list of quarantine
_COUNTS = (AgreementStatus.IN_FORCE, AgreementStatus.RUN_OFF)
_BRAKED = {
    AgencyStatus.SUSPENDED: "agency-suspended",
    AgencyStatus.REVOKED: "agency-revoked",
}
_UNTOLD_MAX = 100
_SETTLED = 2.0  # seconds in which a few records are read; publishing twice is no harm
_refused = counter("trust_refused", "Records of trust refused by this gateway", "code")
_age = gauge("snapshot_age_seconds", "Age of the newest registry snapshot")
log = logs.get()


class TrustFeed:
    """Owns the register; asked by everyone who decides."""

    def __init__(
        self,
        me: AgencyId,
        register: Register,
        store: Store,
        clock: Clock,
        signer: Callable[[], SigningKey],
        stale_after: timedelta,
    ) -> None:
        self._me, self.register, self._store = me, register, store
        self._clock, self._signer, self._stale_after = clock, signer, stale_after
        self._comparison = Comparison()
        self._known: set[tuple[str, Digest]] = set()
        self._listeners: list[Callable[[], None]] = []
        self._held: frozenset[str] | None = None
        self._ids: dict[str, UUID] = {}  # of the topics as read by this process
        self._untold: list[tuple[EventKind, dict[str, Any]]] = []
        self.own: dict[Digest, bytes] = {}  # everything good that ever lay on our own topic of keys
        self.seen_own: set[Digest] = set()  # what lies there now
        self._placed: float | None = None  # when reading our own topic of keys began
        self.contradicting: str | None = None
        _age.set_function(self._snapshot_age)  # as of the question, also where nobody sends

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` when something new was verified: what is parked may not be early now."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Verify again what the store remembers."""
        for topic, value in await self._store.read(trust.load):
            if self._apply(topic, value) is None:
                self._known.add((topic, Digest.of(value)))

    async def stop(self) -> None:
        """Nothing is open; the store has everything."""

    def subscription(self) -> Subscription:
        """Say what the bus has to read for us; the group is the one a suspended agency keeps."""
        return Subscription(
            name="trust",
            group=f"gw-{self._me}.trust",
            member="gateway",  # one active instance: a restart need not wait for its predecessor
            topics=(topics.REGISTRY_AGENCIES, topics.REGISTRY_AGREEMENTS, _SNAPSHOTS),
            prefixes=("keys.",),
            handle=self.handle,
            quarantine=self.quarantine,
            positions=self.positions,
            on_reset=self.on_reset,
        )

    async def positions(self, places: list[Place]) -> Mapping[Place, Position | int | None]:
        """Topics of trust are read from their start by each process: so the chains are whole."""
        kept = await self._store.read(offsets.load)
        if any(topic == topics.keys(self._me) for topic, _ in places):
            self._placed = time.monotonic()
        return {
            place: kept.get(_SNAPSHOTS) if place[0] == _SNAPSHOTS else self._position(place[0])
            for place in places
        }

    async def handle(self, records: list[Record]) -> None:
        """Take in a batch: verify, keep, chain, compare. The same records again change nothing."""
        fresh = [each for each in records if not self._was_read(each)]
        new, bad = self._verified(fresh)
        ends = {each.topic: offsets.behind(each) for each in fresh if each.topic == _SNAPSHOTS}
        kept = [(self._row(each, code), self._told(each, code)) for each, code in bad]
        if new or kept or ends:
            await self._store.write(lambda db: _keep(db, new, kept, ends))
        self._known.update((topic, Digest.of(value)) for topic, value in new)
        self._read(fresh)
        await self._compare()
        if new:
            self._held = None
            for listener in self._listeners:
                listener()

    async def quarantine(self, record: Record, code: str) -> None:
        """Keep a record that `handle` could not even look at, and go on behind it."""
        kept = [(self._row(record, code), self._told(record, code))]
        ends = {_SNAPSHOTS: offsets.behind(record)} if record.topic == _SNAPSHOTS else {}
        await self._store.write(lambda db: _keep(db, [], kept, ends))
        self._read([record])

    async def on_reset(self, reset: Reset) -> None:
        """Begin again with a topic that the broker lost; the register keeps what it knows."""
        facts = {"topic": reset.topic, "offset": reset.wanted, "code": reset.kind.value}
        row = self._event(EventKind.TOPIC_RESET, facts)

        def job(db: sqlite3.Connection) -> None:
            if row is not None:
                outbox.insert(db, row)
            if reset.topic == _SNAPSHOTS:
                offsets.save(db, {_SNAPSHOTS: Position(reset.start, reset.topic_id)})

        await self._store.write(job)
        log.error("trust_topic_reset", topic=reset.topic, code=reset.kind.value)
        self._comparison.begin_anew(reset.topic, reset.start)
        self._ids[reset.topic] = reset.topic_id
        if reset.topic == topics.keys(self._me):
            self.seen_own.clear()

    def check_sealing(self) -> None:
        """Raise `Unavailable("register-contradicts")` while the registry says something else."""
        if self.contradicting is not None:
            raise Unavailable("register-contradicts", self.contradicting)

    def is_stale(self, now: datetime) -> bool:
        """Say whether the newest snapshot is old, missing or ahead: a warning, never a refusal."""
        snapshot = self.register.snapshot
        return snapshot is None or abs(now - snapshot.at) > self._stale_after

    def _snapshot_age(self) -> float:
        snapshot = self.register.snapshot
        return math.inf if snapshot is None else (self._clock.now() - snapshot.at).total_seconds()

    def missing(self) -> str | None:
        """Say for `/readyz` what this agency lacks to send and to receive."""
        if self._me not in self.register.agencies():
            return "not-enrolled"
        if (code := _BRAKED.get(self.register.status(self._me))) is not None:
            return code  # first: what else is missing may only follow from it
        try:
            self._signer()
        except Unavailable as exc:
            return exc.code
        held = standing(self.register.agreements(), self._clock.now())
        mine = (each.status for each in held if each.document.party(self._me) is not None)
        return None if any(status in _COUNTS for status in mine) else "no-agreement"

    def caught_up(self) -> bool:
        """Say whether our own topic of keys was probably read to its end: it is a short one."""
        return self._placed is not None and time.monotonic() - self._placed > _SETTLED

    def lost(self) -> Mapping[str, str]:
        """Return the topics where nothing arrives any more, and why (`standing`)."""
        return lost_topics(self.register, self._me)

    def held(self) -> frozenset[str]:
        """Return the topics that are not written now (`standing`), kept until something changes."""
        if self._held is None:
            self._held = held_topics(self.register, self._me)
        return self._held

    def _verified(
        self, records: Sequence[Record]
    ) -> tuple[list[tuple[str, bytes]], list[tuple[Record, str]]]:
        """Apply in order; return what is new, and what was refused. Of snapshots the newest."""
        new: list[tuple[str, bytes]] = []
        bad: list[tuple[Record, str]] = []
        snapshots = [each for each in records if each.topic == _SNAPSHOTS]
        for record in (*(each for each in records if each.topic != _SNAPSHOTS), *snapshots[::-1]):
            value = record.value
            if value is not None and (record.topic, Digest.of(value)) in self._known:
                continue
            before = self.register.snapshot
            code = self._apply(record.topic, value)
            if code is not None:
                bad.append((record, code))
            elif value is not None and record.topic != _SNAPSHOTS:
                new.append((record.topic, value))
            elif value is not None and self.register.snapshot is not before:
                new.append((record.topic, value))
                break  # older ones say nothing any more
        return new, bad

    def _apply(self, topic: str, value: bytes | None) -> str | None:
        """Return the code of the refusal, if any."""
        before = self.register.snapshot
        try:
            self.register.apply(topic, value)
        except Refused as exc:
            _refused.labels(exc.code).inc()
            return exc.code
        if value is not None and topic == topics.keys(self._me):
            self.own[Digest.of(value)] = value
        if self.register.snapshot is not before:
            self._comparison.snapshot_arrived()
        return None

    def _position(self, topic: str) -> Position | None:
        topic_id = self._ids.get(topic)
        return None if topic_id is None else Position(self._comparison.next_offset(topic), topic_id)

    def _was_read(self, record: Record) -> bool:
        topic = record.topic
        return topic != _SNAPSHOTS and record.offset < self._comparison.next_offset(topic)

    def _read(self, records: Sequence[Record]) -> None:
        own = topics.keys(self._me)
        for record in records:
            self._ids[record.topic] = record.topic_id
            if record.topic != _SNAPSHOTS:
                self._comparison.extend(record)
            if record.topic == own:
                self.seen_own.add(Digest.of(record.value or b""))

    async def _compare(self) -> None:
        snapshot = self.register.snapshot
        found = None if snapshot is None else self._comparison.contradiction(snapshot)
        told = self._tell_later()
        if found is not None and self.contradicting is None:
            log.error("register_contradicts", topic=found)
            told.append(self._event(EventKind.REGISTER_CONTRADICTS, {"topic": found}))
        self.contradicting = found
        rows = [row for row in told if row is not None]
        if rows:
            await self._store.write(lambda db: [outbox.insert(db, row) for row in rows])

    def _tell_later(self) -> list[outbox.NewRow | None]:
        """Return what could not be signed before, our own certificate being on its way."""
        untold, self._untold = self._untold, []
        return [self._event(kind, facts) for kind, facts in untold]

    def _event(self, kind: EventKind, facts: dict[str, Any]) -> outbox.NewRow | None:
        """Sign an event, or remember it: reading trust must never wait for a key it would bring."""
        try:
            return events.row(self._me, self._signer(), kind, self._clock.now(), **facts)
        except Unavailable:
            self._untold = [*self._untold, (kind, facts)][-_UNTOLD_MAX:]
            return None

    def _told(self, record: Record, code: str) -> outbox.NewRow | None:
        facts = {"topic": record.topic, "offset": record.offset, "code": code}
        return self._event(EventKind.QUARANTINED, facts)

    def _row(self, record: Record, code: str) -> NewQuarantined:
        kind, _, agency = record.topic.partition(".")
        return NewQuarantined(
            at=self._clock.now(),
            topic=record.topic,
            topic_offset=record.offset,
            timestamp=record.timestamp,
            code=code,
            sender=AgencyId(agency) if kind == "keys" else _REGISTRY,
            verified=False,
            urgency=None,
            key=record.key,
            headers=record.headers,
            value=record.value,
            digest=Digest.of(record.key or b"", record.value or b""),
        )


def _keep(
    db: sqlite3.Connection,
    new: Iterable[tuple[str, bytes]],
    bad: Iterable[tuple[NewQuarantined, outbox.NewRow | None]],
    ends: Mapping[str, Position],
) -> None:
    """Keep everything of one batch in one transaction."""
    for topic, value in new:
        (trust.replace if topic == _SNAPSHOTS else trust.add)(db, topic, value)
    for row, event in bad:
        # Each process reads these topics from their start; a record is kept and told once.
        if quarantine.insert(db, row) and event is not None:
            outbox.insert(db, event)
    offsets.save(db, ends)
