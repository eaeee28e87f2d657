"""(e) From the 201 to `delivered` back at the sender, at 20 messages a second.

Nothing else goes on.
An open loop: each message has its moment, whatever became of those before. `delivered` counts from
when the sender's store has it, which is when its API says so; the store is looked at every 2 ms.
A message that came back, refused or undeliverable, is no delivery: it ends the measurement.
"""

import asyncio
import json
import sqlite3
import statistics
import time
from collections.abc import Iterable

from bench import calls
from bench.figures import Aim, Figures
from bench.orders import Orders
from bench.stand import PATIENCE, Late, Stand

_RATE = 20  # messages a second
_LINES = 8
_LOOK = 0.002  # seconds
_WARM = 2.0  # seconds whose messages do not count


def measure(stand: Stand, orders: Orders, figures: Figures) -> None:
    accepted, delivered = asyncio.run(_run(stand, orders.pace_seconds))
    took = sorted((delivered[each] - at) * 1000 for each, at in accepted.items())
    took = [max(0.0, each) for each in took]
    note = f"{len(took):,} messages at {_RATE} a second"
    figures.add("e", "accepted to delivered: p50", statistics.median(took), "ms", note=note)
    figures.add("e", "accepted to delivered: p99", took[int(len(took) * 0.99)], "ms", Aim(60))
    figures.add("e", "accepted to delivered: slowest", took[-1], "ms")


async def _run(stand: Stand, seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return when each message was accepted, and when it was delivered."""
    accepted: dict[str, float] = {}
    delivered: dict[str, float] = {}
    body, sender = calls.report(stand.recipient), stand.sender
    async with calls.lines(stand.url(sender), stand.token(sender), _LINES) as opened:
        free: asyncio.Queue[calls.Line] = asyncio.Queue()
        for line in opened:
            free.put_nowait(line)
        began = time.monotonic()

        async def one(n: int) -> None:
            await asyncio.sleep(began + n / _RATE - time.monotonic())
            line = await free.get()
            answer = await line.post(body)
            at = time.monotonic()
            free.put_nowait(line)
            if n >= _WARM * _RATE:
                accepted[json.loads(answer)["id"]] = at

        total = int((seconds + _WARM) * _RATE)
        sending = asyncio.gather(*(one(n) for n in range(total)))
        await _watch(stand, sending, accepted, delivered)
        await sending
    return accepted, delivered


def all_delivered(db: sqlite3.Connection, messages: Iterable[str]) -> None:
    """Raise Late for a message that waits no more, and was not delivered."""
    for each in messages:
        found = db.execute("SELECT state FROM sent WHERE id = ?", (each,)).fetchone()
        state = found[0] if found else "not in the store"
        if state != "delivered":
            raise Late(f"delivered: a message is {state}")


async def _watch(
    stand: Stand,
    sending: "asyncio.Future[list[None]]",
    accepted: dict[str, float],
    delivered: dict[str, float],
) -> None:
    until = time.monotonic() + PATIENCE
    with stand.store(stand.sender) as db:
        while not sending.done() or len(delivered) < len(accepted):
            # What was accepted before this look and does not wait any more has arrived before it.
            known = [each for each in accepted if each not in delivered]
            rows = db.execute(
                "SELECT key FROM outbox WHERE settled_at IS NULL AND kind = 'message'"
            ).fetchall()
            now = time.monotonic()
            still = {row[0].decode() for row in rows}
            ended = [each for each in known if each not in still]
            all_delivered(db, ended)
            delivered.update((each, now) for each in ended)
            if now > until:
                raise Late("delivered")
            await asyncio.sleep(_LOOK)
