"""Follows `audit.checkpoints`: which of our records stand where in the log, and its signed heads.

Guarantees: ranges, heads and the offset are kept in one transaction; what contradicts an earlier
note is kept as evidence and alarms people, once for each log; a note that the audit did not sign is
put aside with its code. A topic that was made anew is read from its start: what is in it already
changes nothing; where the log says that one of ours to write was made anew, the receipts that the
old one held go again (`outbox.repeat_receipts_on`). Trusts: what `chaining` does.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from meldeweg.gateway import events
from meldeweg.gateway.inclusion.chaining import Chaining, Contradiction, Opened, opened
from meldeweg.gateway.store import Store, log, offsets, outbox, quarantine
from meldeweg.gateway.store.log import Evidence
from meldeweg.gateway.store.quarantine import NewQuarantined
from meldeweg.kernel import failpoints, logs
from meldeweg.kernel.bus.positions import Position, Reset
from meldeweg.kernel.bus.records import Place, Record
from meldeweg.kernel.bus.subscription import Subscription
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.metrics import counter
from meldeweg.kernel.topics import AUDIT_CHECKPOINTS
from meldeweg.kernel.trust.register import Register

_AUDIT = AgencyId("audit")  # whose topic it is, in the list of quarantine
_SLICE = 8  # notes verified before others get their turn on the loop
_ALARM_EVERY = timedelta(days=1)
_HELD = timedelta(days=30)  # the topics' own retention
MISSING = "manifest-missing"

failpoints.declare("inclusion.before_follow", "inclusion.after_follow")
_log = logs.get()
_notes = counter("log_notes", "Notes of the audit log that were read", "outcome")


class Follower:
    """`silence`: seconds without a checkpoint after which the log was asleep; `read`: called when
    something new was kept."""

    def __init__(
        self,
        me: AgencyId,
        store: Store,
        register: Register,
        signer: Callable[[], SigningKey],
        clock: Clock,
        silence: float,
        read: Callable[[], None],
    ) -> None:
        self._me, self._store, self._register = me, store, register
        self._signer, self._clock = signer, clock
        self._silence, self._read = int(silence * 1000), read

    def subscription(self) -> Subscription:
        """Say what the bus has to read."""
        return Subscription(
            name="log",
            group=f"gw-{self._me}.log",
            member="gateway",
            topics=(AUDIT_CHECKPOINTS,),
            handle=self.handle,
            quarantine=self.quarantine,
            positions=self.positions,
            on_reset=self.on_reset,
            patient=True,
        )

    async def positions(self, places: list[Place]) -> Mapping[Place, Position | int | None]:
        """Return where the store is."""
        return await self._store.read(lambda db: dict(offsets.places(db, places)))

    async def handle(self, records: list[Record]) -> None:
        """Keep what a batch of notes says; the same notes again change nothing."""
        now = self._clock.now()
        chains, largest = await self._store.read(_known)
        chaining = Chaining(self._me, chains, largest, self._silence, now)
        refused: list[tuple[Record, str]] = []
        for n, record in enumerate(records):
            if n % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
            try:
                chaining.take(self._opened(record), record.timestamp)
            except Refused as exc:
                refused.append((record, exc.code))
        await self._keep(records[-1], chaining, refused, now)
        _notes.labels("read").inc(len(records) - len(refused))
        _notes.labels("refused").inc(len(refused))
        self._read()

    async def quarantine(self, record: Record, code: str) -> None:
        """Put aside a record that `handle` could not even look at."""
        nothing = Chaining(self._me, {}, {}, self._silence, self._clock.now())
        await self._keep(record, nothing, [(record, code)], self._clock.now())

    async def on_reset(self, reset: Reset) -> None:
        """Begin again at the topic's start; what is known of the log stays known."""
        facts = {"topic": reset.topic, "offset": reset.wanted, "code": reset.kind.value}
        row = self._event(EventKind.TOPIC_RESET, **facts)

        def job(db: sqlite3.Connection) -> None:
            offsets.save(db, {reset.topic: Position(reset.start, reset.topic_id)})
            outbox.insert(db, row)

        await self._store.write(job)
        _log.error("log_topic_reset", topic=reset.topic, code=reset.kind.value)

    def _opened(self, record: Record) -> Opened:
        keys = self._register.service_keys("audit")
        if not keys:  # the register was not read that far yet, or nobody enrolled the audit
            raise Unavailable("audit-key-unknown", "")
        at = datetime.fromtimestamp(record.timestamp / 1000, tz=self._clock.now().tzinfo)
        valid = []
        for key in keys:
            try:
                valid.append(self._register.service_key("audit", key.kid, at))
            except Refused:
                continue
        return opened(record.value, valid)

    async def _keep(
        self,
        last: Record,
        chaining: Chaining,
        refused: Sequence[tuple[Record, str]],
        now: datetime,
    ) -> None:
        told = [(found, self._alarm(found.code, last)) for found in chaining.contradictions]
        missing = self._alarm(MISSING, last) if chaining.gaps else None
        aside = [
            (_aside(record, code, now), self._aside_told(record, code)) for record, code in refused
        ]

        again: list[tuple[str, int]] = []

        def job(db: sqlite3.Connection) -> None:
            again.extend(_keep_known(db, chaining, now))
            due = [event for found, event in told if log.testify(db, _evidence(found, now))]
            if missing and log.alarm_due(db, AUDIT_CHECKPOINTS, now - _ALARM_EVERY, now):
                due.append(missing)
            due += [event for row, event in aside if quarantine.insert(db, row)]
            for event in due:
                outbox.insert(db, event)
            offsets.save(db, {last.topic: offsets.behind(last)})

        await failpoints.reach("inclusion.before_follow")
        await self._store.write(job)
        await failpoints.reach("inclusion.after_follow")
        for topic, count in again:
            _log.warning("topic_began_anew", topic=topic, count=count)
        for found in chaining.contradictions:
            _log.error("log_contradicts", code=found.code, topic=last.topic, offset=last.offset)
        if chaining.gaps:
            _log.error("log_contradicts", code=MISSING, topic=last.topic, offset=last.offset)

    def _alarm(self, code: str, record: Record) -> outbox.NewRow:
        facts = {"topic": record.topic, "offset": record.offset}
        return self._event(EventKind.ALARM, code=code, **facts)

    def _aside_told(self, record: Record, code: str) -> outbox.NewRow:
        facts = {"topic": record.topic, "offset": record.offset}
        return self._event(EventKind.QUARANTINED, code=code, **facts)

    def _event(self, kind: EventKind, **facts: object) -> outbox.NewRow:
        return events.row(self._me, self._signer(), kind, self._clock.now(), **facts)


def _known(db: sqlite3.Connection) -> tuple[dict[str, log.Chain], dict[str, bytes | None]]:
    chains = log.chains(db)
    return chains, {origin: log.newest(db, origin) for origin in chains}


def _keep_known(db: sqlite3.Connection, chaining: Chaining, now: datetime) -> list[tuple[str, int]]:
    """Keep chain, ranges and heads; return the topics that began anew, with receipts put back.

    A receipt that the log has may still be unread where it was meant for: nobody confirms one, and
    whoever got `delivered` does not send the message again. So it goes again with its topic.
    """
    for chain in chaining.chains.values():
        log.put_chain(db, chain)
    log.add_spans(db, chaining.spans)
    for head in chaining.heads:
        log.add_seen(db, head)
    since = int((now - _HELD).timestamp() * 1000)
    begun = {span.topic: span.topic_id for span in chaining.spans if span.start == 0}
    put_back = [
        (topic, outbox.repeat_receipts_on(db, topic, topic_id, since))
        for topic, topic_id in begun.items()
    ]
    return [(topic, count) for topic, count in put_back if count]


def _evidence(found: Contradiction, now: datetime) -> Evidence:
    return Evidence(now, found.code, found.origin, found.known, found.seen)


def _aside(record: Record, code: str, now: datetime) -> NewQuarantined:
    return NewQuarantined(
        at=now,
        topic=record.topic,
        topic_offset=record.offset,
        timestamp=record.timestamp,
        code=code,
        sender=_AUDIT,
        verified=False,
        urgency=None,
        key=record.key,
        headers=record.headers,
        value=record.value,
        digest=Digest.of(record.key or b"", record.value or b""),
    )
