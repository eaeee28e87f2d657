"""(g) Memory of every process: at rest, half way, and after all the messages.

Each message is sent, delivered, and taken by a person: opened and acknowledged. Resident,
descendants included; what PostgreSQL's processes share counts once. Flat is: between half way and
the end of a million no process of ours grew by more than 20 bytes a message, which is 10 MB. Fewer
messages are not judged: what a process grows by in its first minutes is no leak, and a leak of 5 kB
a message is not to be told from it. Java's heap may fill up to its limit.
"""

import asyncio
import time

from bench import calls
from bench.figures import Aim, Figures
from bench.orders import AIMED, Orders
from bench.path import CLIENTS
from bench.stand import Late, Stand, arrived, untaken
from meldeweg.local.timings import memory_of

_REST = 5.0  # seconds of silence before a look
_CHUNK = 500  # messages, until they are taken: nobody lets thousands lie
_MIB = 1024 * 1024
_FLAT = 20  # bytes a message


def at_rest(stand: Stand) -> dict[str, float]:
    """Return process → MiB, some seconds after the last thing happened."""
    time.sleep(_REST)
    found = {name: memory_of(pid) / _MIB for name, pid in stand.pids.items()}
    if ended := [name for name, size in found.items() if not size]:
        raise Late(f"not running any more: {', '.join(ended)}")
    return found


def measure(stand: Stand, orders: Orders, rest: dict[str, float], figures: Figures) -> None:
    with stand.store(stand.recipient) as db:
        before = arrived(db)
    half = _after(stand, before, orders.messages // 2)
    full = _after(stand, before, orders.messages)
    note = _after_how_many(orders)
    for name, size in rest.items():
        figures.add("g", f"memory at rest: {name}", size, "MiB")
    for name, size in full.items():
        figures.add("g", f"memory after: {name}", size, "MiB", note=note)
    name, grown = growth(half, full, orders.messages)
    figures.add(
        "g", "memory: most that one of ours grew, half to end", grown, "bytes a message",
        Aim(_FLAT), f"{name}, {note}", judged=orders.messages >= AIMED,
    )  # fmt: skip


def growth(half: dict[str, float], full: dict[str, float], messages: int) -> tuple[str, float]:
    """Return which process of ours grew most, and its bytes for each message of the second half.

    `half`, `full`: process → MiB when half of the messages, and all, were through.
    """
    ours = [name for name in full if not name.startswith(("broker", "postgres"))]
    worst = max(ours, key=lambda name: full[name] - half[name])
    return worst, (full[worst] - half[worst]) * _MIB / (messages - messages // 2)


def _after_how_many(orders: Orders) -> str:
    text = f"after {orders.messages:,} messages"
    return text if orders.messages >= AIMED else f"{text} (MESSAGES={AIMED} for a million)"


def _after(stand: Stand, before: int, count: int) -> dict[str, float]:
    """Send until `count` have arrived since `before`; return memory then."""
    with stand.store(stand.recipient) as db:
        for at in range(arrived(db), before + count, _CHUNK):
            send(stand, min(_CHUNK, before + count - at))
            stand.settled()
            asyncio.run(_take(stand, untaken(db, at)))
    return at_rest(stand)


def send(stand: Stand, count: int) -> None:
    """Send `count` messages over all clients."""
    asyncio.run(_send(stand, count))


async def _send(stand: Stand, count: int) -> None:
    sender = stand.sender
    async with calls.lines(stand.url(sender), stand.token(sender), CLIENTS) as opened:
        await calls.send_all(opened, calls.report(stand.recipient), count)


async def _take(stand: Stand, messages: list[str]) -> None:
    office = stand.recipient
    async with calls.lines(stand.url(office), stand.token(office), CLIENTS) as opened:
        await calls.take_all(opened, messages)
