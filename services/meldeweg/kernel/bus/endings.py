"""Ends a Kafka client for good, whatever the broker does.

`stop()` of aiokafka flushes first, hangs for up to 45 s on a frozen broker, and may leak a
CancelledError. What matters here is that nothing of an abandoned client lives on: a producer must
not send what was reported as failed, a consumer must not keep its membership alive.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

from meldeweg.kernel import logs

_ORDERLY = 5.0  # seconds for stop()
_HARD = 1.0  # seconds for closing connections after that
_CANCELS = 5  # aiokafka's tasks catch a cancellation and go on waiting for their children

log = logs.get()


async def end(
    client: Any, tasks: Iterable[asyncio.Task[Any] | None], stop: Awaitable[None] | None = None
) -> None:
    """Await `stop` for a few seconds, then close connections and cancel what is left of `tasks`.

    Raises nothing but the cancellation of the calling task itself.
    """
    if stop is not None:
        await _quietly(stop, _ORDERLY)
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


async def _quietly(ending: Awaitable[None], limit: float) -> None:
    try:
        async with asyncio.timeout(limit):
            await ending
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # leaked from inside the client: nobody cancelled us
    except TimeoutError:
        log.warning("client_abandoned")
    except Exception:
        # A client that breaks while it is stopped is ended all the same.
        log.exception("client_stop_failed")
