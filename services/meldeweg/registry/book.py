"""The registry's own copy of every record of trust, so that an empty broker can be filled again.

Guarantees: append-only, in the order in which records were first seen; a record is kept once.
Trusts: PostgreSQL. Whoever can change these rows can withhold a record from a *recreated* broker,
but forge none: every reader verifies the chain itself.
"""

from collections.abc import Iterable, Sequence

import psycopg

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


class Book:
    """Records of `registry.agencies`, `registry.agreements` and `keys.*`, as they were seen."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.AsyncConnection | None = None

    async def _open(self) -> psycopg.AsyncConnection:
        if self._connection is None or self._connection.closed:
            connection = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)
            await connection.execute(_SCHEMA)
            self._connection = connection
        return self._connection

    async def keep(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Add (topic, value) records; known ones are left alone."""
        rows = [(topic, Digest.of(value), value) for topic, value in records]
        try:
            connection = await self._open()
            async with connection.cursor() as cursor:
                await cursor.executemany(
                    "INSERT INTO record (topic, digest, value) VALUES (%s, %s, %s)"
                    " ON CONFLICT DO NOTHING",
                    rows,
                )
        except psycopg.OperationalError as exc:
            raise Unavailable("database", "PostgreSQL did not take the records") from exc

    async def of(self, topic: str) -> Sequence[bytes]:
        """Return everything ever seen on `topic`, in order."""
        try:
            connection = await self._open()
            cursor = await connection.execute(
                "SELECT value FROM record WHERE topic = %s ORDER BY seq", (topic,)
            )
            return [bytes(row[0]) for row in await cursor.fetchall()]
        except psycopg.OperationalError as exc:
            raise Unavailable("database", "PostgreSQL did not answer") from exc

    async def next_snapshot(self) -> int:
        """Count snapshots; the number never goes back."""
        try:
            connection = await self._open()
            cursor = await connection.execute("UPDATE snapshot SET n = n + 1 RETURNING n")
            row = await cursor.fetchone()
        except psycopg.OperationalError as exc:
            raise Unavailable("database", "PostgreSQL did not answer") from exc
        assert row is not None
        return int(row[0])

    async def start(self) -> None:
        """Connect and make the tables; raises `Unavailable` while PostgreSQL is away."""
        try:
            await self._open()
        except psycopg.OperationalError as exc:
            raise Unavailable("database", "PostgreSQL did not answer") from exc

    async def stop(self) -> None:
        if self._connection is not None:
            await self._connection.close()
