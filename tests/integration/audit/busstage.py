"""A real broker for the audit's tests: its topics, its rights, writers, and a running ingest."""

import asyncio
import contextlib
import time

from confluent_kafka import TopicPartition  # noqa: TID251 - deletes what only a test may delete
from confluent_kafka.admin import AdminClient  # noqa: TID251 - as above

from integration.audit.harness import ORIGIN, TOPIC, signer
from integration.bus.stage import RawName
from meldeweg.audit.database import Pool
from meldeweg.audit.ingest import Ingest
from meldeweg.audit.ledger import Ledger
from meldeweg.audit.reading import Reading
from meldeweg.audit.sealing import Sealer
from meldeweg.audit.served import Served
from meldeweg.audit.verify import verify
from meldeweg.kernel import note
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.bus.rights import Acl, Operation, Pattern, Resource
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.topics import AUDIT_CHECKPOINTS, described
from unit.audit.synthetic import message

AUDIT = "service-audit"
EVENTS = "events.polizei-musterstadt"
__all__ = ["Bus", "RawName", "Running", "eventually"]


async def eventually(look, within=60.0):
    """Return the first true result of `look`, polled."""
    until = time.monotonic() + within
    while True:
        if found := look():
            return found
        assert time.monotonic() < until, "did not happen in time"
        await asyncio.sleep(0.03)


class Bus:
    def __init__(self, broker):
        self.broker = broker
        self.admin = Admin(self.connection(broker.super_user))
        self._raw = AdminClient(self.connection(broker.super_user).admin_options())
        self._producer = Producer(self.connection(broker.super_user))

    def connection(self, credential=None):
        credential = credential or self.broker.pki.service("audit")
        return Connection(
            self.broker.bootstrap, credential.ca, credential.cert, credential.key, "audit-test"
        )

    async def clean(self):
        """Only audit.checkpoints, empty, and the rights that the registry gives the audit."""
        names = [name for name in await self.admin.topics() if not name.startswith("__")]
        await self.delete(*names)
        await self.create(AUDIT_CHECKPOINTS)
        rights = (
            (Pattern.PREFIX, "inbox.", Operation.READ),
            (Pattern.PREFIX, "events.", Operation.READ),
            (Pattern.LITERAL, AUDIT_CHECKPOINTS, Operation.READ),
            (Pattern.LITERAL, AUDIT_CHECKPOINTS, Operation.WRITE),
        )
        await self.admin.create_acls(
            [Acl(Resource.TOPIC, kind, name, AUDIT, operation) for kind, name, operation in rights]
        )

    async def create(self, *names):
        for _ in range(100):  # a topic just deleted may still be there for a moment
            with contextlib.suppress(Exception):
                await self.admin.create_topics([described(name) for name in names], replication=1)
            if set(names) <= await self.admin.topics():
                return
            await asyncio.sleep(0.1)

    async def delete(self, *names):
        if names:
            for future in self._raw.delete_topics(list(names)).values():
                await asyncio.to_thread(future.result, 60)
        for _ in range(200):
            if not set(names) & await self.admin.topics():
                return
            await asyncio.sleep(0.05)

    async def delete_records(self, topic, before):
        futures = self._raw.delete_records([TopicPartition(topic, 0, before)])
        for future in futures.values():
            await asyncio.to_thread(future.result, 60)

    async def write(self, topic, *records):
        """Write (key, value, headers) and return the acks."""
        batch = [Outgoing(topic, key, value, headers) for key, value, headers in records]
        sent = []
        for at in range(0, len(batch), 2000):
            for _ in range(50):
                got = await self._producer.send(batch[at : at + 2000])
                if all(isinstance(each, Ack) for each in got):
                    break
                assert not any(isinstance(each, Ack) for each in got), "would be written twice"
                await asyncio.sleep(0.1)
            sent += got
        return sent

    async def close(self):
        await self._producer.stop()
        await self.admin.close()


class Running:
    """The audit on one database, as `__main__` wires it, in this process."""

    def __init__(self, bus, uri, clock=None, signer=signer, former=()):
        clock = clock or SystemClock()
        self.ledger = Ledger(uri, clock)
        self.sealer = Sealer(self.ledger, signer, former)
        self.ingest = Ingest(bus.connection(), self.ledger, self.sealer, ORIGIN)
        self.pool = Pool(uri)
        self.reading = Reading(self.pool)
        self.task = None

    async def __aenter__(self):
        self.task = asyncio.create_task(self.ingest.run())
        return self

    async def __aexit__(self, *exc):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        await self.ingest.stop()
        self.pool.close()

    def size(self):
        if self.task.done():
            self.task.result()
        with contextlib.suppress(Exception):
            return self.reading.signed().size
        return 0

    async def signed(self, size, within=60.0):
        await eventually(lambda: self.size() >= size, within)
        return self.reading.signed()

    def alarms(self):
        return {(each["code"], each["subject"]) for each in self.reading.alarms(everything=False)}

    def verified(self):
        signed = self.reading.signed()
        keys = self.sealer.verifiers(signed.origin)
        served = Served(self.reading, keys, signed)
        return verify(served, vkeys=[key.vkey() for key in keys])


def some(count, start=0):
    """Return what one agency wrote: key, value and headers of so many messages."""
    return [
        (
            b"polizei-musterstadt",
            b'{"content":{"ciphertext":"Yw"},"record":{"ciphertext":"%d"}}' % n,
            (("statement", message(n + 1)), ("ce_id", b"%d" % n)),
        )
        for n in range(start, start + count)
    ]


async def published(bus):
    """(origin, size) -> roots that were ever published."""
    roots = {}
    for record in await read_all(bus.connection(), (AUDIT_CHECKPOINTS,)):
        if dict(record.headers)["kind"] == b"checkpoint":
            head = note.parse_checkpoint(note.parse(record.value).text)
            note.verify(note.parse(record.value), [signer(head.origin).verifier()])
            roots.setdefault((head.origin, head.size), set()).add(head.root)
    return roots


async def anew(bus):
    """Lose every topic, as a broker without its disk does, and write one record more."""
    await bus.delete(TOPIC, AUDIT_CHECKPOINTS)
    await bus.create(TOPIC, AUDIT_CHECKPOINTS)
    await bus.write(TOPIC, *some(1, 90))


async def notes(bus, kind, at_least=0):
    """Return the notes of a kind on the bus, in order, once there are so many."""
    for _ in range(150):
        records = await read_all(bus.connection(), (AUDIT_CHECKPOINTS,))
        found = [record.value for record in records if dict(record.headers)["kind"] == kind]
        if len(set(found)) >= at_least:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{len(found)} notes")
