"""Who may connect to the database: one role and one schema per service, each with its password.

Guarantees: a service's role owns its schema and can't see into another's; passwords lie in files of
mode 0600 and go over no command line, into no URI and no log; the server is given hashes only.
`provision` ends with the same roles and schemas, whatever was there.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from meldeweg.kernel.errors import Unavailable
from meldeweg.local.files import private_directory, secret, write_private
from meldeweg.local.pki import ServiceName

DATABASE = "meldeweg"
ADMIN = "postgres"
ROLES: tuple[ServiceName, ...] = get_args(ServiceName)

# A statement that failed could carry values in its text, its parameters or its DETAIL.
QUIET_LOG = {
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}


class Roles:
    """The roles of one server; `where`: libpq's `host` and, if need be, `port`."""

    def __init__(self, secrets: Path, where: Callable[[], Mapping[str, str]]) -> None:
        self._secrets = private_directory(secrets)
        self._where = where

    def password(self, role: str) -> str:
        """Return the password of `role`; made at first use."""
        return secret(self._secrets / f"postgres-{role}")

    def uri(self, role: str = ADMIN, database: str = DATABASE) -> str:
        """Return the libpq URI of `role`; it names the file of the password, never the password."""
        passfile = self._secrets / f"postgres-{role}.pgpass"
        line = f"*:*:*:{role}:{self.password(role)}\n".encode()
        if not passfile.exists() or passfile.read_bytes() != line:
            write_private(passfile, line)
        # libpq knows %20 for a space, and takes a + as it is.
        query = urlencode({**self._where(), "passfile": str(passfile)}, quote_via=quote)
        return f"postgresql://{role}@/{database}?{query}"

    def uri_file(self, role: ServiceName) -> Path:
        """Return a file that holds `uri(role)`, as services want their setting `database`."""
        path = self._secrets / f"postgres-{role}.uri"
        write_private(path, self.uri(role).encode())
        return path

    def answers(self) -> None:
        """Return when the administrator can connect, else `Unavailable(not-ready)`."""
        try:
            psycopg.connect(self.uri(ADMIN, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError as exc:
            raise Unavailable("not-ready", str(exc)) from exc

    def provision(self) -> None:
        """Bring roles, database and schemas to what they must be. Idempotent."""
        with psycopg.connect(self.uri(ADMIN, "postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            for role in ROLES:
                self._provision_role(connection, role)
        with psycopg.connect(self.uri()) as connection:
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
            self.password(role).encode(), role.encode(), b"scram-sha-256"
        )
        connection.execute(
            sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                sql.SQL(verb), name, sql.Literal(verifier.decode())
            )
        )
        connection.execute(sql.SQL("ALTER ROLE {} SET search_path = {}").format(name, name))
