"""Tokens: what counts, for how long, and what is kept of them."""

from datetime import UTC, datetime

import pytest

from meldeweg.gateway.api import auth
from meldeweg.gateway.api.ports import Scope, Token
from meldeweg.kernel.errors import Unavailable
from unit.gateway.api.fake import SECRETS, Flows, bearer, client


class Shelf:
    """Tokens in memory; `reads` counts how often they were asked for."""

    def __init__(self, *tokens):
        self.tokens, self.reads = tokens, 0

    async def all(self):
        self.reads += 1
        if isinstance(self.tokens, Exception):
            raise self.tokens
        return self.tokens


def token(secret, name="fall", revoked=None):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Token(name, auth.digest(secret), frozenset({Scope.READ}), at, revoked)


def book(shelf):
    now = [0.0]
    return auth.TokenBook(shelf, monotonic=lambda: now[0]), now


async def test_a_secret_finds_its_token_and_no_other_does():
    secret, other = auth.new_secret(), auth.new_secret()
    tokens, _ = book(Shelf(token(other, "a"), token(secret, "b"), token(auth.new_secret(), "c")))
    found = await tokens.find(secret)
    assert found is not None
    assert found.name == "b"
    assert await tokens.find(auth.new_secret()) is None


async def test_a_revocation_counts_within_a_second():
    secret = auth.new_secret()
    shelf = Shelf(token(secret))
    tokens, now = book(shelf)
    assert await tokens.find(secret)
    shelf.tokens = (token(secret, revoked=datetime(2026, 1, 2, tzinfo=UTC)),)
    now[0] = 1.0
    assert await tokens.find(secret) is None
    assert auth.CACHE_SECONDS < 1


async def test_the_store_is_not_asked_for_every_request():
    secret = auth.new_secret()
    shelf = Shelf(token(secret))
    tokens, now = book(shelf)
    for _ in range(10):
        assert await tokens.find(secret)
    now[0] = auth.CACHE_SECONDS - 0.01
    await tokens.find(secret)
    assert shelf.reads == 1


async def test_when_the_store_cannot_say_no_token_counts():
    secret = auth.new_secret()
    shelf = Shelf(token(secret))
    tokens, now = book(shelf)
    await tokens.find(secret)
    shelf.tokens = Unavailable("store-busy")
    now[0] = 1.0
    with pytest.raises(Unavailable):
        await tokens.find(secret)


async def test_what_is_no_token_finds_none_not_even_one_stored_as_zeros():
    blank = Token("null", bytes(32), frozenset(Scope), datetime(2026, 1, 1, tzinfo=UTC))
    tokens, _ = book(Shelf(blank))
    for secret in ("", "mw_", "x" * 46, "mw_" + "ä" * 43, "mw_" + "a" * 44):
        assert await tokens.find(secret) is None


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ([b"Bearer abc"], "abc"),
        ([b"bearer   abc "], "abc"),
        ([], None),
        ([b"Bearer a", b"Bearer b"], None),
        ([b"Basic abc"], None),
        ([b"\xff\xfe"], None),
    ],
)
def test_one_bearer_header_counts(headers, secret):
    assert auth.bearer(headers) == secret


def test_secrets_are_long_random_and_recognisable():
    secrets = {auth.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(secret.startswith("mw_") and len(secret) == 46 for secret in secrets)


async def test_a_revoked_token_is_refused_like_an_unknown_one():
    async with client(Flows()) as http:
        revoked = await http.get("/v1/inbox", headers=bearer("revoked"))
        unknown = await http.get(
            "/v1/inbox", headers={"Authorization": f"Bearer {auth.new_secret()}"}
        )
    assert revoked.status_code == unknown.status_code == 401
    assert revoked.content == unknown.content
    assert SECRETS["revoked"] not in revoked.text
