"""A gateway's store with follower and loop, an audit, and what lies between."""

from datetime import UTC, datetime, timedelta

from meldeweg.gateway.inclusion.checking import Inclusion
from meldeweg.gateway.inclusion.following import Follower
from meldeweg.gateway.inclusion.lacking import Lacking
from meldeweg.gateway.settings import LogSettings, OutboxSettings
from meldeweg.gateway.store import log, offsets, outbox
from meldeweg.gateway.store.outbox import Produced
from meldeweg.kernel import event, topics
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import ServiceKey
from meldeweg.kernel.trust.register import Register
from unit.gateway.gateway_rows import OFFICE, POLICE, queued
from unit.gateway.inclusion.logstage import KEY, TOPIC_ID, Audit, record

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
SENT = topics.inbox(OFFICE, POLICE)
RECEIVED = topics.inbox(POLICE, OFFICE)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ANCHOR = SigningKey(b"t" * 32)
OURS = SigningKey(bytes(32))


def register(key=KEY, until=NOW + timedelta(days=365)):
    found = Register(ANCHOR.public)
    if key is not None:
        body = ServiceKey(
            v=1,
            service="audit",
            key=key.public_jwk(),
            not_before=NOW - timedelta(days=30),
            verify_until=until,
            at=NOW - timedelta(days=30),
        )
        found.apply(topics.REGISTRY_AGENCIES, issue.signed(body, ANCHOR))
    return found


class Stage:
    """A gateway's store, an audit, and what lies between; the broker's clock is ours."""

    def __init__(self, store, view=None):
        self.store, self.audit, self.clock = store, Audit(), FixedClock(NOW)
        self.woken = 0
        self.next = 0
        settings = LogSettings(url="http://127.0.0.1:9")
        schedule = OutboxSettings(again_first=600, again_longest=6 * 3600)
        common = (POLICE, store)
        self.lacking = Lacking(*common, lambda: OURS, self.clock, settings, schedule, self._queued)
        self.inclusion = Inclusion(
            *common, self, lambda: OURS, self.clock, 5.0, self.lacking, self._queued
        )
        self.follower = Follower(
            *common, view or register(), lambda: OURS, self.clock, 300, self.inclusion.wake
        )

    def reader(self, origin):
        return self.audit.reader(origin)

    def _queued(self):
        self.woken += 1

    def ms(self):
        return int(self.clock.now().timestamp() * 1000)

    async def accept(self, **changes):
        return await self.store.write(lambda db: outbox.insert(db, queued(**changes)))

    async def produce(self):
        """Give what waits to the broker; returns the rows with their offsets."""
        rows = self.store.peek(lambda db: outbox.unproduced(db, 100, 10**9))
        found = []
        for row in rows:
            found.append((row, self.next))
            done = Produced(row.seq, row.ref, self.next, self.clock.now(), None, self.ms())
            await self.store.write(lambda db, done=done: outbox.mark_produced(db, [done]))
            self.next += 1
        return found

    def audited(self, rows, topic_id=TOPIC_ID):
        for row, offset in rows:
            self.audit.append(row.topic, offset, row.key, row.headers, row.value, topic_id)

    async def seal(self):
        self.audit.seal()
        await self.follow()

    async def follow(self, *more):
        """Hand over what was published since."""
        notes, self.audit.published = [*self.audit.published, *more], []
        if notes:
            start = self.store.peek(offsets.load).get(topics.AUDIT_CHECKPOINTS)
            first = start.offset if start else 0
            await self.follower.handle(
                [record(data, first + n, self.ms()) for n, data in enumerate(notes)]
            )

    async def look(self):
        await self.inclusion.once()

    async def settle(self, ref=None):
        digest = ref or queued().ref
        await self.store.write(lambda db: outbox.settle(db, digest, self.clock.now()))

    def outbox(self, kinds=("message", "receipt")):
        """Return (seq, included, whether it waits to be produced) of what lies there."""
        marks = ", ".join("?" * len(kinds))
        query = (
            "SELECT seq, included_at IS NOT NULL, produced_at IS NULL FROM outbox"
            f" WHERE kind IN ({marks}) ORDER BY seq"
        )
        return self.store.peek(lambda db: db.execute(query, kinds).fetchall())

    def told(self):
        found = self.store.peek(lambda db: outbox.unproduced(db, 1000, 10**9))
        bodies = [
            event.parse(dict(row.headers)["statement"]).body for row in found if row.kind == "event"
        ]
        return [(each.kind, each.code, each.topic, each.offset) for each in bodies]

    def head(self):
        return self.store.peek(log.heads).get(self.audit.origin)
