"""The gateway's store: one SQLite file, sealed bytes only.

Guarantees: what `write` answered is durable; what was not answered may or may not be, and its
caller treats it as unknown. Exactly one instance. Trusted for availability and for what this agency
itself did; not for secrecy of contents (they are sealed) nor for what others said (it is signed,
and verified on the way in). Who can modify the file can hide or forget this agency's own messages:
the audit log and the partners still have them.
"""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from meldeweg.gateway.store import connection, mark
from meldeweg.gateway.store.lock import Lock
from meldeweg.gateway.store.schema import HEAD
from meldeweg.gateway.store.writer import Job, Writer
from meldeweg.kernel import logs
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.settings import naming

T = TypeVar("T")
FILE = "gateway.sqlite"
_SETTING = "store"
_MIGRATE = Path(__file__).parent / "schema" / "__main__.py"
_READERS = 2  # threads; reads are short
_MIGRATION = 120.0  # seconds

log = logs.get()


class Store:
    """A part of the service: `start`, then `write` and `read`, then `stop`."""

    def __init__(self, directory: Path) -> None:
        with naming(_SETTING):
            self._directory = directory.absolute()
        self._path = self._directory / FILE
        self._lock: Lock | None = None
        self._writer: Writer | None = None
        self._db: sqlite3.Connection | None = None
        self._inline: sqlite3.Connection | None = None
        self._readers = ThreadPoolExecutor(_READERS, "store-reader", self._open_reader)
        self._thread = threading.local()
        self._listeners: list[Callable[[], None]] = []
        self._file: tuple[int, int] | None = None  # device and inode

    def on_failure(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each commit that failed (`Writer.on_failure`); before `start`."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Take the lock, migrate if needed, check the file, open.

        Raises Fatal `store-…`, or `setting-invalid` where no store can be.
        """
        with naming(_SETTING):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = Lock(self._directory / "gateway.lock")
        self._db = await asyncio.to_thread(self._prepare)
        self._inline = connection.open_reader(self._path)
        self._writer = Writer(self._db, self._is_gone)
        for listener in self._listeners:
            self._writer.on_failure(listener)

    async def stop(self) -> None:
        """Commit what is queued and close; safe after a start that failed halfway."""
        if self._writer:
            await self._writer.stop()
        self._readers.shutdown(wait=True, cancel_futures=True)
        for db in (self._inline, self._db):
            if db:
                db.close()
        if self._lock:
            self._lock.release()
        self._writer = self._db = self._inline = self._lock = None

    @property
    def directory(self) -> Path:
        """Where the store lies, for looking how full the disk is."""
        return self._directory

    @property
    def writer(self) -> Writer:
        """For `on_failure`, `broken` and counting commits."""
        if self._writer is None:
            raise Fatal("store-not-started", "")
        return self._writer

    def write(self, job: Job[T]) -> "asyncio.Future[T]":
        """Queue `job` for the next transaction (`Writer.write`); await it for durability."""
        return self.writer.write(job)

    async def read(self, job: Job[T]) -> T:
        """Run `job` on a read-only connection in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._on_reader, job)

    def peek(self, job: Job[T]) -> T:
        """Run a point read by index at once, on the loop's own read-only connection."""
        if self._inline is None:
            raise Fatal("store-not-started", "")
        return job(self._inline)

    async def watch(self) -> None:
        """Raise Fatal when a commit's outcome became unknown: the service must restart."""
        await asyncio.shield(self.writer.broken)

    def _open_reader(self) -> None:
        self._thread.db = connection.open_reader(self._path)

    def _on_reader(self, job: Job[T]) -> T:
        return job(self._thread.db)

    def _prepare(self) -> sqlite3.Connection:
        migrate(self._path)
        db = connection.open_writer(self._path)
        connection.check(db)
        self._file = _identity(self._path)
        return db

    def _is_gone(self) -> bool:
        """Say whether the open file is not at its path any more; then no start begins a new one."""
        if _identity(self._path) == self._file:
            return False
        with suppress(OSError, Fatal):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            mark.put(self._directory)
        return True


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def migrate(path: Path) -> None:
    """Bring the store to HEAD in a process of its own; the caller holds the lock.

    Raises Fatal `store-…`: `store-gone` where one was and is not.
    """
    found = version(path)
    if found is None:
        mark.demand_none(path.parent)
    elif found > HEAD:
        raise Fatal("store-newer", f"version {found}; this software reads {HEAD}")
    if found != HEAD:
        _upgrade(path, found)
    mark.put(path.parent)


def _upgrade(path: Path, found: str | None) -> None:
    log.info("store_migrating", version=HEAD)
    connection.open_writer(path).close()
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-I", str(_MIGRATE), str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=_MIGRATION,
        check=False,
    )
    if done.returncode != 0:
        raise Fatal("store-migration-failed", f"{found} to {HEAD}: exit {done.returncode}")


def version(path: Path) -> str | None:
    """Return the migration that a store has reached; None: there is none, or an empty one."""
    if not path.exists() or path.stat().st_size == 0:
        ahead = path.with_name(f"{path.name}-wal")
        if ahead.exists() and ahead.stat().st_size > 0:
            # Accepted messages may be in it alone; SQLite would empty it without a word.
            raise Fatal("store-damaged", "its write-ahead log is there, and it is not")
        return None
    db = connection.open_writer(path)
    try:
        row = db.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:  # no such table: nothing was migrated yet
        return None
    except sqlite3.DatabaseError as exc:
        raise Fatal("store-damaged", "unreadable") from exc
    finally:
        db.close()
    return str(row[0]) if row else None
