"""Administration of the broker: topics, their configuration and ids, ACLs, offsets.

Guarantees: every call is idempotent, ends within its time and says Unavailable (try again) or
Refused (`broker-not-authorized`, `broker-refused`). Trusts: the rights of the certificate, no more.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar
from uuid import UUID

from confluent_kafka import (  # noqa: TID251 - administration is here and in `bindings`
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # noqa: TID251 - administration is here and in `bindings`
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)

from meldeweg.kernel.bus.bindings import acl_of, binding
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.records import Place
from meldeweg.kernel.bus.rights import Acl
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.topics import Topic

T = TypeVar("T")

_NOT_AUTHORIZED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_REFUSED = frozenset(
    {
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_REQUEST,
        KafkaError.POLICY_VIOLATION,
        KafkaError.SECURITY_DISABLED,
        KafkaError.TOPIC_EXCEPTION,
    }
)


class Admin:
    """Administers over one librdkafka client, made anew when certificate files change.

    Each call blocks a worker thread, not the loop.
    """

    def __init__(self, connection: Connection, *, timeout: float = 10.0) -> None:
        self._connection = connection
        self._timeout = timeout
        self._client: AdminClient | None = None
        self._stamp: tuple[int, ...] = ()

    async def topics(self) -> set[str]:
        """Return the names of all topics this principal may see, internal ones left out."""
        listed = await self._call(lambda admin: admin.list_topics(timeout=self._timeout))
        return {name for name in listed.topics if not name.startswith("__")}

    async def topic_ids(self, names: Iterable[str]) -> dict[str, UUID]:
        """Return the id the broker gave each topic; one that is not there is left out.

        A topic that was deleted and created again has another id.
        """
        wanted = TopicCollection(list(names))
        if not wanted.topic_names:
            return {}
        futures = await self._call(
            lambda admin: admin.describe_topics(wanted, request_timeout=self._timeout)
        )
        found = await self._results(futures, absent=KafkaError.UNKNOWN_TOPIC_OR_PART)
        return {name: _uuid(description.topic_id) for name, description in found.items()}

    async def create_topics(self, topics: Iterable[Topic], *, replication: int) -> list[str]:
        """Create what is not there yet; return the names that were created."""
        new = [
            NewTopic(each.name, each.partitions, replication, config=each.config) for each in topics
        ]
        if not new:
            return []
        futures = await self._call(
            lambda admin: admin.create_topics(new, request_timeout=self._timeout)
        )
        return list(await self._results(futures, absent=KafkaError.TOPIC_ALREADY_EXISTS))

    async def configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return each topic's configuration in force, defaults included."""
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        if not resources:
            return {}
        futures = await self._call(
            lambda admin: admin.describe_configs(resources, request_timeout=self._timeout)
        )
        found = await self._results(futures, absent=KafkaError.UNKNOWN_TOPIC_OR_PART)
        return {
            resource.name: {name: entry.value for name, entry in entries.items()}
            for resource, entries in found.items()
        }

    async def alter_configs(self, topics: Iterable[Topic]) -> None:
        """Set the keys that each topic's description names; others stay as they are."""
        resources = [
            ConfigResource(
                ConfigResource.Type.TOPIC,
                each.name,
                incremental_configs=[
                    ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                    for name, value in each.config.items()
                ],
            )
            for each in topics
        ]
        if resources:
            futures = await self._call(
                lambda admin: admin.incremental_alter_configs(
                    resources, request_timeout=self._timeout
                )
            )
            await self._results(futures)

    async def acls(self) -> set[Acl]:
        """Return the rights that are given, as far as an Acl can say them.

        Raises Refused (`broker-not-authorized`) when none is seen: who may look sees at least the
        right to look, and librdkafka turns a refused look into an empty answer.
        """
        anything: Any = None  # the library's annotations do not know that None matches all
        everything = AclBindingFilter(
            ResourceType.ANY,
            anything,
            ResourcePatternType.ANY,
            anything,
            anything,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        future = await self._call(
            lambda admin: admin.describe_acls(everything, request_timeout=self._timeout)
        )
        found = (await self._results({None: future}))[None]
        if not found:
            raise Refused("broker-not-authorized")
        return {acl for each in found if (acl := acl_of(each))}

    async def create_acls(self, acls: Iterable[Acl]) -> None:
        """Give rights; those that exist stay. In force some milliseconds after this returns."""
        bindings = [binding(AclBinding, each) for each in acls]
        if bindings:
            futures = await self._call(
                lambda admin: admin.create_acls(bindings, request_timeout=self._timeout)
            )
            await self._results(futures)

    async def delete_acls(self, acls: Iterable[Acl]) -> None:
        """Take rights back; those that do not exist are no error.

        Take topic and group rights together: a consumer notices a group's at its next heartbeat.
        """
        filters = [binding(AclBindingFilter, each) for each in acls]
        if filters:
            futures = await self._call(
                lambda admin: admin.delete_acls(filters, request_timeout=self._timeout)
            )
            await self._results(futures)

    async def offsets(self, names: Iterable[str]) -> dict[Place, tuple[int, int]]:
        """Return (log start, log end) of partition 0 of each topic that is there."""
        places = [TopicPartition(name, 0) for name in names]
        if not places:
            return {}
        start = await self._offsets(places, OffsetSpec.earliest())
        end = await self._offsets(places, OffsetSpec.latest())
        return {place: (start[place], end[place]) for place in start.keys() & end.keys()}

    async def close(self) -> None:
        self._client = None  # librdkafka's threads end with it

    async def _offsets(self, places: list[TopicPartition], spec: OffsetSpec) -> dict[Place, int]:
        asked = dict.fromkeys(places, spec)
        futures = await self._call(
            lambda admin: admin.list_offsets(
                asked,
                isolation_level=IsolationLevel.READ_UNCOMMITTED,
                request_timeout=self._timeout,
            )
        )
        found = await self._results(futures, absent=KafkaError.UNKNOWN_TOPIC_OR_PART)
        if any(info.offset < 0 for info in found.values()):
            raise Unavailable("broker-timeout")  # librdkafka says so by an offset, not an error
        return {(each.topic, each.partition): info.offset for each, info in found.items()}

    async def _call(self, call: Callable[[AdminClient], T]) -> T:
        return await asyncio.to_thread(self._blocking, call)

    def _blocking(self, call: Callable[[AdminClient], T]) -> T:
        stamp = self._connection.stamp()
        if self._client is None or stamp != self._stamp:
            # kept in an attribute: its futures fail once the client is collected
            self._client = AdminClient(self._connection.admin_options())
            self._stamp = stamp
        try:
            return call(self._client)
        except KafkaException as exc:
            raise _outcome(exc) from exc

    async def _results(
        self, futures: dict[Any, "Future[Any]"], *, absent: int | None = None
    ) -> dict[Any, Any]:
        return await asyncio.to_thread(_collected, futures, self._timeout + 2, absent)


def _collected(
    futures: dict[Any, "Future[Any]"], timeout: float, absent: int | None
) -> dict[Any, Any]:
    """Return what came; an error with the code `absent` leaves its key out, others are raised."""
    found: dict[Any, Any] = {}
    for key, future in futures.items():
        try:
            found[key] = future.result(timeout)
        except KafkaException as exc:
            if _code(exc) != absent:
                raise _outcome(exc) from exc
        except TimeoutError as exc:
            raise Unavailable("broker-timeout") from exc
    return found


def _code(exc: KafkaException) -> int:
    error = exc.args[0]
    return error.code() if isinstance(error, KafkaError) else KafkaError._FAIL  # noqa: SLF001 - its name


def _outcome(exc: KafkaException) -> Refused | Unavailable:
    code = _code(exc)
    if code in _NOT_AUTHORIZED:
        return Refused("broker-not-authorized")
    if code in _REFUSED:
        return Refused("broker-refused", str(code))
    return Unavailable("broker-unreachable", str(code))


def _uuid(topic_id: Any) -> UUID:
    high, low = topic_id.get_most_significant_bits(), topic_id.get_least_significant_bits()
    mask = (1 << 64) - 1
    return UUID(int=(high & mask) << 64 | (low & mask))
