"""A fault's own message has a key, and is sent again with it if its gateway died of the call."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from faults.evidence import Kind
from faults.facts import Facts
from faults.field import StackField
from faults.history import History, read
from faults.nemesis import traffic
from meldeweg.client import Unreachable
from unit.faults.legal import POLICE, Run, Said
from unit.faults.planting import kinds

DEAD = Unreachable("it died of this")


@pytest.fixture
def keys(monkeypatch):
    """The keys of all calls; each is answered by the next of `answers`."""
    gateway, used = MagicMock(), []
    gateway.answers = []

    def send(*_, key, **__):
        used.append(key)
        answer = gateway.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(id=answer)

    gateway.send.side_effect = send
    monkeypatch.setattr(traffic, "Gateway", lambda *_, **__: nullcontext(gateway))
    monkeypatch.setattr(traffic, "_AGAIN", 0.0)
    return SimpleNamespace(used=used, gateway=gateway)


def sent(tmp_path, tries):
    """Return what the history says of one message of a fault."""
    (tmp_path / "logs").mkdir()
    district = MagicMock(directory=tmp_path)
    history = History(tmp_path / "history.jsonl")
    field = StackField(district, history, tmp_path / "scratch", journal=tmp_path / "faults.jsonl")
    traffic.send(field, POLICE, tries=tries)
    history.close()
    return read(tmp_path / "history.jsonl")


def test_who_died_of_the_call_is_asked_again_with_the_same_key(keys, tmp_path):
    keys.gateway.answers = [DEAD, DEAD, "id-0"]
    entries = sent(tmp_path, 9)
    assert len(keys.used) == 3
    assert len(set(keys.used)) == 1
    (sending,) = Facts(replace(Run([]).evidence(), history=entries)).sendings.values()
    assert (set(sending.ids), sending.open) == ({"id-0"}, True)


def test_once_is_once(keys, tmp_path):
    keys.gateway.answers = [DEAD, "id-0"]
    sent(tmp_path, 1)
    assert len(keys.used) == 1


@pytest.mark.parametrize(("kept", "found"), [(1, set()), (2, {Kind.DUPLICATED})])
def test_duplicated_what_the_first_unheard_try_kept_as_well(keys, tmp_path, kept, found):
    keys.gateway.answers = [DEAD, f"id-{kept - 1}"]
    entries = sent(tmp_path, 9)
    run = Run([Said(foreign=True)] * kept).evidence()
    history = (*(e for e in run.history if e.call != "send"), *entries)
    assert kinds(replace(run, history=history)) == found
