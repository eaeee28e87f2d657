"""A receiving gateway without a bus: its store, its keys, and what it would send."""

import asyncio
from collections import Counter
from dataclasses import replace
from uuid import UUID

from meldeweg.gateway.arrivals import Arrivals
from meldeweg.gateway.desk import Desk
from meldeweg.gateway.inbound import Inbound
from meldeweg.gateway.inbox import Inbox
from meldeweg.gateway.numbering import Numbering
from meldeweg.gateway.overdue import Overdue
from meldeweg.gateway.parking import Parking
from meldeweg.gateway.quarantine import Quarantine
from meldeweg.gateway.settings import ParkingSettings, WatchSettings
from meldeweg.gateway.states import SentState
from meldeweg.gateway.store import outbox, parked, received
from meldeweg.gateway.store import sent as sent_rows
from meldeweg.gateway.vault import Vault
from meldeweg.kernel import event, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.ids import Kennzeichen
from unit.gateway.gateway_rows import queued
from unit.gateway.gateway_rows import sent as sent_row
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE

TOPIC_ID = UUID(int=7)
INBOX = topics.inbox(KREIS, POLICE)


class Gateway:
    """Everything of the receiving side of `me`, wired as `__main__` does."""

    def __init__(self, store, world, me=KREIS, register=None, parking=None):
        self.store, self.world, self.me = store, world, me
        self.clock = FixedClock(NOW)
        self.view = register or world.register()
        self.keys = {world.offices[me].seal.kid: world.offices[me].seal}
        self.drawn = 0
        self.woken = 0
        self.released = asyncio.Event()
        self.desk = Desk(
            me=me,
            view=self.view,
            opening=lambda: self.keys,
            signer=lambda: world.offices[me].signing,
            numbering=Numbering(self._draw),
            clock=self.clock,
            vault=Vault(bytes(32)),
            queued=self._queued,
        )
        lock = asyncio.Lock()
        self.settings = parking or ParkingSettings()
        self.inbound = Inbound(store, self.desk, lock, self.settings, 300.0)
        self.arrivals = Arrivals(store, self.desk, self.inbound)
        self.parking = Parking(store, self.inbound.retry, self.clock, self.settings)
        self.inbox = Inbox(store, self.desk, lock)
        self.quarantine = Quarantine(store)
        self.overdue = Overdue(store, self.desk, lock, WatchSettings())
        self._next = Counter()

    def _draw(self):
        self.drawn += 1
        return f"{self.drawn:016x}"

    def _queued(self):
        self.woken += 1
        self.released.set()

    def placed(self, *records):
        """Give records the next offsets of their topics."""
        found = []
        for record in records:
            offset = self._next[record.topic]
            self._next[record.topic] += 1
            found.append(replace(record, offset=offset, topic_id=TOPIC_ID))
        return found

    async def take(self, *records):
        """Handle records as one batch of the bus."""
        batch = self.placed(*records)
        await self.inbound.handle(batch)
        return batch

    def peek(self, job):
        return self.store.peek(job)

    def received(self):
        return self.peek(lambda db: received.page(db, 0, 10_000))

    def quarantined(self):
        query = "SELECT code FROM quarantine ORDER BY seq"
        return [code for (code,) in self.peek(lambda db: db.execute(query).fetchall())]

    def parked(self):
        return self.peek(lambda db: parked.page(db, 0, 1000))

    def rows(self, kind):
        found = self.peek(lambda db: outbox.unproduced(db, 10_000, 2**40))
        return [row for row in found if row.kind == kind]

    def receipts(self):
        """Return the contexts of the receipts that wait to be sent, in order."""
        return [_context(row) for row in self.rows("receipt")]

    def given(self):
        """Return (kind, code, digest) of the receipts that wait to be sent."""
        found = [context.receipt for context in self.receipts()]
        return [(each.kind.value, each.code, each.of) for each in found]

    def events(self):
        """Return the events that wait to be sent, verified."""
        return [event.parse(dict(row.headers)["statement"]).body for row in self.rows("event")]

    def told(self):
        """Return (kind, code) of the events."""
        return [(each.kind.value, each.code) for each in self.events()]

    async def produce(self):
        """Mark everything as produced, as the relay does; return it as records of the bus."""
        rows = self.peek(lambda db: outbox.unproduced(db, 10_000, 2**40))
        now = self.clock.now()
        done = [outbox.Produced(row.seq, row.ref, 0, now, None) for row in rows]
        await self.store.write(lambda db: outbox.mark_produced(db, done))
        return [
            Record(row.topic, 0, 0, 0, row.key, row.value, row.headers)
            for row in rows
            if row.kind != "event"
        ]

    async def sent(self, record, state=SentState.SENT, **changes):
        """Know a message as sent by this gateway, produced and waiting for `delivered`."""
        told = statements.parse(record.header("statement"))
        context = told.context
        row = sent_row(
            id=context.id,
            kennzeichen=Kennzeichen.of(context.id),
            recipient=context.to,
            urgency=context.urgency,
            created=context.created,
            ack_by=context.ack_by,
            digest=told.digest,
            agreement=context.agreement,
            state=state,
            **changes,
        )
        waiting = queued(topic=record.topic, ref=told.digest, recipient=context.to)

        def job(db):
            sent_rows.insert(db, row)
            seq = outbox.insert(db, waiting)
            outbox.mark_produced(db, [outbox.Produced(seq, told.digest, 0, NOW, NOW)])

        await self.store.write(job)
        return told.digest

    def sent_state(self, digest):
        return self.peek(lambda db: sent_rows.by_digest(db, digest)).state

    def offset(self, topic):
        row = self.peek(
            lambda db: db.execute("SELECT next FROM offsets WHERE topic = ?", (topic,)).fetchone()
        )
        return row and row[0]


def _context(row):
    told = statements.parse(dict(row.headers)["statement"])
    assert told.value_size == len(row.value)
    return told.context


def digest(record):
    return statements.parse(record.header("statement")).digest


def poison(world):
    """Five kinds of poison, and the codes they get."""
    good = [world.message() for _ in range(5)]
    return [
        (
            replace(good[0], headers=(*good[0].headers, ("\udcff\udc80", b"x"))),
            "header-contradicts",
        ),
        (replace(good[1], value=None), "value-mismatch"),
        (replace(good[2], headers=((("statement"), b"\xff\xfe"),)), "jws-malformed"),
        (replace(good[3], topic=topics.inbox(KREIS, NETTETAL)), "topic-contradicts"),
        (
            world.message(seal_to=(world.offices[NETTETAL].seal.public,)),
            "envelope-not-for-this-key",
        ),
    ]
