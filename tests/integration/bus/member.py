"""A consumer in a process of its own, to be killed: prints each value it handles."""

import asyncio
import sys
from pathlib import Path

from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.consume import Consumer
from meldeweg.kernel.bus.subscription import Subscription


async def handle(records):
    for record in records:
        sys.stdout.write(record.value.decode() + "\n")
        sys.stdout.flush()


async def nothing(*_):
    return {}


async def main(bootstrap, me, ca, cert, key):
    connection = Connection(bootstrap, Path(ca), Path(cert), Path(key), "member")
    consumer = Consumer(
        connection,
        Subscription(
            name="inbound",
            group=f"gw-{me}.inbound",
            prefixes=(f"inbox.{me}.",),
            handle=handle,
            quarantine=nothing,
            positions=nothing,
            on_reset=nothing,
            member="gateway",
        ),
    )
    await consumer.start()
    await consumer.failed()


asyncio.run(main(*sys.argv[1:]))
