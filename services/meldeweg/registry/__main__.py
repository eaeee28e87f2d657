"""The registry: enrolled agencies, signed agreements, and the topics and ACLs they imply."""

from meldeweg.kernel import keyfile
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.consume import Consumer
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.bus.subscription import Subscription
from meldeweg.kernel.databaseuri import read_database
from meldeweg.kernel.service import Service, run
from meldeweg.kernel.settings import load, naming, read_secret
from meldeweg.kernel.trust.register import Register
from meldeweg.registry import api, feed
from meldeweg.registry.apply import Provisioner
from meldeweg.registry.book import Book
from meldeweg.registry.settings import RegistrySettings
from meldeweg.registry.snapshots import Snapshots
from meldeweg.registry.submit import Desk


def wire() -> Service:
    """Wire the registry by hand; who calls whom can be read here."""
    settings = load(RegistrySettings)
    connection = Connection.of(settings.kafka, "registry")
    clock = settings.clock()
    with naming("anchor"):
        register = Register(keyfile.read_public_key(settings.anchor))
    with naming("signing_key"):
        key = keyfile.read_signing_key(settings.signing_key)
    with naming("database"):
        book = Book(read_database(settings.database))
    with naming("operator_token"):
        token = read_secret(settings.operator_token)
    provisioner = Provisioner(
        register,
        Admin(connection),
        clock,
        replication=settings.replication,
        period=settings.reconcile_seconds,
    )
    trust = feed.TrustFeed(
        register,
        book,
        provisioner,
        lambda: read_all(connection, feed.OWNED, prefixes=feed.PREFIXES),
    )
    producer = Producer(connection)
    desk = Desk(register, book, trust, producer, provisioner, key)
    snapshots = Snapshots(trust.chains, book, producer, key, clock)

    service = Service("registry", settings, api.build(desk, register, provisioner, clock, token))
    service.part("book", book)
    service.part("register", trust)  # whole before anything is planned or published from it
    service.part("producer", producer)
    service.consumer(
        "trust",
        Consumer(
            connection,
            Subscription(
                name="trust",
                group="registry.trust",
                member="registry",
                topics=feed.OWNED,
                prefixes=feed.PREFIXES,
                handle=trust.handle,
                quarantine=trust.quarantine,
                positions=trust.positions,
                on_reset=trust.reset,
            ),
        ),
    )
    service.task("provisioning", provisioner.run)
    service.task("publishing", desk.run)
    service.task("snapshots", lambda: snapshots.run(settings.snapshot_seconds))
    service.check("broker", provisioner.missing)
    return service


if __name__ == "__main__":
    run("registry", wire)
