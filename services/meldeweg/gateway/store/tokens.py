"""API tokens: name, SHA-256 of the token, scopes. A token itself is never stored."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from meldeweg.gateway.store.rows import Rows
from meldeweg.kernel.clock import to_rfc3339


@dataclass(frozen=True, slots=True)
class Token:
    """`scopes`: separated by blanks. `hash`: 32 bytes."""

    name: str
    hash: bytes
    scopes: str
    created: datetime
    revoked_at: datetime | None


_ROWS = Rows(Token)


def add(db: sqlite3.Connection, token: Token) -> None:
    """Add a token; a name that was ever used is an IntegrityError (it stands in the records)."""
    _ROWS.insert(db, "tokens", token)


def revoke(db: sqlite3.Connection, name: str, at: datetime) -> bool:
    """Revoke by name; False if there is none in force."""
    query = "UPDATE tokens SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL"
    return db.execute(query, (to_rfc3339(at), name)).rowcount == 1


def load(db: sqlite3.Connection) -> list[Token]:
    """Return all tokens, revoked ones too."""
    return _ROWS.select(db, "tokens", "ORDER BY name")
