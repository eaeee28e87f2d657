"""`up` a second time on the same directory: everything that was there goes on.

Meanwhile an agency was suspended, and one more enrolled whose gateway runs elsewhere, or nowhere.
"""

import pytest

from e2e.asking import eventually, status_of
from e2e.invented import KREIS, NETTETAL, PLACES, POLICE
from meldeweg.audit import verify
from meldeweg.audit.sources import open_source
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.local import status

_AGAIN = 20.0  # seconds from `up` to ready where it ran before


def _state(district):
    """Return what must not change: inboxes, quarantine, what was sent and what became of it."""
    state = {
        agency: [(item.id, item.sender, item.state) for item in district.inbox(agency).values()]
        for agency in (POLICE, *PLACES)
    }
    quarantined = [(i.id, i.code) for i in district.kreis.quarantine(limit=200).items]
    return state, quarantined


@pytest.fixture(scope="module")
def twice(district, tmp_path_factory):
    """The stack ended and started again: what it held before, and the log of then."""
    place = tmp_path_factory.mktemp("before")
    last = district.report()
    district.becomes(last.id, "delivered")
    district.logged(district.police.sent(last.id).digest)
    state, tokens = _state(district), {a: e.token for a, e in district.described.agencies.items()}
    district.log(place / "log")
    _enrol_one_more(district, place)
    district.cli("registry", "suspend", NETTETAL, "--reason", "Übung", "--dir", district.directory)
    district.stop()
    district.start()
    return last, state, tokens, place / "log"


def _enrol_one_more(district, place):
    key, public, made = place / "id.jwk", place / "id.pub.jwk", place / "enrolment"
    district.cli("agency", "new-key", key)
    order = ("--name", "Jugendamt Neu (erfunden)", "--kind", "youth-office", "--identity", public)
    anchor = ("--anchor", district.places.offline("anchor.jwk"), "--out", made)
    district.cli("agency", "enrol", "jugendamt-neu", *order, *anchor)
    district.cli("agency", "submit", made, "--dir", district.directory)


def _not_well(district):
    return {each.name for each in status(district.directory).states if each.problem}


def test_inboxes_states_tokens_and_quarantine_are_as_before(district, twice):
    last, state, tokens, _ = twice
    assert {a: e.token for a, e in district.described.agencies.items()} == tokens
    assert _state(district) == state
    assert district.police.sent(last.id).state == "delivered"
    with district.desk() as desk:
        assert not any(desk.plan().values())


def test_a_suspended_agency_hinders_nobody_is_named_and_is_ready_once_resumed(district, twice):
    gateway = f"gateway-{NETTETAL}"
    # On a busy machine watch may be said to read its month still: that is no hindrance either.
    said = [line for line in district.told if "still-reading" not in line]
    assert "register: agency-suspended" in said[0]
    assert [line for line in said if "nicht bereit" in line] == said[:1]
    assert said[0].startswith(gateway)
    assert "meldeweg registry resume" in said[1]
    assert not district.is_ready(gateway)
    eventually(lambda: _not_well(district) == {gateway})
    assert "agency-suspended" in str(status(district.directory).states)
    waits = district.report(to=NETTETAL)
    assert [warning.code for warning in waits.warnings] == ["recipient-suspended"]
    district.cli("registry", "resume", NETTETAL, "--reason", "geklärt", "--dir", district.directory)
    eventually(lambda: district.is_ready(gateway))
    assert status(district.directory).exit_code == 0
    district.becomes(waits.id, "delivered")
    assert status_of(district, NETTETAL, POLICE) == AgencyStatus.ACTIVE


def test_all_of_it_is_ready_again_in_time(district, twice):
    """The bound is that of a machine with nothing else to do; most of this one may be others'.

    43 s were seen on two cores with a load of twelve.
    """
    timings = district.stack.timings
    assert timings.total < 3 * _AGAIN, timings.phases


def test_messages_go_on_in_order_and_none_comes_again(district, twice):
    last, state, _, _ = twice
    after = district.report()
    district.becomes(after.id, "delivered")
    assert list(district.inbox(KREIS)) == [each[0] for each in state[0][KREIS]] + [after.id]
    assert last.id != after.id


def test_the_log_goes_on_from_the_checkpoint_it_had(district, twice, tmp_path):
    earlier = (twice[3] / "checkpoint").read_bytes()
    after = district.report()
    district.becomes(after.id, "delivered")
    district.logged(district.police.sent(after.id).digest)
    district.log(tmp_path / "log")
    with open_source(str(tmp_path / "log")) as source:
        report = verify.verify(source, earlier=[earlier])
    assert report.ok, report.as_json()
    assert district.gaps() == {}
    assert district.ask("audit", "/v1/alarms").json() == []
