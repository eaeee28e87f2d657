"""(g) One page of an inbox with very many rows, over HTTP, at its beginning, middle and end.

The rows are put straight into the store's table. Where a page is read they have a value of the size
that a message has; elsewhere a short one, as a million of full size would be gigabytes: what a page
costs depends on its own rows and on the depth of the tree, which the number gives.
"""

import asyncio
import secrets
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

from bench import calls
from bench.figures import Aim, Figures
from bench.orders import AIMED, Orders
from bench.stand import Stand
from e2e.invented import KEMPEN, POLICE
from meldeweg.gateway.store import connection
from meldeweg.kernel.clock import SystemClock, to_rfc3339
from meldeweg.kernel.ids import Kennzeichen, new_message_id

_CHUNK = 5_000  # rows of one transaction: the gateway writes too
_PAGE = 200  # the largest there is
_TIMES = 40  # each page
_VALUE, _STATEMENT, _SHORT = 6_000, 1_200, 40  # bytes


def measure(stand: Stand, orders: Orders, figures: Figures) -> None:
    rows = orders.rows
    starts = [0, rows // 2, rows - _PAGE]
    with closing(connection.open_writer(stand.path_of_store(KEMPEN))) as db:
        first = int(db.execute("SELECT coalesce(max(seq), 0) FROM received").fetchone()[0])
        _fill(db, rows, starts)
    took = asyncio.run(_read(stand, [first + start for start in starts]))
    note = f"{_PAGE} of {rows:,} rows, beginning, middle and end"
    figures.add("g", "inbox page: p50", statistics.median(took), "ms", note=note)
    slow, judged = sorted(took)[int(len(took) * 0.99)], rows >= AIMED
    figures.add("g", "inbox page: p99", slow, "ms", Aim(50), note, judged=judged)


def _fill(db: sqlite3.Connection, count: int, starts: list[int]) -> None:
    names = (
        "id, sender, digest, kennzeichen, urgency, created, received_at, ack_by, exercise,"
        " agreement, topic, topic_offset, statement, value, state, state_at, delete_after"
    )
    insert = f"INSERT INTO received ({names}) VALUES ({', '.join('?' * 17)})"
    for start in range(0, count, _CHUNK):
        db.execute("BEGIN IMMEDIATE")
        db.executemany(insert, _rows(range(start, min(start + _CHUNK, count)), starts))
        db.execute("COMMIT")


def _rows(numbers: range, starts: list[int]) -> Iterator[tuple[object, ...]]:
    now = SystemClock().now()
    at, later = to_rfc3339(now), to_rfc3339(now + timedelta(days=300))
    gone = (now + timedelta(days=300)).date().isoformat()
    large, proof, short = (secrets.token_bytes(n) for n in (_VALUE, _STATEMENT, _SHORT))
    for n in numbers:
        full = any(start <= n < start + _PAGE for start in starts)
        message = new_message_id()
        yield (
            message, POLICE, secrets.token_hex(32), Kennzeichen.of(message), "today", at, at,
            later, 0, "a" * 64, "inbox.messstand", n, proof if full else short,
            large if full else short, "received", at, gone,
        )  # fmt: skip


async def _read(stand: Stand, cursors: list[int]) -> list[float]:
    """Return how many milliseconds each page took."""
    took = []
    async with calls.lines(stand.url(KEMPEN), stand.token(KEMPEN), 1) as (line,):
        for _ in range(_TIMES):
            for cursor in cursors:
                started = time.perf_counter()
                await line.get(f"/v1/inbox?after={cursor}&limit={_PAGE}")
                took.append((time.perf_counter() - started) * 1000)
    return took
