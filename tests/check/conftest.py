"""What the one-shot steps of docker-compose.yml make, once."""

import pytest

from check.composed import DISTRICT
from meldeweg.kernel.clock import SystemClock
from meldeweg.local import compose
from meldeweg.local.compose import Layout


@pytest.fixture(scope="package")
def prepared(tmp_path_factory):
    """What `prepare` puts into the volumes."""
    layout = Layout(root=tmp_path_factory.mktemp("setup"))
    compose.prepare(layout, DISTRICT, SystemClock())
    return layout
