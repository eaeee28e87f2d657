"""One FastStream broker with one subscriber: one life of a consumer.

FastStream subscribes and owns the lifecycle; none of its parsing, acknowledging, replying or
publishing runs. Guarantees: a batch is settled or given back, never passed over; offsets are
committed to the group after that, for operators to see: the store's are the ones that count.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from aiokafka import TopicPartition  # noqa: TID251 - bus is the place
from faststream import AckPolicy  # noqa: TID251 - bus is the place
from faststream.kafka import KafkaBroker, KafkaMessage  # noqa: TID251 - bus is the place
from faststream.kafka.message import FAKE_CONSUMER  # noqa: TID251 - bus is the place
from faststream.security import BaseSecurity  # noqa: TID251 - bus is the place

from meldeweg.kernel import logs
from meldeweg.kernel.bus.backlog import Backlog
from meldeweg.kernel.bus.connection import FETCH_WAIT, Connection, client_options, fetch_min_bytes
from meldeweg.kernel.bus.endings import end, tasks_of
from meldeweg.kernel.bus.failures import TROUBLE, outcome
from meldeweg.kernel.bus.placed import PlacedConsumer
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.bus.settle import Settler
from meldeweg.kernel.bus.subscription import Subscription
from meldeweg.kernel.errors import Fatal

_CONNECT = 15.0  # seconds
_COMMIT = 10.0  # seconds
_FETCH = 4 * 1024 * 1024  # bytes per partition; above the largest record

log = logs.get()
logs.take_over()  # the import above gave FastStream's logger a handler of its own


class Stream:
    """One FastStream broker with one subscriber over one PlacedConsumer."""

    def __init__(
        self,
        connection: Connection,
        subscription: Subscription,
        settler: Settler,
        ids: dict[str, UUID],
        backlog: Backlog,
        alive: Callable[[], None],
    ) -> None:
        self._subscription = subscription
        self._settler = settler
        self._ids = ids
        self._consumer: PlacedConsumer | None = None
        self.failure: BaseException | None = None
        self.fatal = asyncio.Event()
        tls = connection.tls()
        common = client_options(connection, tls)
        common.pop("ssl_context")
        common.pop("security_protocol")
        self._broker = KafkaBroker(
            connection.bootstrap,
            client_id=connection.client_id,
            security=BaseSecurity(ssl_context=tls),
            consumer_only=True,  # neither producer nor admin client: they need rights of their own
            allow_auto_create_topics=False,
            apply_types=False,
            logger=None,
        )
        self._build = partial(
            PlacedConsumer,
            subscription=subscription,
            tls=tls,
            ids=ids,
            backlog=backlog,
            alive=alive,
            security_protocol="SSL",
            metadata_max_age_ms=1_000,  # a new partner's topic is noticed within about a second
            **common,
        )
        self._subscriber = self._broker.subscriber(
            pattern=subscription.regex.pattern,
            group_id=subscription.group,
            group_instance_id=subscription.member,
            batch=True,
            max_records=subscription.max_records,
            batch_timeout_ms=1,  # the sleep after nothing came; PlacedConsumer waits
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="none",
            max_partition_fetch_bytes=_FETCH,
            fetch_max_wait_ms=FETCH_WAIT,
            fetch_min_bytes=fetch_min_bytes(patient=subscription.patient),
            session_timeout_ms=10_000,
            parser=_parse,  # one parameter: FastStream's own never runs
            decoder=_decode,
            no_reply=True,  # else a header `reply_to` makes us publish where the sender says
        )
        self._subscriber(self._consume)

    def broken(self) -> asyncio.Event:
        assert self._consumer is not None, "started"
        return self._consumer.broken

    def trouble(self) -> str | None:
        return self._consumer.trouble if self._consumer else None

    async def start(self) -> None:
        await self._broker.connect()
        self._broker.config.broker_config.builder = self._builder
        async with asyncio.timeout(_CONNECT):
            await self._broker.start()

    def _builder(self, **options: Any) -> PlacedConsumer:
        self._consumer = self._build(**options)
        return self._consumer

    async def stop(self, *, drain: float) -> None:
        """Let the batch under way finish within `drain` seconds; 0 cancels it at once."""
        self._broker.config.broker_config.graceful_timeout = drain or None
        consumer = self._consumer
        if consumer is None:
            return
        tasks = [*self._subscriber.tasks, *tasks_of(consumer)]
        consumer._closed = consumer._closed or self._broker.running is False  # noqa: SLF001
        await end(consumer._client, tasks, self._broker.stop(), orderly=drain + 3)  # noqa: SLF001

    async def _consume(self, batch: Sequence[Any]) -> None:
        """Settle one batch; nothing may be raised: FastStream would swallow it and go on."""
        consumer = self._consumer
        assert consumer is not None, "started"
        records = [
            Record(
                each.topic,
                each.partition,
                each.offset,
                each.timestamp,
                each.key,
                each.value,
                each.headers,
                self._ids[each.topic],
            )
            for each in batch
        ]
        try:
            # Once something was given back, what comes after it must not be handled.
            settled = 0 if self._settler.closing else await self._settler.settle(records)
        except SystemExit as exc:  # FastStream would stop this subscriber and say nothing
            settled = self._failed(Fatal("handler-exited"), exc)
        except Exception as exc:  # noqa: BLE001 - Fatal, or out of memory: the process has to end
            settled = self._failed(exc, None)
        if settled < len(records):
            consumer.displaced()
        await _commit(consumer, records[:settled])
        if self.failure is not None:
            await asyncio.Event().wait()  # until `stop` cancels us: no further batch

    def _failed(self, failure: BaseException, cause: BaseException | None) -> int:
        failure.__cause__ = failure.__cause__ or cause
        self.failure = failure
        self.fatal.set()
        return 0


async def _parse(records: Sequence[Any]) -> KafkaMessage:
    return KafkaMessage(raw_message=records, body=b"", consumer=FAKE_CONSUMER, message_id="")


async def _decode(message: KafkaMessage) -> Any:
    return message.raw_message


async def _commit(consumer: PlacedConsumer, settled: list[Record]) -> None:
    """Tell the group, for operators to see; the store's offsets are the ones that count."""
    offsets = {TopicPartition(each.topic, each.partition): each.offset + 1 for each in settled}
    offsets = {place: offset for place, offset in offsets.items() if place in consumer.assignment()}
    if not offsets:
        return
    try:
        async with asyncio.timeout(_COMMIT):
            await consumer.commit(offsets)
    except TROUBLE as exc:
        log.warning("commit_failed", code=outcome(exc).code)
