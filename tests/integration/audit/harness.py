"""Invented records, and the audit as the service wires it, without a bus."""

import asyncio
import itertools
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meldeweg.audit.database import Pool
from meldeweg.audit.ledger import Ledger
from meldeweg.audit.project import project
from meldeweg.audit.reading import Reading
from meldeweg.audit.sealing import Sealer
from meldeweg.kernel import note
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import FixedClock

KEY = Ed25519PrivateKey.from_private_bytes(b"an invented test key of 32 bytes")
ORIGIN = "audit.example/kreis-musterstadt"
TOPIC = "inbox.jugendamt-musterstadt.polizei-musterstadt"
OTHER = "inbox.polizei-musterstadt.jugendamt-musterstadt"
IDS = {TOPIC: b"T" * 16, OTHER: b"O" * 16}


NEXT_KEY = Ed25519PrivateKey.from_private_bytes(b"an invented key that comes later")
FORMER = (KEY.public_key().public_bytes_raw(),)


def signer(origin):
    return note.Signer.of(origin, KEY)


def next_signer(origin):
    return note.Signer.of(origin, NEXT_KEY)


def record(offset, topic=TOPIC, **changes):
    """A record as the bus would hand it over; invented throughout."""
    given = {
        "topic": topic,
        "partition": 0,
        "offset": offset,
        "timestamp": 1_793_000_000_000 + offset,
        "key": b"polizei-musterstadt",
        "value": b'{"content":{"ciphertext":"Y29udGVudA"},"record":{"ciphertext":"cmVjb3Jk%d"}}'
        % offset,
        "headers": (("statement", b"eyJ.invented-%d.c2ln" % offset), ("ce_id", b"%d" % offset)),
    }
    return Record(**(given | changes))


class Audit:
    """Ledger, sealer and reading on one database, as the service wires them, without a bus."""

    def __init__(self, uri, clock=None):
        self.clock = clock or FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
        self.ledger = Ledger(uri, self.clock)
        self.ledger.open()
        if self.ledger.log is None:
            self.ledger.open_log(2026, f"{ORIGIN}/2026")
        self.sealer = Sealer(self.ledger, signer)
        self.sealer.load()
        self.pool = Pool(uri)
        self.reading = Reading(self.pool)
        self.manifests = []

    def append(self, *records):
        """Append records, grouped by runs of one topic."""
        arrivals = []
        for topic, run in itertools.groupby(records, key=lambda r: r.topic):
            stream = self.ledger.stream(topic, IDS[topic])
            arrivals.append((stream, [project(IDS[topic], each) for each in run]))
        return sum(self.ledger.append([arrival]) for arrival in arrivals)

    def seal(self):
        """Sign everything there is, publishing to a list."""
        while pending := self.sealer.prepare():
            self.manifests.append(pending.note)
            self.sealer.seal(pending, len(self.manifests))
        return self.reading.signed()

    def fill(self, count, topic=TOPIC):
        start = self.ledger.stream(topic, IDS[topic]).next
        self.append(*(record(offset, topic) for offset in range(start, start + count)))

    def close(self):
        self.ledger.close()
        self.pool.close()


@contextmanager
def serving(app):
    """An application behind a real server; yields its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
