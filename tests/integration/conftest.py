"""One real broker for this directory; tests keep apart by agencies of their own."""

import pytest

from meldeweg.local.broker import Broker


@pytest.fixture(scope="package")
def broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running
