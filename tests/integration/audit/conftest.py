"""Fixtures of the audit's tests on a real PostgreSQL."""

import pytest

from integration.audit.harness import Audit
from integration.audit.postgres import server, uri  # noqa: F401 - fixtures


@pytest.fixture
def audit(uri):  # noqa: F811 - the fixture
    made = Audit(uri)
    yield made
    made.close()
