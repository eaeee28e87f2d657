"""Ask the broker itself whether it lets this principal read a topic: for `doctor` and the demo.

A right is judged where it is enforced: by a fetch, not by what an ACL listing says.
"""

import asyncio
import time

from confluent_kafka import (  # noqa: TID251 - bus is the place; it says why a fetch was refused
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.errors import Refused, Unavailable

_PATIENCE = 10.0  # seconds
_ANSWERED = KafkaError._PARTITION_EOF  # noqa: SLF001 - its name: read to the end, nothing there
_REFUSED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)


async def read_is_allowed(connection: Connection, topic: str) -> None:
    """Return if one fetch from `topic` is answered; `Refused("topic-not-authorized")` if not.

    Raises `Unavailable` when there is no answer at all (no connection, wrong certificate).
    """
    await asyncio.to_thread(_fetch, connection, topic)


def _fetch(connection: Connection, topic: str) -> None:
    consumer = Consumer(
        connection.admin_options()
        | {
            "group.id": f"{connection.client_id}.probe",  # named, never joined: no offset is asked
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
        }
    )
    try:
        # A principal that may not even see the topic gets no answer to a fetch: it has no leader.
        seen = consumer.list_topics(topic, timeout=_PATIENCE).topics[topic].error
        if seen is not None and seen.code() in _REFUSED:
            raise Refused("topic-not-authorized", topic)
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            message = consumer.poll(0.5)
            if message is None:
                continue
            error = message.error()
            if error is None or error.code() == _ANSWERED:
                return
            if error.code() in _REFUSED:
                raise Refused("topic-not-authorized", topic)
        raise Unavailable("broker-timeout", "the broker did not answer a fetch")
    except KafkaException as exc:
        raise Unavailable("broker-unreachable") from exc
    finally:
        consumer.close()
