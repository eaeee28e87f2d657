"""A gateway: `python -m meldeweg.gateway`. Who calls whom can be read here."""

import asyncio
import secrets
import sys
from collections.abc import Callable
from datetime import timedelta

from meldeweg.gateway import vault
from meldeweg.gateway.api import app
from meldeweg.gateway.api.ports import Ports
from meldeweg.gateway.arrivals import Arrivals
from meldeweg.gateway.cursor import Cursors
from meldeweg.gateway.custody import Custody
from meldeweg.gateway.desk import Desk
from meldeweg.gateway.directory import Directory
from meldeweg.gateway.heartbeat import Beat
from meldeweg.gateway.inbound import Inbound
from meldeweg.gateway.inbox import Inbox
from meldeweg.gateway.inclusion.checking import Inclusion
from meldeweg.gateway.inclusion.fetching import Tiles
from meldeweg.gateway.inclusion.following import Follower
from meldeweg.gateway.inclusion.lacking import Lacking
from meldeweg.gateway.intake import Intake
from meldeweg.gateway.keyring import Keyring
from meldeweg.gateway.numbering import Numbering
from meldeweg.gateway.outbound import Outbound
from meldeweg.gateway.overdue import Overdue
from meldeweg.gateway.parking import Parking
from meldeweg.gateway.publication import Publication
from meldeweg.gateway.quarantine import Quarantine
from meldeweg.gateway.retention import Retention
from meldeweg.gateway.room import Room
from meldeweg.gateway.sentbox import SentBox
from meldeweg.gateway.settings import GatewaySettings
from meldeweg.gateway.store import Store, outbox
from meldeweg.gateway.tokens import StoredTokens
from meldeweg.gateway.trustfeed import TrustFeed
from meldeweg.kernel import keyfile, schemas
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.consume import Consumer
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.service import Service, run
from meldeweg.kernel.settings import load, naming
from meldeweg.kernel.trust.register import Register

# Seconds after which a busy thread (the writer, the look into the audit log) lets the loop go on. A
# message's way has some forty such turns; with Python's own 5 ms each it waits a quarter second.
_TURN = 0.0005


def wire() -> Service:
    """Wire the gateway by hand."""
    settings = load(GatewaySettings)
    me, clock, watch = settings.agency, settings.clock(), settings.watch
    connection = Connection.of(settings.kafka, f"gw-{me}")

    # What is known, what is kept, and with what we sign
    store = Store(settings.store)
    with naming("anchor"):
        register = Register(keyfile.read_public_key(settings.anchor))
    with naming("keys"):
        keyring = Keyring(settings.keys, me)
    numbering = Numbering(lambda: secrets.token_hex(8))
    store.on_failure(numbering.restart)
    safe = vault.load(settings.vault_path(), "vault_key" if settings.vault_key else "store")

    def signer() -> SigningKey:
        return keyring.signing_key(register, clock.now())

    custody = Custody(me, store, safe)
    trust = TrustFeed(me, register, store, clock, signer, timedelta(seconds=watch.snapshot_stale))

    # Out
    producer = Producer(connection)
    outbound = Outbound(store, producer, me, signer, clock, settings.outbox, trust.held, trust.lost)
    desk = Desk(
        me=me,
        view=register,
        opening=lambda: keyring.keys.opening,
        signer=signer,
        numbering=numbering,
        clock=clock,
        vault=safe,
        queued=outbound.wake,
    )
    room = Room(settings.store, settings.outbox, lambda: store.peek(outbox.waiting_bytes))
    trust_consumer = Consumer(connection, trust.subscription())
    publication = Publication(
        me,
        keyring,
        register,
        store,
        producer,
        clock,
        known=lambda: trust.own,
        seen=lambda: trust.seen_own,
        caught_up=trust.caught_up,
        begun=lambda: custody.begun,
        reads=schemas.known(),
        every=settings.keys_look_every,
    )

    # In
    lock = asyncio.Lock()  # whoever changes what was received holds it
    inbound = Inbound(store, desk, lock, settings.parking, watch.clock_differs)
    inbox_consumer = Consumer(connection, Arrivals(store, desk, inbound).subscription())
    parking = Parking(store, inbound.retry, clock, settings.parking)
    trust.on_change(parking.changed)

    ports = Ports(
        me=me,
        intake=Intake(store, desk, trust, room),
        sent=SentBox(store, desk),
        inbox=Inbox(store, desk, lock),
        quarantine=Quarantine(store),
        directory=Directory(me, register, clock),
        tokens=StoredTokens(store),
    )
    service = Service("gateway", settings, app.build(ports))
    service.part("store", store)
    service.part("custody", custody)
    service.part("cursors", Cursors(store, clock))
    service.part("trust", trust)
    service.part("producer", producer)
    service.consumer("trust-topics", trust_consumer)
    service.consumer("inbox-topics", inbox_consumer)
    service.task("store-failed", store.watch)
    service.task("relay", outbound.relay)
    service.task("late", outbound.look_after)
    service.task("publication", publication.run)
    service.task("parking", parking.run)
    service.task("overdue", Overdue(store, desk, lock, watch).run)
    service.task("heartbeat", Beat(me, store, signer, clock, watch.heartbeat).run)
    on_record(service, settings, connection, store, register, signer, outbound.wake)
    days = (timedelta(days=settings.idempotency_days), timedelta(days=settings.quarantine_days))
    over = outbound.undeliverable.what_is_over
    service.task("retention", Retention(store, clock, *days, over).run)
    service.check("register", trust.missing)
    service.check("announcement", publication.missing)
    service.check("broker", producer.missing)
    service.check("room", room.missing)
    return service


def on_record(
    service: Service,
    settings: GatewaySettings,
    connection: Connection,
    store: Store,
    register: Register,
    signer: Callable[[], SigningKey],
    queued: Callable[[], None],
) -> None:
    """Wire what looks for our records in the audit log; no message waits for it, nor `/readyz`."""
    me, clock, audit, schedule = settings.agency, service.clock, settings.audit, settings.outbox
    lacking = Lacking(me, store, signer, clock, audit, schedule, queued)
    inclusion = Inclusion(me, store, Tiles(audit), signer, clock, audit.look_every, lacking, queued)
    silence = schedule.again_first / 2
    follower = Follower(me, store, register, signer, clock, silence, inclusion.wake)
    consumer = Consumer(connection, follower.subscription())
    service.part("log-consumer", consumer)
    service.watchdog("log", age=consumer.age, limit=60.0, restart=consumer.restart)
    service.task("log-failed", consumer.failed)
    service.task("inclusion", inclusion.run)


if __name__ == "__main__":
    sys.setswitchinterval(_TURN)
    run("gateway", wire)
