"""Keeps a subscription consumed; what a service sees is a Subscription, and this.

Guarantees: what can't go on (a lost group right, a broken coordinator, a stall) is built anew;
`stop` lets the batch under way finish; a handler's Fatal ends the process. Trusts: one active
consumer per group.
"""

import asyncio
import time
from uuid import UUID

from meldeweg.kernel import logs, metrics
from meldeweg.kernel.bus import tolerant
from meldeweg.kernel.bus.backlog import Backlog
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.failures import TROUBLE, outcome
from meldeweg.kernel.bus.settle import Settler
from meldeweg.kernel.bus.stream import Stream
from meldeweg.kernel.bus.subscription import Subscription

_DRAIN = 12.0  # seconds for the batch under way; less than the service's 20
_FIRST_PAUSE, _LAST_PAUSE = 0.2, 5.0  # seconds between attempts to connect

log = logs.get()
_rebuilt = metrics.counter("consumers_rebuilt", "Consumers built anew", "subscription")


class Consumer:
    """Keeps one subscription consumed, over as many clients as that takes."""

    def __init__(self, connection: Connection, subscription: Subscription) -> None:
        tolerant.install()
        self._connection = connection
        self._subscription = subscription
        self._ids: dict[str, UUID] = {}
        self._backlog = Backlog(subscription.on_read)
        self._closing = asyncio.Event()
        self._restarting = asyncio.Event()
        self._settler = Settler(subscription, self._closing, self._alive)
        self._stream: Stream | None = None
        self._life: asyncio.Task[None] | None = None
        self._last_sign = time.monotonic()
        self._trouble: str | None = "not-connected"

    def age(self) -> float:
        """Return seconds since the last poll, or the last attempt at a batch that must wait."""
        return time.monotonic() - self._last_sign

    def missing(self) -> str | None:
        """Return the code of what hinders reading now, or None."""
        polling = self._stream.trouble() if self._stream else None
        return self._trouble or polling or self._settler.trouble

    async def start(self) -> None:
        """Begin; a broker that is away is waited for in the background."""
        self._life = asyncio.create_task(self._live(), name=self._subscription.name)

    async def stop(self) -> None:
        """Let the batch under way finish, commit, and leave; what is left is given back."""
        self._closing.set()
        if self._life is not None:
            await asyncio.wait([self._life])

    async def restart(self) -> None:
        """Throw the client away and build another."""
        self._restarting.set()

    async def failed(self) -> None:
        """Wait for ever, or raise what ended this consumer for good (a handler's Fatal)."""
        if self._life is not None:
            await asyncio.shield(self._life)
        await self._closing.wait()

    def _alive(self) -> None:
        self._last_sign = time.monotonic()

    async def _live(self) -> None:
        pause = _FIRST_PAUSE
        while not self._closing.is_set():
            self._alive()
            self._restarting.clear()
            stream = Stream(
                self._connection,
                self._subscription,
                self._settler,
                self._ids,
                self._backlog,
                self._alive,
            )
            try:
                await stream.start()
                self._stream, self._trouble = stream, None
                began = time.monotonic()
                await _first(self._closing, self._restarting, stream.broken(), stream.fatal)
                if time.monotonic() - began > _LAST_PAUSE:
                    pause = _FIRST_PAUSE
            except TROUBLE as exc:
                self._trouble = outcome(exc).code
                log.warning(
                    "consumer_waiting", subscription=self._subscription.name, code=self._trouble
                )
            finally:
                self._trouble = (stream.trouble() or self._trouble) or "rebuilding"
                self._stream = None
                finish = self._closing.is_set() and stream.failure is None
                await stream.stop(drain=_DRAIN if finish else 0.0)
            if stream.failure is not None:
                raise stream.failure
            if not self._closing.is_set():
                _rebuilt.labels(self._subscription.name).inc()
                await _first(self._closing, timeout=pause)
                pause = min(pause * 2, _LAST_PAUSE)


async def _first(*events: asyncio.Event, timeout: float | None = None) -> None:  # noqa: ASYNC109 - returns
    """Return when one of `events` is set, or after `timeout` seconds."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
