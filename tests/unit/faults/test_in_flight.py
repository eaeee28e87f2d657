"""A fault that is to meet messages under way has some, or had no effect."""

import random
from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from e2e.stage import KREIS, POLICE
from faults.nemesis import brokers, traffic, trust
from faults.nemesis.effect import NoEffect


@pytest.fixture
def field(monkeypatch):
    """Return a field in which nothing is sent, and anything else goes."""
    tried = []

    def send(_, sender, to=None):
        tried.append((sender, to))

    for module in (traffic, trust, brokers):
        monkeypatch.setattr(module, "send", send, raising=False)
    monkeypatch.setattr(trust, "read_signing_key", MagicMock())
    monkeypatch.setattr(trust, "_braked", lambda _: [KREIS])
    monkeypatch.setattr(trust, "eventually", lambda *_, **__: None)
    monkeypatch.setattr(trust, "_stands_still", lambda *_: None)
    monkeypatch.setattr(trust, "keys", MagicMock())
    return SimpleNamespace(
        agencies=(POLICE, KREIS),
        directory="stack",
        district=MagicMock(),
        frozen=lambda _: nullcontext(),
        say=lambda *_, **__: None,
        settle=lambda _: None,
        tried=tried,
    )


@pytest.mark.parametrize("fault", [trust.Rotated(), trust.Revoked()])
def test_keys_and_standing_change_with_messages_in_flight_or_without_effect(field, fault):
    with pytest.raises(NoEffect, match="takes no message"):
        fault.run(field, random.Random(1))


def test_with_two_brokers_down_something_must_wait(field):
    with pytest.raises(NoEffect, match="takes no message"):
        brokers._waits(field, POLICE, KREIS)


def test_it_is_tried_again_until_one_is_taken(field, monkeypatch):
    answers = [None, None, "taken", None]
    monkeypatch.setattr(traffic, "send", lambda *_: answers.pop(0))
    assert traffic.taken(field, POLICE) == "taken"
    assert answers == [None]
