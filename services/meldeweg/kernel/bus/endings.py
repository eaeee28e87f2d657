"""Ends a Kafka client for good, whatever the broker does.

`stop()` of aiokafka flushes first, hangs for up to 45 s on a frozen broker, and may leak a
CancelledError. What matters here is that nothing of an abandoned client lives on: a producer must
not send what was reported as failed, a consumer must not keep its membership alive.

`close()` of aiokafka waits until each connection is gone. Over TLS that is when the broker has
answered our goodbye; uvloop waits 30 s for it, and where a response was under way the other way the
answer may never come. So each connection gets GOODBYE seconds and is then cut.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from aiokafka.errors import KafkaError  # noqa: TID251 - bus is the place

from meldeweg.kernel import logs

_ORDERLY = 5.0  # seconds for stop()
_HARD = 1.0  # seconds for closing connections after that
GOODBYE = 0.5  # of these, until what is not closed is cut: everything was said before
_CANCELS = 5  # aiokafka's tasks catch a cancellation and go on waiting for their children

log = logs.get()


async def end(
    client: Any,
    tasks: Iterable[asyncio.Task[Any] | None],
    stop: Awaitable[None] | None = None,
    *,
    orderly: float = _ORDERLY,
) -> None:
    """Await `stop` for `orderly` seconds, then close connections and cancel all `tasks` left.

    Raises nothing but the cancellation of the calling task itself.
    """
    _pass_by_dead_task(client)
    client.close = partial(_close, client, client.close)  # `stop` calls it too
    if stop is not None:
        await _quietly(stop, orderly)
    await _quietly(client.close(), _HARD)
    waiting = client._md_update_fut  # noqa: SLF001 - tasks wait for it, and nobody is left to set it
    if waiting is not None and not waiting.done():
        waiting.set_result(False)
    left = {task for task in tasks if task is not None and not task.done()}
    for _ in range(_CANCELS):
        if not left:
            return
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_HARD / _CANCELS)


def _pass_by_dead_task(client: Any) -> None:
    """Forget a task that died: `close` would raise what it died of, and close no connection."""
    task = client._sync_task  # noqa: SLF001 - no other way
    if task is not None and task.done():
        client._sync_task = None  # noqa: SLF001 - as above
        if not task.cancelled():
            log.warning("client_task_died", exc_info=task.exception())


async def _close(client: Any, close: Callable[[], Awaitable[None]]) -> None:
    """Close all connections; abort those whose peer does not answer the goodbye."""
    writers = [each._writer for each in client._conns.values()]  # noqa: SLF001 - gone after close
    closing = asyncio.ensure_future(close())
    try:
        await asyncio.wait([closing], timeout=GOODBYE)
        if not closing.done():
            log.info("connections_cut", count=len(writers))
            for writer in writers:
                if writer is not None:
                    writer.transport.abort()  # and `closing` goes on
        await closing
    finally:
        closing.cancel()


def tasks_of(consumer: Any) -> list[asyncio.Task[Any] | None]:
    """Return the tasks that keep a consumer, and its membership, alive."""
    coordinator, fetcher = consumer._coordinator, consumer._fetcher  # noqa: SLF001 - no other way
    return [
        getattr(coordinator, "_coordination_task", None),
        getattr(coordinator, "_heartbeat_task", None),
        getattr(coordinator, "_commit_refresh_task", None),
        getattr(coordinator, "_reset_committed_task", None),
        getattr(fetcher, "_fetch_task", None),
        *getattr(fetcher, "_pending_tasks", ()),
    ]


def demand_alive(consumer: Any) -> None:
    """Raise KafkaError if a task without which a consumer reads nothing has died.

    aiokafka's `getmany` does not look at them, and returns nothing for ever.
    """
    for task in (consumer._fetcher.error_future, consumer._client._sync_task):  # noqa: SLF001
        if task is not None and task.done():
            raise KafkaError("a background task died")


def demand_wanted() -> None:
    """Raise the CancelledError of a task that was cancelled and goes on all the same.

    `asyncio.wait_for` of Python 3.11, by which aiokafka waits for each response, returns what has
    come at the very moment of a cancellation, and the cancellation is lost. A task that calls a
    client in a loop asks here, or it would never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _quietly(ending: Awaitable[None], limit: float) -> None:
    try:
        async with asyncio.timeout(limit):
            await ending
    except asyncio.CancelledError:
        demand_wanted()  # else it leaked from inside the client: nobody cancelled us
    except TimeoutError:
        log.warning("client_abandoned")
    except Exception:
        # A client that breaks while it is stopped is ended all the same.
        log.exception("client_stop_failed")
