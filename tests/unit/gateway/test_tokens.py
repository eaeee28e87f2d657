"""Tokens on a real store, beside a gateway that runs."""

import sqlite3
from datetime import UTC, datetime

import pytest

from meldeweg.gateway import tokens
from meldeweg.gateway.api.auth import TokenBook
from meldeweg.gateway.api.ports import Scope
from meldeweg.gateway.store import Store
from meldeweg.kernel.errors import Refused

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)


async def test_a_token_made_beside_a_running_gateway_counts_and_its_revocation_too(tmp_path):
    store = Store(tmp_path / "store")
    await store.start()
    try:
        clock = [0.0]
        book = TokenBook(tokens.StoredTokens(store), monotonic=lambda: clock[0])
        assert await book.find("mw_" + "a" * 43) is None
        secret = tokens.create(tmp_path / "store", "fall", [Scope.SEND, Scope.READ], NOW)
        clock[0] += 1
        found = await book.find(secret)
        assert found is not None
        assert (found.name, found.scopes) == ("fall", {Scope.SEND, Scope.READ})
        tokens.revoke(tmp_path / "store", "fall", NOW)
        clock[0] += 1
        assert await book.find(secret) is None
    finally:
        await store.stop()


async def test_a_token_may_be_made_before_the_gateway_first_runs(tmp_path):
    secret = tokens.create(tmp_path / "new" / "store", "first", [Scope.READ], NOW)
    store = Store(tmp_path / "new" / "store")
    await store.start()
    try:
        assert await TokenBook(tokens.StoredTokens(store)).find(secret)
    finally:
        await store.stop()


def test_a_secret_is_in_no_file_of_the_store(tmp_path):
    secret = tokens.create(tmp_path, "fall", [Scope.SEND], NOW)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert secret.encode() not in path.read_bytes()
        assert secret.removeprefix("mw_").encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_a_name_is_never_used_twice_not_even_after_revocation(tmp_path):
    tokens.create(tmp_path, "fall", [Scope.SEND], NOW)
    tokens.revoke(tmp_path, "fall", NOW)
    with pytest.raises(Refused) as refused:
        tokens.create(tmp_path, "fall", [Scope.SEND], NOW)
    assert refused.value.code == "token-name-used"
    assert [(token.name, token.revoked_at) for token in tokens.listing(tmp_path)] == [("fall", NOW)]


@pytest.mark.parametrize(
    ("name", "scopes", "code"),
    [
        ("", [Scope.SEND], "token-name-malformed"),
        ("Ä b", [Scope.SEND], "token-name-malformed"),
        ("x" * 61, [Scope.SEND], "token-name-malformed"),
        ("x", [], "token-scopes-missing"),
    ],
)
def test_a_token_needs_a_name_and_a_scope(tmp_path, name, scopes, code):
    with pytest.raises(Refused) as refused:
        tokens.create(tmp_path, name, scopes, NOW)
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_said_so(tmp_path):
    for ask in (
        lambda: tokens.revoke(tmp_path, "fall", NOW),
        lambda: tokens.listing(tmp_path),
    ):
        with pytest.raises(Refused) as refused:
            ask()
        assert refused.value.code == "store-missing"
    tokens.create(tmp_path, "fall", [Scope.SEND], NOW)
    with pytest.raises(Refused) as refused:
        tokens.revoke(tmp_path, "other", NOW)
    assert refused.value.code == "token-unknown"


def test_a_failed_creation_leaves_nothing(tmp_path, monkeypatch):
    tokens.create(tmp_path, "one", [Scope.SEND], NOW)

    def broken(db, row):
        db.execute("DELETE FROM tokens")
        raise sqlite3.IntegrityError

    monkeypatch.setattr(tokens.rows, "add", broken)
    with pytest.raises(Refused):
        tokens.create(tmp_path, "two", [Scope.SEND], NOW)
    assert [token.name for token in tokens.listing(tmp_path)] == ["one"]
