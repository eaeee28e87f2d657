"""Gateways over one world, each with a migrated store; the schema is made once per run."""

import shutil

import pytest

from meldeweg.gateway.store import Store, connection, database
from meldeweg.kernel import failpoints
from meldeweg.kernel import statement as statements
from unit.gateway.carrying import Office
from unit.gateway.receiving import Gateway
from unit.gateway.sending import Sender
from unit.gateway.world import KREIS, POLICE, World


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


@pytest.fixture
async def gateway(store, world):
    """One agency that receives."""
    return Gateway(store, world)


@pytest.fixture
async def message(gateway, world):
    """One message that arrived; its id."""
    record = world.message()
    await gateway.take(record)
    await gateway.produce()
    return statements.parse(record.header("statement")).context.id


@pytest.fixture
def both(store, second, world):
    """Two agencies that send and receive."""
    return Office(store, world, POLICE), Office(second, world, KREIS)
