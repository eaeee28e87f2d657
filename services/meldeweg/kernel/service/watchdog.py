"""Notices a part that stopped making progress, restarts it once, and gives up loudly after that.

Guarantees: a part whose last sign of life stays older than its limit does not stay so unnoticed.
A process that was itself frozen does not take its own absence for the part's.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from meldeweg.kernel import logs
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.kernel.metrics import counter

log = logs.get()
_restarts = counter("watchdog_restarts", "Parts restarted because they had stalled", "part")


@dataclass(frozen=True, slots=True)
class Watched:
    """`age`: seconds since the last sign of life. `restart` may raise Unavailable."""

    name: str
    age: Callable[[], float]
    limit: float  # seconds
    restart: Callable[[], Awaitable[None]]


async def watch(part: Watched) -> None:
    """Look four times per limit. Raises Fatal `stalled` when a restart did not help."""
    pause = part.limit / 4
    restarted = False
    looked = time.monotonic()
    while True:
        await asyncio.sleep(pause)
        gap, looked = time.monotonic() - looked, time.monotonic()
        if gap > 2 * pause:  # we were frozen or starved ourselves: give it a whole limit first
            await asyncio.sleep(part.limit)
            looked = time.monotonic()
        if part.age() <= part.limit:
            restarted = False
            continue
        if restarted:
            raise Fatal("stalled", part.name)
        log.error("part_stalled", part=part.name, seconds=round(part.age(), 1))
        _restarts.labels(part.name).inc()
        restarted = await _restart(part)
        await asyncio.sleep(part.limit)
        looked = time.monotonic()


async def _restart(part: Watched) -> bool:
    try:
        async with asyncio.timeout(part.limit):
            await part.restart()
    except (Unavailable, TimeoutError):
        log.exception("restart_failed", part=part.name)
    return True
