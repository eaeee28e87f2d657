"""Who is braked has no right at the broker to write: its gateway's good manners do not count."""

import random
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from e2e.stage import KREIS, POLICE
from faults.nemesis import trust
from faults.nemesis.rights import writing
from meldeweg.kernel import topics
from meldeweg.kernel.bus.rights import EVERYBODY, Acl, Operation, Pattern, Resource

RIGHT = Acl(
    Resource.TOPIC, Pattern.LITERAL, topics.inbox(POLICE, KREIS), f"gw-{KREIS}", Operation.WRITE
)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"operation": Operation.ALL},
        {"name": topics.events(KREIS)},
        {"name": "*"},
        {"pattern": Pattern.PREFIX, "name": "inbox."},
        {"pattern": Pattern.PREFIX, "name": "in"},
        {"pattern": Pattern.PREFIX, "name": f"inbox.{POLICE}."},
        {"principal": EVERYBODY},
        {"host": "127.0.0.1"},
    ],
)
def test_a_right_to_write_to_the_exchange_is_seen_however_it_is_given(more):
    right = replace(RIGHT, **more)
    assert writing({right}, KREIS) == {right}


@pytest.mark.parametrize(
    "more",
    [
        {"operation": Operation.READ},
        {"principal": f"gw-{POLICE}"},
        {"resource": Resource.GROUP},
        {"name": topics.keys(KREIS)},
        {"pattern": Pattern.PREFIX, "name": "keys."},
        {"denies": True},
    ],
)
def test_what_lets_it_write_no_message_or_event_is_left_out(more):
    assert writing({replace(RIGHT, **more)}, KREIS) == set()


@pytest.fixture
def field(monkeypatch):
    """Return a field in which nothing moves, and `rights` are what the broker has at each look."""
    here = SimpleNamespace(
        agencies=(POLICE, KREIS),
        directory="stack",
        district=MagicMock(),
        rights=[],
        settle=lambda _: None,
        say=lambda *_, **__: None,
    )
    here.district.desk = lambda: nullcontext(MagicMock())
    monkeypatch.setattr(trust, "written_by", lambda *_: 7)
    monkeypatch.setattr(trust, "send", lambda *_: None)
    monkeypatch.setattr(trust, "taken", lambda *_: None)
    monkeypatch.setattr(trust, "_braked", lambda _: [KREIS])
    monkeypatch.setattr(trust, "_all_see", lambda *_: None)
    monkeypatch.setattr(trust, "status_of", lambda *_: "revoked")
    looks = here.rights
    monkeypatch.setattr(trust, "given", lambda _: looks.pop(0) if len(looks) > 1 else looks[0])
    return here


FAULTS = [trust.Suspended(hold=0.3), trust.Revoked(hold=0.3)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_braked_agency_that_keeps_a_right_fails_the_round(field, fault):
    field.rights[:] = [{RIGHT}]
    with pytest.raises(AssertionError, match=f"the broker lets {KREIS} write nothing"):
        fault.run(field, random.Random(1))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_braked_agency_that_gets_a_right_back_meanwhile_fails_the_round(field, fault):
    field.rights[:] = [{RIGHT}, set(), {RIGHT}]
    with pytest.raises(AssertionError, match=f"the broker lets {KREIS} write nothing"):
        fault.run(field, random.Random(1))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_braked_agency_that_loses_all_its_rights_is_fine(field, fault):
    field.rights[:] = [{RIGHT}, {RIGHT}, set()]  # the broker may take a moment
    assert KREIS in fault.run(field, random.Random(1)).what


@pytest.mark.parametrize("fault", FAULTS)
def test_who_had_no_right_proves_nothing_by_losing_it(field, fault, monkeypatch):
    monkeypatch.setattr(trust, "_SEEN", 0.2)
    field.rights[:] = [set()]
    with pytest.raises(AssertionError, match=f"{KREIS} may write nothing"):
        fault.run(field, random.Random(1))
