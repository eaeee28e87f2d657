"""One district on one broker for all tests of gateways; each test takes stores of its own."""

import pytest

from integration.gateway.district import District


@pytest.fixture(scope="package")
def district(tmp_path_factory):
    with District(tmp_path_factory.mktemp("gateways")) as running:
        yield running
