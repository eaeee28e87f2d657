"""The token of an agency's case system: in its gateway's store and in a file of the stack.

Guarantees: what is returned is in force in the store and kept in the file; killed between making
and keeping, the next start makes another and revokes the one whose secret nobody has any more. A
secret is in no file but that one, which only its owner may read.
"""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from meldeweg.gateway import tokens
from meldeweg.gateway.api import auth
from meldeweg.gateway.api.ports import Scope, Token
from meldeweg.gateway.store.database import FILE, version
from meldeweg.local.files import write_private

NAME = "fallverfahren"
_INSTEAD = f"{NAME}-ersatz-"  # a name is never used twice


def kept(store: Path, file: Path, now: datetime) -> str:
    """Return the secret in `file`; if it isn't there, or not in force in `store`, make another."""
    known = _known(store)
    in_force = [token for token in known if token.revoked_at is None]
    if file.exists():
        secret = file.read_text(encoding="ascii")
        if auth.digest(secret) in (token.hash for token in in_force):
            return secret
    for token in in_force:
        if is_ours(token.name):
            tokens.revoke(store, token.name, now)
    secret = tokens.create(store, free_name({token.name for token in known}), Scope, now)
    # Killed here, the secret is lost: the next start begins again.
    write_private(file, secret.encode())
    return secret


def free_name(used: Collection[str]) -> str:
    """Return `fallverfahren`, or the first of `fallverfahren-ersatz-2`, `-3`, … not in `used`."""
    name, n = NAME, 1
    while name in used:
        n += 1
        name = f"{_INSTEAD}{n}"
    return name


def is_ours(name: str) -> bool:
    """Say whether `free_name` gives such names; other tokens are other people's."""
    return name == NAME or name.startswith(_INSTEAD)


def _known(store: Path) -> tuple[Token, ...]:
    return () if version(store / FILE) is None else tokens.listing(store)
