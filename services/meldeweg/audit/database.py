"""Connections to PostgreSQL, and what its errors mean here.

Guarantees: what may pass (connection lost, disk full, server stopping) is `Unavailable`; what will
not (a right that is missing, a constraint that is violated) is `Fatal`. A connection that failed is
never used again.
"""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from meldeweg.audit.schema import SCHEMA
from meldeweg.kernel.errors import Fatal, Unavailable

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]
TIMEOUT = 10  # seconds to connect; statements get more
_STATEMENT_MS = 60_000


def connect(uri: str) -> Connection:
    """Open a connection whose statements end by themselves; `Unavailable` when there is none."""
    with translated():
        return psycopg.connect(
            uri,
            connect_timeout=TIMEOUT,
            application_name="meldeweg-audit",
            options=f"-c search_path={SCHEMA} -c statement_timeout={_STATEMENT_MS}",
            autocommit=True,
        )


@contextmanager
def translated() -> Iterator[None]:
    """Turn PostgreSQL's errors into outcomes; the detail is an SQLSTATE, never a row."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
        raise Unavailable("database-unavailable", exc.sqlstate or type(exc).__name__) from exc
    except psycopg.Error as exc:
        raise Fatal("database-refused", exc.sqlstate or type(exc).__name__) from exc


class Pool:
    """A few connections for reading, shared by the threads that answer requests."""

    def __init__(self, uri: str, size: int = 4) -> None:
        self._uri = uri
        self._places: queue.LifoQueue[Connection | None] = queue.LifoQueue()
        for _ in range(size):
            self._places.put(None)

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """One read-only snapshot; `Unavailable("database-busy")` when all places are taken."""
        try:
            connection = self._places.get(timeout=TIMEOUT)
        except queue.Empty:
            raise Unavailable("database-busy") from None
        healthy = False
        try:
            with translated():
                if connection is None or connection.closed:
                    connection = connect(self._uri)
                with connection.transaction(), connection.cursor(binary=True) as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    yield cursor
            healthy = True
        finally:
            if connection is not None and not healthy and connection.broken:
                connection.close()
            self._places.put(connection)

    def close(self) -> None:
        while True:
            try:
                connection = self._places.get_nowait()
            except queue.Empty:
                return
            if connection is not None:
                connection.close()
