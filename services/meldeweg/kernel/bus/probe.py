"""Ask the broker itself whether it lets this principal read a topic: for `doctor` and the demo.

A right is judged where it is enforced: by a fetch, not by what an ACL listing says.
"""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition  # noqa: TID251 - bus is the place
from aiokafka import errors as kafka  # noqa: TID251 - bus is the place

from meldeweg.kernel.bus import tolerant
from meldeweg.kernel.bus.connection import Connection, client_options
from meldeweg.kernel.bus.endings import end, tasks_of
from meldeweg.kernel.bus.failures import outcome
from meldeweg.kernel.errors import Refused, Unavailable

_PATIENCE = 10.0  # seconds


async def read_is_allowed(connection: Connection, topic: str) -> None:
    """Return if one fetch from `topic` is answered; `Refused` with the broker's reason if not.

    Raises `Unavailable` when there is no answer at all (no connection, wrong certificate).
    """
    tolerant.install()
    client = AIOKafkaConsumer(
        **client_options(connection, connection.tls()), enable_auto_commit=False
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            await client.start()
            place = TopicPartition(topic, 0)
            client.assign([place])
            await client.seek_to_beginning(place)
            await client.getmany(place, timeout_ms=1000)
    except (kafka.KafkaError, OSError, TimeoutError) as exc:
        said = outcome(exc)
        if said.code.endswith("-not-authorized"):
            raise Refused(said.code) from exc
        raise Unavailable(said.code) from exc
    finally:
        await end(client._client, tasks_of(client), client.stop())  # noqa: SLF001 - see endings
