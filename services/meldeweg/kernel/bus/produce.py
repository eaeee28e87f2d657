"""Writes records: all in-sync replicas have them, in order per topic, or the caller is told.

Guarantees: results stand in the order of the batch, one per record; once a record of a topic is
not acknowledged, no later one of that topic in the batch is (a broker without state for this
producer would accept it, sequence numbers notwithstanding); `send`, `start` and `stop` end in
bounded time also with the broker frozen. After any failure the client is thrown away: an idempotent
producer that lost a record, or a right, never recovers.

Does not guarantee that what is Unavailable was not written: a reply may be lost. Readers
deduplicate.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer  # noqa: TID251 - bus is the place
from aiokafka.errors import KafkaError  # noqa: TID251 - bus is the place

from meldeweg.kernel import logs, metrics
from meldeweg.kernel.bus.connection import Connection, client_options
from meldeweg.kernel.bus.endings import demand_wanted, end
from meldeweg.kernel.bus.failures import outcome
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.topics import RECORD_MAX, described

Sent = Ack | Unavailable | Refused

_START = 15.0  # seconds
_SEND = 20.0  # seconds; longer than a leader's change, shorter than anybody's patience
_KNOWN = 2.0  # seconds for the broker to say whether a topic exists
_BATCH = 512 * 1024  # bytes; a larger record travels alone
_OVERHEAD = 64  # bytes per record and header, more than the format needs

log = logs.get()
_produced = metrics.counter("records_produced", "Records handed to the broker", "outcome")


class Producer:
    """One idempotent producer, built when needed and built anew after each failure."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client: AIOKafkaProducer | None = None
        self._turn = asyncio.Lock()
        self._trouble: str | None = "not-connected"

    def missing(self) -> str | None:
        """Return the code of what hindered the last attempt, or None."""
        return self._trouble

    async def start(self) -> None:
        """Try to connect; a broker that is away is no reason not to start (the outbox is there)."""
        async with self._turn:
            try:
                await self._connected()
            except Unavailable as exc:
                log.warning("producer_waiting", code=exc.code)

    async def stop(self) -> None:
        async with self._turn:
            await self._discard()

    async def send(self, batch: Sequence[Outgoing]) -> list[Sent]:
        """Write `batch` and return what became of each record; raises nothing of the broker's.

        Unavailable: not acknowledged, try again from the first such record of the topic on.
        Refused: `record-too-large`, `record-malformed`, `record-invalid`; will never be accepted.
        """
        demand_wanted()
        async with self._turn:
            results = await self._attempt(batch, one_by_one=False)
            if _to_isolate(results):
                results = await self._attempt(batch, one_by_one=True, done=results)
            for result in results:
                _produced.labels("acked" if isinstance(result, Ack) else result.code).inc()
            return results

    async def _attempt(
        self, batch: Sequence[Outgoing], *, one_by_one: bool, done: list[Sent] | None = None
    ) -> list[Sent]:
        sending = _Sending(batch, one_by_one, done)
        try:
            producer = await self._connected()
        except Unavailable as exc:
            sending.rest(exc)
            return sending.results()
        try:
            await sending.run(producer)
        finally:
            # also when we are cancelled in the middle: what is under way must not go on alone
            if sending.failure is not None or not sending.complete():
                self._trouble = sending.failure.code if sending.failure else "send-cancelled"
                await self._discard()
        return sending.results()

    async def _connected(self) -> AIOKafkaProducer:
        if self._client is not None:
            if not self._client.client._sync_task.done():  # noqa: SLF001 - else leaders are stale
                return self._client
            await self._discard()
        producer = AIOKafkaProducer(
            **client_options(self._connection, self._connection.tls()),
            acks="all",
            enable_idempotence=True,
            max_request_size=RECORD_MAX,
            max_batch_size=_BATCH,
            metadata_max_age_ms=5_000,
        )
        try:
            async with asyncio.timeout(_START):
                await producer.start()
        except (KafkaError, OSError, TimeoutError) as exc:
            # also `ClusterAuthorizationFailed` right after enrolment: ACLs take some milliseconds
            await _end(producer)
            self._trouble = outcome(exc).code
            raise Unavailable(self._trouble) from exc
        except BaseException:
            await _end(producer)
            raise
        self._client, self._trouble = producer, None
        return producer

    async def _discard(self) -> None:
        producer, self._client = self._client, None
        if producer is not None:
            await _end(producer)


class _Sending:
    """One pass over a batch: topics side by side, within a topic one produce request at a time."""

    def __init__(
        self, batch: Sequence[Outgoing], one_by_one: bool, done: list[Sent] | None
    ) -> None:
        self._batch = batch
        self._one_by_one = one_by_one
        self._results: dict[int, Sent] = {}
        for index, record in enumerate(batch):
            if done is not None and isinstance(done[index], Ack):
                self._results[index] = done[index]
            elif refusal := _unsound(record):
                self._results[index] = refusal
        self.failure: Unavailable | Refused | None = None

    def complete(self) -> bool:
        return len(self._results) == len(self._batch)

    def results(self) -> list[Sent]:
        return [self._results[index] for index in range(len(self._batch))]

    def rest(self, result: Unavailable | Refused) -> None:
        """Give every record without a result this one."""
        for index in range(len(self._batch)):
            self._results.setdefault(index, result)

    async def run(self, producer: AIOKafkaProducer) -> None:
        by_topic: dict[str, list[int]] = defaultdict(list)
        for index, record in enumerate(self._batch):
            if index not in self._results:
                by_topic[record.topic].append(index)
        tasks = [
            asyncio.create_task(self._topic(producer, topic, indexes))
            for topic, indexes in by_topic.items()
        ]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, timeout=_SEND)
        finally:
            for task in tasks:
                task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
                raise ended  # a mistake of ours: no broker's trouble gets here
        if not self.complete():
            self.failure = Unavailable("broker-timeout")
            self.rest(self.failure)

    async def _topic(self, producer: AIOKafkaProducer, topic: str, indexes: list[int]) -> None:
        left = list(reversed(indexes))
        try:
            async with asyncio.timeout(_KNOWN):
                await producer.partitions_for(topic)
        except (KafkaError, TimeoutError) as exc:
            found = outcome(exc)
            # nothing was sent, so the producer is as good as before
            self._fail(left, Unavailable("topic-unknown") if _silent(exc) else found)
            return
        while left:
            taken, builder = self._filled(producer, left)
            try:
                metadata = await (await producer.send_batch(builder, topic, partition=0))
            except (KafkaError, OSError, TimeoutError) as exc:
                self.failure = outcome(exc)
                if isinstance(self.failure, Refused) and len(taken) == 1:
                    # alone at fault, and for good; the rest waits for the next producer
                    self._results[taken.pop()] = self.failure
                self._fail([*taken, *left], _waiting(self.failure))
                return
            for number, index in enumerate(taken):
                offset = metadata.offset + number if metadata.offset >= 0 else -1
                self._results[index] = Ack(topic, 0, offset, metadata.timestamp)

    def _filled(self, producer: AIOKafkaProducer, left: list[int]) -> tuple[list[int], Any]:
        builder = producer.create_batch()
        taken: list[int] = []
        while left and not (taken and self._one_by_one):
            record = self._batch[left[-1]]
            added = builder.append(
                timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
            )
            if added is None:
                break
            taken.append(left.pop())
        builder.close()
        return taken, builder

    def _fail(self, indexes: list[int], result: Unavailable | Refused) -> None:
        for index in indexes:
            self._results[index] = result


_ISOLATE = "batch-refused"


def _waiting(failure: Unavailable | Refused) -> Unavailable:
    """A refused batch of several says nothing about each: they are tried one by one."""
    return failure if isinstance(failure, Unavailable) else Unavailable(_ISOLATE)


def _to_isolate(results: list[Sent]) -> bool:
    return any(isinstance(each, Unavailable) and each.code == _ISOLATE for each in results)


def _silent(exc: BaseException) -> bool:
    return isinstance(exc, TimeoutError) and not isinstance(exc, KafkaError)


def _unsound(record: Outgoing) -> Refused | None:
    """Refuse what the client would choke on, or the topic: its limit is above RECORD_MAX."""
    if record.key is None and _needs_key(record.topic):
        return Refused("record-malformed", "a compacted topic needs keys")
    size = _OVERHEAD + len(record.key or b"") + len(record.value or b"")
    try:
        for name, value in record.headers:
            size += _OVERHEAD + len(name.encode("utf-8")) + len(value or b"")
    except UnicodeEncodeError:
        return Refused("record-malformed", "header name is not UTF-8")
    return Refused("record-too-large") if size > RECORD_MAX else None


@lru_cache(maxsize=1024)
def _needs_key(topic: str) -> bool:
    # The broker's own refusal (87) is unknown to aiokafka and would look like a passing fault.
    try:
        return described(topic).config["cleanup.policy"] == "compact"
    except Refused:
        return False  # not one of ours; the broker knows


async def _end(producer: AIOKafkaProducer) -> None:
    sender = producer._sender.sender_task  # noqa: SLF001 - stop() would flush what we gave up
    producer._closed = True  # noqa: SLF001 - its finalizer warns otherwise
    if sender is not None:
        sender.cancel()
    await end(producer.client, [sender])
