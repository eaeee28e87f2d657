"""The registry's own copy of every record of trust, so that an empty broker can be filled again.

Guarantees: append-only, in the order in which records were first seen; a record is kept once; every
call ends within its time, and whatever PostgreSQL has against it is `Unavailable` (no value of ours
can be the cause, so the same call may succeed once the operator has seen to the database).
Trusts: PostgreSQL. Whoever can change these rows can withhold a record from a *recreated* broker,
but forge none: every reader verifies the chain itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import psycopg

from meldeweg.kernel import logs
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import Digest

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    digest text NOT NULL,
    value bytea NOT NULL,
    UNIQUE (topic, digest)
);
CREATE TABLE IF NOT EXISTS snapshot (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    n bigint NOT NULL
);
INSERT INTO snapshot (n) VALUES (0) ON CONFLICT DO NOTHING;
"""
_TIMEOUT = 10.0  # seconds for a call, connecting included
T = TypeVar("T")

log = logs.get()


class Book:
    """Records of `registry.agencies`, `registry.agreements` and `keys.*`, as they were seen."""

    def __init__(self, dsn: str, *, timeout: float = _TIMEOUT) -> None:
        self._dsn, self._timeout = dsn, timeout
        self._connection: psycopg.AsyncConnection | None = None
        self._turn = asyncio.Lock()

    async def keep(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Add (topic, value) records, all or none; known ones are left alone."""
        rows = [(topic, Digest.of(value), value) for topic, value in records]

        async def work(connection: psycopg.AsyncConnection) -> None:
            async with connection.transaction(), connection.cursor() as cursor:
                await cursor.executemany(
                    "INSERT INTO record (topic, digest, value) VALUES (%s, %s, %s)"
                    " ON CONFLICT DO NOTHING",
                    rows,
                )

        if rows:
            await self._run(work)

    async def of(self, topic: str) -> Sequence[bytes]:
        """Return everything ever seen on `topic`, in order."""
        return [value for each, value in await self.all() if each == topic]

    async def all(self) -> Sequence[tuple[str, bytes]]:
        """Return every (topic, value) ever seen, in order."""

        async def work(connection: psycopg.AsyncConnection) -> list[tuple[str, bytes]]:
            cursor = await connection.execute("SELECT topic, value FROM record ORDER BY seq")
            return [(str(topic), bytes(value)) for topic, value in await cursor.fetchall()]

        return await self._run(work)

    async def next_snapshot(self) -> int:
        """Count snapshots; the number never goes back."""

        async def work(connection: psycopg.AsyncConnection) -> int:
            cursor = await connection.execute("UPDATE snapshot SET n = n + 1 RETURNING n")
            row = await cursor.fetchone()
            assert row is not None
            return int(row[0])

        return await self._run(work)

    async def start(self) -> None:
        """Connect and make the tables; raises `Unavailable` while PostgreSQL is away."""
        await self.all()

    async def stop(self) -> None:
        await self._discard()

    async def _run(self, work: Callable[[psycopg.AsyncConnection], Awaitable[T]]) -> T:
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout):
                    return await work(await self._open())
            except (psycopg.Error, TimeoutError) as exc:
                await self._discard()  # whatever state it is in, it is not used again
                state = getattr(exc, "sqlstate", None) or type(exc).__name__
                raise Unavailable("database-unavailable", str(state)) from exc

    async def _open(self) -> psycopg.AsyncConnection:
        if self._connection is None or self._connection.closed:
            connection = await psycopg.AsyncConnection.connect(
                self._dsn, autocommit=True, application_name="meldeweg-registry"
            )
            self._connection = connection
            await connection.execute(_SCHEMA)
        return self._connection

    async def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
