"""A migrated store for each test; the schema is made once per run."""

import shutil

import pytest

from meldeweg.gateway.store import Store, connection, database
from meldeweg.kernel import failpoints
from unit.gateway.sending import Sender
from unit.gateway.world import World


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    path = tmp_path_factory.mktemp("migrated") / database.FILE
    database.migrate(path)
    return path


@pytest.fixture
def fresh(migrated, tmp_path):
    """A store's directory at HEAD, not yet opened."""
    directory = tmp_path / "store"
    directory.mkdir(mode=0o700)
    shutil.copy(migrated, directory / database.FILE)
    return directory


@pytest.fixture
def db(fresh):
    with connection.open_writer(fresh / database.FILE) as opened:
        yield opened
    opened.close()


@pytest.fixture
async def store(fresh):
    store = Store(fresh)
    await store.start()
    yield store
    failpoints.arm("")
    await store.stop()


@pytest.fixture
async def second(migrated, tmp_path):
    """Another agency's store."""
    directory = tmp_path / "second"
    directory.mkdir(mode=0o700)
    shutil.copy(migrated, directory / database.FILE)
    store = Store(directory)
    await store.start()
    yield store
    await store.stop()


@pytest.fixture(scope="session")
def world():
    """A district with real keys; nothing in it is changed by a test."""
    return World()


@pytest.fixture
async def police(store, world):
    """One agency that sends."""
    return Sender(store, world)
