"""What a reader asks the broker: the ids of topics, and where their logs begin and end.

A topic that was created again after its broker lost its disk has its old name, another id, and soon
as many records as before: a reader that knows only names and offsets would skip what it never
read. aiokafka speaks metadata up to version 5, which lacks ids; this adds version 12 (KIP-516).

Asked over the coordinator's connection: on the other one the broker would let each question wait
until the fetch before it is answered, half a second when nothing arrives.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID

from aiokafka import TopicPartition  # noqa: TID251 - bus is the place
from aiokafka import errors as kafka  # noqa: TID251 - bus is the place
from aiokafka.client import ConnectionGroup  # noqa: TID251 - as above
from aiokafka.protocol.api import Request, RequestStruct, Response  # noqa: TID251 - as above
from aiokafka.protocol.offset import OffsetRequest  # noqa: TID251 - as above
from aiokafka.protocol.types import (  # noqa: TID251 - as above
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from meldeweg.kernel.bus.records import NO_TOPIC_ID, Place

_EARLIEST, _LATEST = -2, -1  # ListOffsets' special timestamps
_PATIENCE = 5.0  # seconds for one leader's answers: a frozen one must not hold up the others
_AWAY = (kafka.KafkaError, OSError, TimeoutError)
_UNCOMMITTED = 0  # no transactions here, so both isolation levels are the same

_Topics = dict[str, list[int]]  # topic → its partitions


@dataclass(frozen=True, slots=True)
class Listed:
    """A topic as the broker lists it."""

    topic_id: UUID
    partitions: int


async def listed(client: Any, names: Iterable[str] | None = None) -> dict[str, Listed]:
    """Return what the broker says of `names`, or of every topic this principal may see.

    A topic that is not there or not allowed is left out. Raises KafkaError.
    """
    node = client.get_random_node()
    if node is None:
        raise kafka.NodeNotReadyError
    response = await client.send(node, _TopicsRequest(names), group=ConnectionGroup.COORDINATION)
    return {
        name: Listed(topic_id, len(partitions))
        for error, name, topic_id, _, partitions, *_ in response.topics
        if error == 0 and name is not None and topic_id != NO_TOPIC_ID
    }


async def bounds(client: Any, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
    """Return the offsets of the first record and of the one to come, as (start, end).

    A place whose leader does not answer for it (unknown, moved, not allowed, away) is left out: the
    others go on. Raises KafkaError, OSError or TimeoutError when no leader answers at all.
    """
    by_leader: dict[int, _Topics] = defaultdict(lambda: defaultdict(list))
    for topic, partition in places:
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        if leader is None or leader < 0:
            client.force_metadata_update()
        else:
            by_leader[leader][topic].append(partition)
    asked = [_of_leader(client, leader, topics) for leader, topics in by_leader.items()]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    found: dict[Place, tuple[int, int]] = {}
    away: BaseException | None = None
    for answer in answers:
        if isinstance(answer, dict):
            found |= answer
        elif isinstance(answer, _AWAY):
            away = answer
            client.force_metadata_update()
        else:
            raise answer
    if away is not None and not found:
        raise away
    return found


async def _of_leader(client: Any, leader: int, topics: _Topics) -> dict[Place, tuple[int, int]]:
    async with asyncio.timeout(_PATIENCE):
        start = await _edge(client, leader, topics, _EARLIEST)
        end = await _edge(client, leader, topics, _LATEST)
    return {place: (start[place], end[place]) for place in start.keys() & end.keys()}


async def _edge(client: Any, leader: int, topics: _Topics, which: int) -> dict[Place, int]:
    asked = [
        (topic, [(each, which) for each in partitions]) for topic, partitions in topics.items()
    ]
    response = await client.send(
        leader, OffsetRequest(-1, _UNCOMMITTED, asked), group=ConnectionGroup.COORDINATION
    )
    found: dict[Place, int] = {}
    for topic, partitions in response.topics:
        for partition, error, _, offset, *_ in partitions:
            if error == 0:
                found[topic, partition] = offset
            else:
                client.force_metadata_update()
    return found


class _Uuid(AbstractType[UUID]):
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_TEXT = CompactString("utf-8")


class _TopicsResponse(Response):
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", _TEXT),
                ("port", Int32),
                ("rack", _TEXT),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _TEXT),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _TopicsRequest12(RequestStruct):
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _TopicsResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", _TEXT), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicsRequest(Request[_TopicsRequest12]):
    API_KEY = 3

    def __init__(self, names: Iterable[str] | None) -> None:
        self._topics: list[tuple[UUID, str, dict[int, bytes]]] | None = (
            None if names is None else [(NO_TOPIC_ID, name, {}) for name in names]
        )

    def build(self, request_struct_class: type[_TopicsRequest12]) -> _TopicsRequest12:
        return request_struct_class(self._topics, False, False, {})
