"""Watch: what operators must know of the district, read from the bus; it writes nothing."""

from datetime import timedelta
from functools import partial

from meldeweg.kernel import keyfile
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.consume import Consumer
from meldeweg.kernel.bus.subscription import Subscription
from meldeweg.kernel.service import Service, run
from meldeweg.kernel.settings import load, naming, read_secret
from meldeweg.kernel.trust.register import Register
from meldeweg.watch import api, feed
from meldeweg.watch.ledger import Ledger
from meldeweg.watch.settings import WatchSettings


def wire() -> Service:
    """Wire watch by hand; who calls whom can be read here."""
    settings = load(WatchSettings)
    connection = Connection.of(settings.kafka, "watch")
    clock = settings.clock()
    with naming("anchor"):
        register = Register(keyfile.read_public_key(settings.anchor))
    with naming("operator_token"):
        token = read_secret(settings.operator_token)
    ledger = Ledger(timedelta(seconds=settings.silent_after_seconds))
    reader = feed.Feed(register, ledger, clock)

    service = Service("watch", settings, api.build(ledger, register, clock, token))
    for name, prefixes, handle in (
        ("trust", feed.TRUST, reader.trust),
        ("exchange", feed.EXCHANGE, reader.exchange),
    ):
        subscription = Subscription(
            name=name,
            group=f"watch.{name}",
            member="watch",
            prefixes=prefixes,
            handle=handle,
            quarantine=reader.quarantine,
            positions=reader.positions,
            on_reset=reader.reset,
            on_read=partial(reader.read, name),
            patient=True,  # what it judges is a minute old at least
        )
        service.consumer(name, Consumer(connection, subscription))
    service.check("backlog", reader.behind)
    service.task("metrics", lambda: api.measure(ledger, register, clock, settings.refresh_seconds))
    return service


if __name__ == "__main__":
    run("watch", wire)
