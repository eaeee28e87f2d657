"""The one writer: group commit.

Guarantees: `write` returns only after its transaction is on disk (fsync). Everything queued while
the last commit ran goes into the next transaction, each job in a savepoint of its own: a job that
raises undoes itself alone. When a commit fails, every job of the batch and every job queued until
then fails with `Unavailable("store-full")` and nothing of them is kept; callers hear of it first
(`on_failure`), so that what they numbered in order is numbered anew. When it is *unknown* whether
a commit lasted (fsync failed), the writer stops for good: only a restart can tell. So it does when
the file that was written is not the store any more (deleted, moved away, replaced).
Trusts: that a job does nothing but SQL, quickly.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from meldeweg.kernel import failpoints, logs
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.kernel.metrics import counter, histogram

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

_BATCH = 1000  # jobs in one transaction at most
# Seconds between the beginnings of two commits: a lone request waits for nobody, many at once
# share pages and fsync (measured: 430 µs of CPU per job alone, 170 by five, 120 by thirty).
_SPACING = 0.002
_SPACING_SHARED = 0.004  # per job of a commit that had several: with less, company breaks up again
_SPACING_MAX = 0.012
_QUEUE = 20_000  # jobs waiting at most (I7); more is answered `store-busy`
_GONE = "store-gone"
_UNKNOWN = frozenset({"SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC", "SQLITE_CORRUPT"})

failpoints.declare("store.before_commit", "store.after_commit")
log = logs.get()
_commits = counter("store_commits", "Transactions committed, one fsync each")
_failed = counter("store_commits_failed", "Transactions that did not reach the disk")
_jobs = histogram(
    "store_jobs_per_commit", "Jobs that shared a commit", buckets=(1, 2, 4, 8, 16, 32, 64, 256)
)


@dataclass(slots=True)
class _Queued:
    job: Job[Any]
    answer: asyncio.Future[Any]
    epoch: int
    result: Any = None
    error: BaseException | None = field(default=None)


class Writer:
    """Owns a connection and a thread. All methods are called on one event loop."""

    def __init__(self, db: sqlite3.Connection, gone: Callable[[], bool] = lambda: False) -> None:
        """`gone`: asked after each commit, whether what it wrote to is no store any more."""
        self._db, self._gone = db, gone
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._listeners: list[Callable[[], None]] = []
        self._epoch = 0  # what new jobs are stamped with: the loop's side
        self._accepts = 0  # jobs stamped before this fail: the thread's side
        self._stopped = False
        self.broken: asyncio.Future[None] = self._loop.create_future()
        self.commits = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def on_failure(self, listener: Callable[[], None]) -> None:
        """Call `listener` on the loop after a failed commit, before any job of it is answered."""
        self._listeners.append(listener)

    def write(self, job: Job[T]) -> asyncio.Future[T]:
        """Queue `job`; jobs run in the order of these calls. Await the answer for durability.

        Raises Unavailable: `store-full`, `store-busy`, `store-stopped`; and whatever `job` raises.
        """
        if self._stopped or self.broken.done():
            raise Unavailable("store-stopped", "")
        if self._queue.qsize() >= _QUEUE:
            raise Unavailable("store-busy", "")
        answer: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Queued(job, answer, self._epoch))
        return answer

    async def stop(self) -> None:
        """Commit what is queued, then end the thread."""
        if not self._stopped:
            self._stopped = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        going, earliest = True, 0.0
        while going:
            batch = [self._queue.get()]
            # A busy moment: what comes in these milliseconds shares one fsync and the same pages.
            time.sleep(max(0.0, earliest - time.monotonic()))
            began = time.monotonic()
            while len(batch) < _BATCH:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            earliest = began + spacing(len(batch))
            going = None not in batch
            jobs = [queued for queued in batch if queued is not None]
            try:
                if jobs:
                    self._batch(jobs)
            except BaseException as exc:  # the thread must not end unheard
                self._loop.call_soon_threadsafe(self._break, exc)
                raise

    def _batch(self, jobs: list[_Queued]) -> None:
        valid = [queued for queued in jobs if queued.epoch >= self._accepts]
        for queued in jobs:
            if queued.epoch < self._accepts:
                queued.error = Unavailable("store-full", "queued before a commit that failed")
        try:
            if valid:
                self._commit(valid)
        except (sqlite3.Error, Unavailable) as exc:
            self._fail(valid, exc)
        self._loop.call_soon_threadsafe(_answer, jobs)

    def _commit(self, jobs: list[_Queued]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        for queued in jobs:
            self._db.execute("SAVEPOINT job")
            try:
                queued.result = queued.job(self._db)
            except Exception as exc:
                if not _of_the_job(exc):
                    raise  # disk full, I/O: SQLite may have undone the whole transaction
                queued.error = exc
                self._db.execute("ROLLBACK TO job")
            self._db.execute("RELEASE job")
        failpoints.reach_sync("store.before_commit")
        self._db.execute("COMMIT")
        if self._gone():
            raise Unavailable(_GONE, "")
        self.commits += 1
        _commits.inc()
        _jobs.observe(len(jobs))
        failpoints.reach_sync("store.after_commit")

    def _fail(self, jobs: list[_Queued], exc: Exception) -> None:
        _failed.inc()
        name = getattr(exc, "sqlite_errorname", None) or getattr(exc, "code", None) or "unknown"
        log.error("store_commit_failed", count=len(jobs), action=name)
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        self._accepts += 1
        for queued in jobs:
            queued.error = Unavailable("store-full", name)
        self._loop.call_soon_threadsafe(self._heard, self._accepts, name)

    def _heard(self, accepts: int, name: str) -> None:
        self._epoch = accepts
        for listener in self._listeners:
            listener()
        if name in _UNKNOWN:
            self._break(Fatal("store-failed", name))
        elif name == _GONE:
            self._break(Fatal(_GONE, "its file is not where it was; see docs/decisions/0029"))

    def _break(self, exc: BaseException) -> None:
        if not self.broken.done():
            self.broken.set_exception(exc)


def spacing(jobs: int) -> float:
    """Return how many seconds after the beginning of a commit of `jobs` the next may begin.

    At a few hundred jobs a second, each commit of one would find one again; a commit that had
    company waits long enough to have more, and under load nearly all share one.
    """
    return _SPACING if jobs < 2 else min(_SPACING_SHARED * jobs, _SPACING_MAX)


def _of_the_job(exc: Exception) -> bool:
    """Say whether the job alone is wrong; a constraint, a wrong statement, its own exception."""
    if not isinstance(exc, sqlite3.Error):
        return True
    return isinstance(exc, sqlite3.IntegrityError) or exc.sqlite_errorname in ("SQLITE_ERROR", None)


def _answer(jobs: list[_Queued]) -> None:
    for queued in jobs:
        if queued.answer.done():  # its caller was cancelled; the job counts all the same
            continue
        if queued.error is not None:
            queued.answer.set_exception(queued.error)
        else:
            queued.answer.set_result(queued.result)
