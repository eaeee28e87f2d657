import gc
import logging

import pytest

from integration.bus.stage import Stage
from meldeweg.kernel import logs
from meldeweg.local.broker import Broker


@pytest.fixture(autouse=True)
def _strict_logs():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logs.configure(service="test", strict=True)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture
async def stage(broker):
    async with Stage(broker) as stage:
        yield stage
    gc.collect()  # what aiokafka left behind ends here, not in another test


@pytest.fixture(scope="module")
def mortal(tmp_path_factory):
    """A broker that tests may stop, empty and start again."""
    with Broker(tmp_path_factory.mktemp("mortal")) as broker:
        yield broker


@pytest.fixture
async def wiped(mortal):
    async with Stage(mortal) as stage:
        yield stage
