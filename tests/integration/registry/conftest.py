"""A real broker of its own (its topics and rights are the registry's) and a real PostgreSQL."""

import asyncio

import pytest

from integration.registry.stage import Stage
from meldeweg.local.broker import Broker
from meldeweg.local.postgres import Postgres


@pytest.fixture(scope="package")
def parts(tmp_path_factory):
    directory = tmp_path_factory.mktemp("registry")
    with Broker(directory) as broker, Postgres(directory) as postgres:
        yield broker, postgres


@pytest.fixture
async def stage(parts, tmp_path):
    broker, postgres = parts
    async with Stage(broker, postgres, tmp_path) as made:
        await made.clean()
        yield made


@pytest.fixture(scope="module")
def running(parts, tmp_path_factory):
    """One registry for all tests of a module, with the whole district handed in."""
    broker, postgres = parts
    made = Stage(broker, postgres, tmp_path_factory.mktemp("running"))
    asyncio.run(made.clean())
    made.start()
    made.hand_in_all()
    yield made
    asyncio.run(made.__aexit__())
