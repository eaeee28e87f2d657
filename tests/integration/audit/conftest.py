"""Fixtures of the audit's tests on a real PostgreSQL."""

import pytest

from integration.audit.busstage import Bus
from integration.audit.harness import Audit
from integration.audit.postgres import server, uri  # noqa: F401 - fixtures
from meldeweg.kernel import logs
from meldeweg.local.broker import Broker


@pytest.fixture(scope="package")
def own_broker(tmp_path_factory):
    """Not that of the other tests: the audit reads every inbox there is."""
    with Broker(tmp_path_factory.mktemp("audit-broker")) as running:
        yield running


@pytest.fixture
def audit(uri):  # noqa: F811 - the fixture
    made = Audit(uri)
    yield made
    made.close()


@pytest.fixture
def strict_logs():
    """No field reaches a log that is not on its list."""
    logs.configure(service="test", strict=True)


@pytest.fixture
async def bus(own_broker):
    made = Bus(own_broker)
    await made.clean()
    yield made
    await made.close()
