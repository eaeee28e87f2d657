"""Two gateways, and records carried by hand between them."""

import asyncio
from datetime import timedelta

from meldeweg.gateway.arrivals import Arrivals
from meldeweg.gateway.inbound import Inbound
from meldeweg.gateway.inbox import Inbox
from meldeweg.gateway.settings import ParkingSettings
from meldeweg.gateway.store import outbox, sent
from meldeweg.kernel import event, topics
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.schemas import examples
from unit.gateway.sending import Sender, order
from unit.gateway.world import POLICE


class Office(Sender):
    """A gateway that also receives; `carry` brings it what another one has queued."""

    def __init__(self, store, world, me):
        super().__init__(store, world, me)
        lock = asyncio.Lock()
        self.inbound = Inbound(store, self.desk, lock, ParkingSettings(), 300)
        self.arrivals = Arrivals(store, self.desk, self.inbound)
        self.inbox = Inbox(store, self.desk, lock)
        self.carried = {}

    async def carry(self, other):
        """Produce everything that `other` has for this agency, in order."""
        topic = topics.inbox(self.me, other.me)
        rows = [row for row in other.rows() if row.topic == topic]
        start = self.carried.get(topic, 0)
        self.carried[topic] = start + len(rows)
        now = other.clock.now()
        done = [
            outbox.Produced(row.seq, row.ref, start + n, now, now + timedelta(minutes=10))
            for n, row in enumerate(rows)
        ]

        def job(db):
            outbox.mark_produced(db, done)
            sent.mark_sent(db, [(each.ref, each.at) for each in done if each.ref])

        await other.store.write(job)
        await self.inbound.handle(
            [
                Record(topic, 0, start + n, 1, row.key, row.value, row.headers)
                for n, row in enumerate(rows)
            ]
        )


async def brought(police, kreis, **changes):
    accepted = await police.intake.accept(order(**changes), "key-0001")
    await kreis.carry(police)
    await police.carry(kreis)
    return accepted.id


async def replied(police, kreis):
    """The police ask, the office answers and the police have the answer; return its id."""
    inquiry = await brought(police, kreis, type="inquiry", content=examples.INQUIRY)
    body = order(
        type="reply",
        to={"agency": POLICE},
        labels=None,
        content=examples.REPLY | {"entrusted": "none"},
        in_reply_to=inquiry,
    )
    reply = (await kreis.intake.accept(body, "key-0005")).id
    await police.carry(kreis)
    return reply


def events_of(office):
    topic = topics.events(office.me)
    rows = [row for row in office.rows() if row.topic == topic]
    return [event.parse(dict(row.headers)["statement"]).body for row in rows]
