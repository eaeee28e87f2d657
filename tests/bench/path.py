"""(c) intake and (d) drain: the same messages, first into the outbox, then to the recipient.

So that neither is measured with the other, the broker is frozen (SIGSTOP) while 32 clients send:
the gateway accepts, seals, signs and stores, and its relay waits. Then the broker goes on, and
everything drains: outbox → broker → verified, opened, stored → `delivered` back. The freeze is
shorter than the patience of any Kafka client. Medians of all rounds.

CPU is that of the gateways alone. Of (d) it is both, from the broker's going on until the last
receipt is back, so the receipts' signatures and everything else that the two did meanwhile is in
it; it is divided by the floor of drain alone, and by that of drain and receipt.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass

from bench import calls, floor, plain
from bench.figures import Aim, Figures
from bench.orders import Orders
from bench.stand import BROKER, Late, Stand, arrived, eventually

CLIENTS = 32
INTAKE_CPU, DRAIN_CPU = "intake: CPU per message", "drain: CPU of both gateways per message"
_WARM = 100  # messages before the first round
_STORED = 0.02  # seconds between looks at how many are stored


@dataclass(frozen=True, slots=True)
class _Round:
    """One filling and draining of the outbox. CPU in µs per message."""

    messages: int
    intake_rate: float
    intake_cpu: float
    shared: float  # messages that one transaction of the sender's store took
    drain_rate: float
    drain_cpu: float


def measure(stand: Stand, orders: Orders, figures: Figures) -> None:
    rounds = asyncio.run(_rounds(stand, orders))
    count = f"{sum(each.messages for each in rounds):,} messages in {len(rounds)} round(s)"

    def middle(name: str) -> float:
        return statistics.median(getattr(each, name) for each in rounds)

    intake = figures.value("b", floor.INTAKE)
    drain, receipt = figures.value("b", floor.DRAIN), figures.value("b", floor.RECEIPT)
    if orders.wants("c"):
        figures.add("c", "intake: messages", middle("intake_rate"), "/s", note=count)
        spent = figures.add("c", INTAKE_CPU, middle("intake_cpu"), "µs")
        figures.ratio("c", "intake: CPU ÷ its floor", spent, intake, Aim(5))
        figures.add("c", "intake: messages per transaction of the store", middle("shared"), "")
    if orders.wants("d"):
        figures.add("d", "drain: messages", middle("drain_rate"), "/s", note=count)
        spent = figures.add("d", DRAIN_CPU, middle("drain_cpu"), "µs")
        figures.ratio("d", "drain: CPU ÷ its floor", spent, drain, Aim(2))
        both = drain + receipt if drain and receipt else None
        figures.ratio("d", "drain: CPU ÷ floor of drain and receipt", spent, both)
        bare = figures.value("a", plain.CPU)
        figures.ratio("d", "drain: CPU ÷ bare aiokafka", spent, bare)


async def _rounds(stand: Stand, orders: Orders) -> list[_Round]:
    body = calls.report(stand.recipient)
    sender = stand.sender
    async with calls.lines(stand.url(sender), stand.token(sender), CLIENTS) as opened:
        await calls.send_all(opened, body, _WARM)
    await asyncio.to_thread(stand.settled)
    found = []
    for _ in range(orders.rounds):
        # Anew for each: a drain may take longer than a connection without requests is kept.
        async with calls.lines(stand.url(sender), stand.token(sender), CLIENTS) as opened:
            found.append(await _round(stand, opened, body, orders.intake_seconds))
        await asyncio.sleep(1)
    return found


async def _round(stand: Stand, opened: list[calls.Line], body: bytes, seconds: float) -> _Round:
    both = (stand.sender, stand.recipient)
    with stand.store(stand.recipient) as db:
        before = arrived(db)
        with stand.frozen(BROKER):
            commits = await _commits(opened[0])
            spent = stand.cpu(stand.sender)
            count, took = await calls.send_for(opened, body, seconds)
            intake = stand.cpu(stand.sender) - spent
            shared = count / max(1, await _commits(opened[0]) - commits)
            spent = stand.cpu(*both)
        rate = await asyncio.to_thread(_stored, stand, before, count)
    await asyncio.to_thread(stand.settled)
    drained = stand.cpu(*both) - spent
    of_intake, of_drain = intake / count * 1e6, drained / count * 1e6
    return _Round(count, count / took, of_intake, shared, rate, of_drain)


async def _commits(line: calls.Line) -> float:
    """Return how many transactions the sender's store has had since it started."""
    for each in (await line.get("/metrics")).decode().splitlines():
        name, _, value = each.partition(" ")
        if name == "meldeweg_store_commits_total":
            return float(value)
    raise Late("the metric of commits")


def _stored(stand: Stand, before: int, count: int) -> float:
    """Wait until all are stored; return messages/s between the first seen there and the last."""
    with stand.store(stand.recipient) as db:
        eventually(lambda: arrived(db) > before, "the first message stored", every=_STORED)
        first, started = arrived(db), time.monotonic()
        eventually(lambda: arrived(db) >= before + count, "all messages stored", every=_STORED)
        return (before + count - first) / (time.monotonic() - started)
