import gc
import logging
import sys

import pytest

from integration.bus.stage import Stage
from meldeweg.kernel import logs
from meldeweg.local.broker import Broker


@pytest.fixture(autouse=True)
def _strict_logs():
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level = list(root.handlers), root.level
    logs.configure(service="test", strict=True)
    yield
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture
async def stage(broker):
    async with Stage(broker) as stage:
        yield stage
    gc.collect()  # what aiokafka left behind ends here, not in another test


@pytest.fixture
async def wiped(tmp_path):
    """A broker of its own, to be stopped, emptied and started again."""
    with Broker(tmp_path / "wiped") as broker:
        async with Stage(broker) as stage:
            yield stage
