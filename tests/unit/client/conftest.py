"""The SDK before a served gateway."""

import pytest

from meldeweg.client import Gateway, calls
from unit.client.served import Selective, serving
from unit.gateway.api.fake import SECRETS


@pytest.fixture
def flows():
    return Selective()


@pytest.fixture
def gateway(flows, monkeypatch):
    monkeypatch.setattr(calls, "pause", lambda *_: 0.0)
    with serving(flows) as url, Gateway(url, SECRETS["all"]) as one:
        yield one
