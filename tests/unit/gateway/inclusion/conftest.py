"""A stage whose gateway follows one audit."""

import pytest

from unit.gateway.inclusion.checkstage import Stage


@pytest.fixture
async def stage(store):
    return Stage(store)
