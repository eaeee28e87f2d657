"""A clock that is a day off demands a warning at both ends."""

import random
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from faults.checker import judge
from faults.evidence import Barred, Bent, Kind, Seen
from faults.nemesis import clocks
from unit.faults.legal import EAST, POLICE, WEST
from unit.faults.planting import only


def warned(evidence, *pairs, bent=1):
    """Return the evidence with a clock that was bent, and these warnings: (who, of whom)."""
    events = tuple(
        Seen(
            topic=f"events.{who}",
            topic_id=f"events.{who}#1",
            offset=700 + n,
            leaf="c" * 64,
            kind="event",
            sender=who,
            what="clock-differs",
            partner=whom,
        )
        for n, (who, whom) in enumerate(pairs)
    )
    times = frozenset(Bent(WEST, POLICE, float(n)) for n in range(bent))
    return replace(evidence, log=(*evidence.log, *events), bent=times)


BOTH = ((WEST, POLICE), (POLICE, WEST))


def test_silent_a_clock_of_which_an_end_said_nothing(legal):
    assert judge(warned(legal, *BOTH)) == []
    for missing, there in (BOTH, BOTH[::-1]):
        (finding,) = only(warned(legal, there), Kind.SILENT)
        assert finding.about == missing[0]
    others = ((WEST, EAST), (EAST, POLICE))
    assert len(only(warned(legal, *others), Kind.SILENT)) == 2


def test_who_was_bent_warns_each_time_and_its_partner_once_an_hour(legal):
    assert judge(warned(legal, BOTH[0], *BOTH, bent=2)) == []
    (finding,) = only(warned(legal, *BOTH, BOTH[1], bent=2), Kind.SILENT)
    assert "1 of 2 warnings" in finding.why


def test_who_was_revoked_may_not_be_heard_any_more(legal):
    for gone, there in zip((WEST, POLICE), BOTH[::-1], strict=True):
        planted = replace(warned(legal, there), revoked=frozenset({Barred(gone, 9_999.0)}))
        assert judge(planted) == []


@pytest.mark.parametrize("days", [1, -1])
def test_both_ends_have_a_message_of_the_other_while_it_is_off(monkeypatch, days):
    done, now = [], datetime.fromisoformat("2026-11-28T12:00:00+00:00")

    @contextmanager
    def bent(process, **_):
        done.append(("bent", process))
        yield
        done.append(("straight", process))

    def taken(_, sender, to=None):
        done.append(("sent", sender))
        off = timedelta(days=days if sender == WEST else 0)
        return SimpleNamespace(id=sender, created=now + off)

    def gateway(sender):
        def sent(_):
            done.append(("asked", sender))
            return SimpleNamespace(state="delivered")

        return SimpleNamespace(sent=sent)

    class District:
        def now(self):
            return now

        def __getitem__(self, sender):
            return gateway(sender)

    monkeypatch.setattr(clocks, "taken", taken)
    field = SimpleNamespace(
        gateways=lambda: [f"gateway-{WEST}"],
        say=lambda *_, **__: None,
        bent=bent,
        settle=lambda _: None,
        ready=lambda _: None,
        district=District(),
    )
    told = clocks.DayOff(days).run(field, random.Random(1))
    assert [(each.agency, each.partner) for each in told.bent] == [(WEST, clocks.partner_of(WEST))]
    partner = clocks.partner_of(WEST)
    held = done[1:-1]
    assert held == [("sent", WEST), ("asked", WEST), ("sent", partner), ("asked", partner)]
