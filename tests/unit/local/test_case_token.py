"""Whenever a start was killed: the next one has a token that is in force, and no second one."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from meldeweg.gateway import tokens
from meldeweg.gateway.api import auth
from meldeweg.gateway.api.ports import Scope
from meldeweg.gateway.store.database import FILE
from meldeweg.local import case_token

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from meldeweg.local import case_token
case_token.write_private = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
case_token.kept(Path(sys.argv[1]), Path(sys.argv[2]), datetime.now(UTC))
"""


@pytest.fixture
def places(tmp_path):
    return tmp_path / "store", tmp_path / "token"


def in_force(store):
    return {each.name: each.hash for each in tokens.listing(store) if each.revoked_at is None}


def test_a_second_start_finds_the_same_token(places):
    store, file = places
    secret = case_token.kept(store, file, NOW)
    assert case_token.kept(store, file, NOW) == secret == file.read_text()
    assert in_force(store) == {"fallverfahren": auth.digest(secret)}
    assert file.stat().st_mode & 0o777 == 0o600


def test_killed_between_making_and_keeping_the_next_start_replaces_it(places):
    store, file = places
    for _ in range(2):
        died = subprocess.run([sys.executable, "-c", KILLED, *map(str, places)], check=False)
        assert died.returncode == -9
        assert not file.exists()
        assert len(in_force(store)) == 1
    secret = case_token.kept(store, file, NOW)
    assert in_force(store) == {"fallverfahren-ersatz-3": auth.digest(secret)}
    assert case_token.kept(store, file, NOW) == secret
    assert {path.name for path in file.parent.iterdir()} == {"store", "token"}
    assert file.stat().st_mode & 0o777 == 0o600


def test_other_tokens_of_the_store_stay_in_force(places):
    store, file = places
    case_token.kept(store, file, NOW)
    tokens.create(store, "fallverfahren-alt", [Scope.READ], NOW)
    file.unlink()
    case_token.kept(store, file, NOW)
    assert in_force(store).keys() == {"fallverfahren-alt", "fallverfahren-ersatz-2"}


def test_a_kept_token_that_the_store_does_not_know_or_that_was_revoked_is_replaced(places):
    store, file = places
    first = case_token.kept(store, file, NOW)
    tokens.revoke(store, "fallverfahren", NOW)
    second = case_token.kept(store, file, NOW)
    assert second != first
    assert in_force(store) == {"fallverfahren-ersatz-2": auth.digest(second)}


def test_killed_while_the_store_was_made_the_next_start_makes_it(places):
    store, file = places
    store.mkdir()
    (store / FILE).touch()
    secret = case_token.kept(store, file, NOW)
    assert in_force(store) == {"fallverfahren": auth.digest(secret)}
