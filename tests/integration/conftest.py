"""One real broker for this directory; tests keep apart by agencies of their own."""

import pytest

from javas import archived
from meldeweg.local.broker import Broker


@pytest.fixture(scope="session", autouse=True)
def archive(tmp_path_factory):
    return archived(tmp_path_factory.mktemp("java"))


@pytest.fixture(scope="package")
def broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running
