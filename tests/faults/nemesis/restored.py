"""Stores that come back as they were a while ago, as after a disaster and a night's backup."""

import random
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

from faults.evidence import PutBack
from faults.fault import Field, Told, Turn
from faults.nemesis.effect import demand
from faults.nemesis.traffic import agency_of, partner_of, send
from meldeweg.kernel.clock import SystemClock


@dataclass(frozen=True, slots=True)
class GatewayRestored:
    """A gateway's store is put back to an older copy, its vault's key is as it was."""

    between: float = 15.0  # seconds of work that the copy lacks
    name: str = "gateway-restored-from-older-copy"
    needs: frozenset[str] = frozenset()
    turn: Turn = "last"
    invariant: str = (
        "it reads again from its own offsets; nothing twice to the case system beyond what the "
        "copy lacks"
    )

    def run(self, field: Field, rng: random.Random) -> Told:
        process = rng.choice(field.gateways())
        agency = agency_of(process)
        store = Path(field.district.described.agencies[agency].store)
        database = store / "gateway.sqlite"
        copy = field.scratch / f"{agency}.sqlite"
        field.say("copy", process=process)
        copied = SystemClock().now().timestamp()
        with closing(sqlite3.connect(database)) as live, closing(sqlite3.connect(copy)) as kept:
            live.backup(kept)
        for _ in range(3):  # what the copy will lack
            send(field, agency)
            send(field, partner_of(agency), agency)
        field.settle(self.between)
        with field.away(process):
            lacking = _rows(database) - _rows(copy)
            field.say("restore", process=process, lacking_rows=lacking)
            demand(lacking > 0, "the copy lacks something")
            for old in store.glob(f"{database.name}*"):  # with its log: it belongs to the other
                old.unlink()
            copy.replace(database)
            back = SystemClock().now().timestamp()
        return Told(
            what=f"store of {process} restored, {self.between:.0f} s old ({lacking} rows less)",
            restored=frozenset({PutBack(agency, copied, back)}),
        )


def _rows(database: Path) -> int:
    """Count the outbox and the inbox: neither ever shrinks within minutes."""
    with closing(sqlite3.connect(database)) as db:
        tables = ("sent", "received")
        return sum(db.execute(f"select count(*) from {name}").fetchone()[0] for name in tables)


@dataclass(frozen=True, slots=True)
class DatabaseRestored:
    """The central database (the audit's log, the registry's book) is put back to an older copy."""

    between: float = 15.0
    name: str = "database-restored-from-older-copy"
    needs: frozenset[str] = frozenset()
    turn: Turn = "alone"
    invariant: str = "delivery goes on; the log catches up, without a gap, with the same roots"

    def run(self, field: Field, rng: random.Random) -> Told:
        del rng
        data = Path(field.district.described.postgres.data)
        copy = field.scratch / "database"
        copied = _entries(field)
        with field.away("postgres"):  # a copy of a server at rest is whole
            field.say("copy", process="postgres", entries=copied)
            _copy(data, copy)
        for _ in range(3):  # what the copy will lack
            send(field, field.agencies[0])
        field.settle(self.between)
        lacking = _entries(field) - copied
        demand(lacking > 0, "the copy lacks entries of the log")
        with field.away("postgres"):
            field.say("restore", process="postgres", lacking_entries=lacking)
            data.rename(field.scratch / "replaced")
            _copy(copy, data)
        field.ready("audit", 120.0)
        field.ready("registry", 120.0)
        return Told(what=f"database restored, {self.between:.0f} s old ({lacking} entries less)")


def _entries(field: Field) -> int:
    """Return how many entries the log has in the database."""
    with psycopg.connect(field.district.described.postgres.uri) as db:
        found = db.execute("select count(*) from audit.entry").fetchone()
    assert found is not None
    return int(found[0])


def _copy(source: Path, target: Path) -> None:
    """Copy with owners: the server runs as another user where we are root."""
    command = ("cp", "--archive", str(source), str(target))
    subprocess.run(command, check=True, timeout=120)


FAULTS = (GatewayRestored(), DatabaseRestored())
