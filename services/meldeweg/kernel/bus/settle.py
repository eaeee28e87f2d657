"""Settles batches: nothing is passed over, and one bad record stops no other (I6).

Guarantees: `settle` returns how many records, from the first on, are durable: handled, or
quarantined with a code. What the surroundings refuse is tried again in place until they give way or
the service stops; then the rest is given back. Knows nothing of Kafka.
"""

import asyncio
from collections.abc import Awaitable, Callable

from meldeweg.kernel import logs, metrics
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.bus.subscription import Subscription
from meldeweg.kernel.errors import Fatal, Refused, Unavailable

_FIRST_PAUSE = 0.1  # seconds
_LAST_PAUSE = 10.0

log = logs.get()
_consumed = metrics.counter("records_consumed", "Records settled", "subscription", "outcome")
_retried = metrics.counter("batches_retried", "Batches tried again in place", "subscription")


class Settler:
    """Settles the batches of one subscription, one at a time."""

    def __init__(
        self, subscription: Subscription, closing: asyncio.Event, alive: Callable[[], None]
    ) -> None:
        self._subscription = subscription
        self._closing = closing
        self._alive = alive  # a retry is a sign of life; a handler that hangs gives none
        self.trouble: str | None = None  # code of what is being waited for

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    async def settle(self, records: list[Record]) -> int:
        """Return how many of `records` are settled: all, unless the service is stopping.

        Raises Fatal.
        """
        name = self._subscription.name
        try:
            if not await self._decided(lambda: self._subscription.handle(records)):
                return 0
        except (Fatal, MemoryError):
            raise
        except Exception as exc:
            code = _code(exc)
            if not isinstance(exc, Refused):
                # A mistake of ours must not stop the partition either; its frames are logged.
                log.exception("handler_failed", subscription=name, count=len(records))
            if len(records) == 1:
                return int(await self._quarantined(records[0], code))
        else:
            _consumed.labels(name, "handled").inc(len(records))
            return len(records)
        for settled, record in enumerate(records):  # which of them is it?
            if not await self.settle([record]):
                return settled
        return len(records)

    async def _decided(self, attempt: Callable[[], Awaitable[None]]) -> bool:
        """Return True once `attempt` returned, False if we stop before that."""
        pause = _FIRST_PAUSE
        while True:
            self._alive()
            try:
                await attempt()
            except (Unavailable, OSError, TimeoutError) as exc:
                self.trouble = exc.code if isinstance(exc, Unavailable) else "handler-unavailable"
                _retried.labels(self._subscription.name).inc()
                log.warning(
                    "batch_waiting", subscription=self._subscription.name, code=self.trouble
                )
            else:
                self.trouble = None
                return True
            if await self._closed_within(pause):
                return False
            pause = min(pause * 2, _LAST_PAUSE)

    async def _quarantined(self, record: Record, code: str) -> bool:
        async def attempt() -> None:
            try:
                await self._subscription.quarantine(record, code)
            except (Unavailable, Fatal):
                raise
            except Exception as exc:
                # Whatever it is: the record must not be passed over.
                log.exception("quarantine_failed", topic=record.topic, offset=record.offset)
                raise Unavailable("quarantine-failed") from exc

        if not await self._decided(attempt):
            return False
        _consumed.labels(self._subscription.name, "quarantined").inc()
        log.warning(
            "record_quarantined",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            code=code,
        )
        return True

    async def _closed_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True


def _code(exc: Exception) -> str:
    return exc.code if isinstance(exc, Refused) else "handler-error"
