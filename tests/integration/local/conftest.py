"""Where processes of one test write, and the ports that they have."""

import pytest

from meldeweg.local.ports import Ports


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "logs").mkdir()
    return tmp_path


@pytest.fixture
def port(directory):
    ports = Ports(directory / "ports.json")
    return ports.of
