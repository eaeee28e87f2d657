"""The measured district: one stack with its real settings, and how its processes are looked at.

Guarantees: nothing but the services runs in it while a figure is taken; CPU is what the kernel
charged to a process, user and system, all its threads.
"""

import os
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

from e2e.invented import KREIS, POLICE
from meldeweg.gateway.store.database import FILE
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.ids import AgencyId
from meldeweg.local import Options, Stack
from meldeweg.local.district import DistrictPlan

BROKER = "broker-1"
PATIENCE = 180.0  # seconds


class Late(Exception):
    """What a measurement waits for did not come."""


class Stand:
    """A running stack. `sender` sends to `recipient`, who is near nobody else's traffic."""

    sender, recipient = POLICE, KREIS

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.described = stack.description()
        self._looked = 0  # up to which number no message of the sender came back

    @property
    def pids(self) -> dict[str, int]:
        return dict(self._stack.pids)

    def url(self, agency: AgencyId) -> str:
        return self.described.agencies[agency].url

    def token(self, agency: AgencyId) -> str:
        return self.described.agencies[agency].token

    def connection(self) -> Connection:
        """Return the broker's super user's connection: mutual TLS, like everybody's."""
        found, where = self._stack.super_user, self.described.broker.bootstrap
        return Connection(where, found.ca, found.cert, found.key, "bench")

    @contextmanager
    def store(self, agency: AgencyId) -> Iterator[sqlite3.Connection]:
        """Open a gateway's file for reading, beside the gateway."""
        path = self.described.agencies[agency].store / FILE
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            yield db

    def path_of_store(self, agency: AgencyId) -> Path:
        return self.described.agencies[agency].store / FILE

    def cpu(self, *agencies: AgencyId) -> float:
        """Return the seconds of CPU that these gateways have had so far."""
        return sum(spent(self.pids[f"gateway-{agency}"]) for agency in agencies)

    @contextmanager
    def frozen(self, process: str) -> Iterator[None]:
        """Stop a process in its tracks, and let it go on."""
        pid = self.pids[process]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def settled(self) -> None:
        """Wait until every message of the sender has its `delivered`, as long as some get it.

        Raises Late, too, when one came back instead.
        """
        with self.store(self.sender) as db:
            while left := waiting(db):
                eventually(lambda left=left: waiting(db) < left, "a message delivered")
            self._looked = none_came_back(db, self._looked)


def waiting(db: sqlite3.Connection) -> int:
    """Return how many messages of this store have no `delivered` yet."""
    found = db.execute("SELECT count(*) FROM outbox WHERE settled_at IS NULL AND kind = 'message'")
    return int(found.fetchone()[0])


def none_came_back(db: sqlite3.Connection, since: int) -> int:
    """Raise Late if a message behind number `since` was not delivered; returns the last number.

    To be called when none waits: what was refused or given up does not wait either.
    """
    query = "SELECT count(*) FROM sent WHERE n > ? AND state IN ('refused', 'undeliverable')"
    if back := db.execute(query, (since,)).fetchone()[0]:
        raise Late(f"delivered: {back} messages came back")
    return int(db.execute("SELECT coalesce(max(n), 0) FROM sent").fetchone()[0])


def arrived(db: sqlite3.Connection) -> int:
    """Return how many messages ever arrived in this store."""
    return int(db.execute("SELECT coalesce(max(seq), 0) FROM received").fetchone()[0])


def untaken(db: sqlite3.Connection, since: int) -> list[str]:
    """Return the ids of what arrived after number `since` and no person has opened."""
    query = "SELECT id FROM received WHERE seq > ? AND state = 'received' ORDER BY seq"
    rows = db.execute(query, (since,))
    return [row[0] for row in rows]


def spent(pid: int) -> float:
    """Return the seconds of CPU of one process so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def eventually(
    done: Callable[[], bool], what: str, seconds: float = PATIENCE, every: float = 0.05
) -> None:
    """Wait until `done` is true. Raises Late."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise Late(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)


@contextmanager
def running() -> Iterator[Stand]:
    """Start Kreis Viersen in a directory of its own, and leave nothing of it."""
    with tempfile.TemporaryDirectory(prefix="meldeweg-bench-") as directory:
        options = Options(directory=Path(directory), restart=False)
        with Stack(options, DistrictPlan("kreis-viersen")) as stack:
            yield Stand(stack)
