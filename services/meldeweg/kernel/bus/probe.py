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
    Message,
    TopicPartition,
)

from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Refused, Unavailable

_PATIENCE = 10.0  # seconds
_ANSWERED = KafkaError._PARTITION_EOF  # noqa: SLF001 - its name: read to the end, nothing there
_REFUSED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)


async def read_is_allowed(connection: Connection, topic: str) -> None:
    """Return if one fetch from `topic` is answered; `Refused("topic-not-authorized")` if not.

    Raises `Unavailable` when there is no answer at all (no connection, wrong certificate).
    """
    await asyncio.to_thread(_fetch, connection, topic, newest_only=False)


async def newest(connection: Connection, topic: str) -> Record | None:
    """Return the last record of `topic`, None if there is none; raises as `read_is_allowed`."""
    return await asyncio.to_thread(_fetch, connection, topic, newest_only=True)


def _fetch(connection: Connection, topic: str, *, newest_only: bool) -> Record | None:
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
        place = TopicPartition(topic, 0, OFFSET_BEGINNING)
        if newest_only:
            start, end = consumer.get_watermark_offsets(place, timeout=_PATIENCE)
            place = TopicPartition(topic, 0, max(start, end - 1))
        consumer.assign([place])
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is None:
                continue
            error = message.error()
            if error is None:
                return _record(message)
            if error.code() == _ANSWERED:
                return None
            if error.code() in _REFUSED:
                raise Refused("topic-not-authorized", topic)
        raise Unavailable("broker-timeout", "the broker did not answer a fetch")
    except KafkaException as exc:
        raise Unavailable("broker-unreachable") from exc
    finally:
        consumer.close()


def _record(message: Message) -> Record:
    headers = tuple(
        (str(each[0]), _bytes(each[1])) for each in message.headers() or () if len(each) == 2
    )
    return Record(
        str(message.topic()),
        int(message.partition() or 0),
        int(message.offset() or 0),
        int(message.timestamp()[1]),
        _bytes(message.key()),
        _bytes(message.value()),
        headers,
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
