"""Who is asking: bearer tokens (RFC 6750), compared as hashes in constant time.

Guarantees: a revoked token counts for at most CACHE_SECONDS more; when the store cannot say which
tokens count, none does (503); the time of a comparison tells nothing of the tokens there are.
Trusts: the store for names, hashes and scopes. A secret has 256 random bits, so that one SHA-256
suffices to store it by and nobody can guess it.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from meldeweg.gateway.api.ports import Token, Tokens

CACHE_SECONDS = 0.5  # of the one second that a revocation may take (API.md)
PREFIX = "mw_"  # so that a token that leaked is found by secret scanners
_SECRET = re.compile(r"mw_[A-Za-z0-9_-]{43}")


def new_secret() -> str:
    """Return a fresh secret of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """Return what is stored of a secret: its SHA-256, 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


def bearer(headers: list[bytes]) -> str | None:
    """Return the secret of the one Authorization header; None: absent or not a bearer token."""
    if len(headers) != 1:
        return None
    scheme, _, secret = headers[0].decode("latin-1").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


@dataclass
class TokenBook:
    """The tokens that count, as of at most CACHE_SECONDS ago."""

    tokens: Tokens
    monotonic: Callable[[], float] = time.monotonic
    _known: tuple[Token, ...] = ()
    _until: float = float("-inf")
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, secret: str) -> Token | None:
        """Return the token that `secret` belongs to unless revoked; may raise Unavailable."""
        await self._refresh()
        if not _SECRET.fullmatch(secret):
            return None
        presented, found = digest(secret), None
        for token in self._known:  # all of them, whichever it is
            if hmac.compare_digest(token.hash, presented):
                found = token
        return found if found is not None and found.revoked_at is None else None

    async def _refresh(self) -> None:
        if self.monotonic() < self._until:
            return
        async with self._loading:
            if self.monotonic() < self._until:
                return
            asked = self.monotonic()  # before: what changes while we read is read again soon
            self._known = await self.tokens.all()
            self._until = asked + CACHE_SECONDS
