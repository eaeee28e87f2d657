"""The tokens of a gateway's API: made, revoked and listed on its store, also while it runs.

Guarantees: a secret is shown once, where it was made, and stored nowhere; a revocation counts at
the running gateway within a second; a name is never used twice. Trusts: who may write the store.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from meldeweg.gateway.api import auth
from meldeweg.gateway.api.ports import Scope, Token
from meldeweg.gateway.store import Store, connection
from meldeweg.gateway.store import tokens as rows
from meldeweg.gateway.store.database import FILE, migrate, version
from meldeweg.gateway.store.lock import Lock
from meldeweg.kernel.errors import Refused, Unavailable

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
T = TypeVar("T")


class StoredTokens:
    """What the API's `TokenBook` reads: the tokens of the gateway's own store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> tuple[Token, ...]:
        """Return every token; by name."""
        return tuple(map(_token, self._store.peek(rows.load)))


def create(directory: Path, name: str, scopes: Iterable[Scope], now: datetime) -> str:
    """Make a token and return its secret, which nobody can show again.

    `directory`: of the store; made if the gateway never ran. Refused: `token-name-malformed`,
    `token-name-used`, `token-scopes-missing`.
    """
    if not _NAME.fullmatch(name):
        raise Refused("token-name-malformed", _NAME.pattern)
    given = frozenset(scopes)
    if not given:
        raise Refused("token-scopes-missing", "a token without a scope may do nothing")
    secret = auth.new_secret()
    row = rows.Token(name, auth.digest(secret), " ".join(sorted(given)), now, None)
    _migrated(directory)
    try:
        _written(directory, lambda db: rows.add(db, row))
    except sqlite3.IntegrityError:
        raise Refused(
            "token-name-used", "also a revoked token's name stays in the records"
        ) from None
    return secret


def revoke(directory: Path, name: str, now: datetime) -> None:
    """Revoke a token; Refused `token-unknown` if there is none of that name in force."""
    if not _written(directory, lambda db: rows.revoke(db, name, now)):
        raise Refused("token-unknown", "no token of this name is in force")


def listing(directory: Path) -> tuple[Token, ...]:
    """Return every token of the store, revoked ones too."""
    with closing(connection.open_reader(_file(directory))) as db:
        return tuple(map(_token, rows.load(db)))


def _token(row: rows.Token) -> Token:
    scopes = frozenset(map(Scope, row.scopes.split()))
    return Token(row.name, row.hash, scopes, row.created, row.revoked_at)


def _file(directory: Path) -> Path:
    path = directory.absolute() / FILE
    if not path.exists():
        raise Refused("store-missing", str(directory))
    return path


def _migrated(directory: Path) -> None:
    """Make the store if there is none; a running gateway has done so and holds the lock."""
    path = directory.absolute() / FILE
    if version(path) is not None:  # an empty file is what somebody left who was killed
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(path.parent / "gateway.lock")
    try:
        migrate(path)
    finally:
        lock.release()


def _written(directory: Path, job: Callable[[sqlite3.Connection], T]) -> T:
    try:
        with closing(connection.open_writer(_file(directory))) as db:
            db.execute("BEGIN IMMEDIATE")
            result = job(db)
            db.execute("COMMIT")
    except sqlite3.OperationalError as exc:
        raise Unavailable("store-unavailable", exc.sqlite_errorname) from exc
    return result
