"""Revoked is for good, so this comes last: Jugendamt Willich is taken out of the district."""

import os
import signal

import pytest

from e2e.asking import eventually, may_read, may_write, status_of
from e2e.invented import KREIS, POLICE, WILLICH, WORKER
from meldeweg.client import Problem, Unreachable
from meldeweg.kernel import topics
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.trust.objects import AgencyStatus


async def test_a_revoked_agency_is_out_at_the_broker_and_at_every_gateway_for_good(district):
    here = ("--dir", district.directory)
    anchor = district.places.offline("anchor.jwk")
    wrong = district.places.offline(f"identity-{KREIS}.jwk")
    before = district.report(to=WILLICH)
    district.arrived(WILLICH, before.id)
    district[WILLICH].open(before.id, acting_person=WORKER)
    order = ("registry", "revoke", WILLICH, "--reason", "Übung", "--yes", *here)
    district.cli(*order, "--key", wrong, code=1)  # not by another agency's key
    assert status_of(district, WILLICH, POLICE) == "active"
    with district.desk() as desk:
        desk.set_status(WILLICH, AgencyStatus.SUSPENDED, "Verdacht (Übung)")
    eventually(lambda: status_of(district, WILLICH, WILLICH) == "suspended")
    waiting = _inquire(district)
    district.cli(*order, "--key", anchor)
    eventually(lambda: status_of(district, WILLICH, POLICE) == "revoked")
    theirs, ours = district.connection(WILLICH), district.connection(POLICE)
    with district.desk() as desk:
        eventually(lambda: not any(desk.plan().values()))
    assert not await may_write(theirs, topics.inbox(POLICE, WILLICH))
    assert not await may_write(theirs, topics.keys(WILLICH))
    assert not await may_read(theirs, topics.inbox(WILLICH, POLICE))
    assert not await may_read(theirs, topics.REGISTRY_AGREEMENTS)
    assert not await may_read(theirs, topics.keys(WILLICH))
    assert not await may_write(ours, topics.inbox(WILLICH, POLICE))
    with pytest.raises(Problem) as refused:
        district.report(to=WILLICH)
    assert refused.value.code == "agency-revoked"
    district.cli("registry", "resume", WILLICH, "--reason", "doch", *here, code=1)
    # Its own gateway learns it: takes nothing more, gives back what waited, says it is not well.
    eventually(lambda: status_of(district, WILLICH, WILLICH) == "revoked")
    eventually(lambda: not district.is_ready(f"gateway-{WILLICH}"))
    with pytest.raises(Problem) as refused:
        _inquire(district)
    assert refused.value.code == "sender-revoked"
    with pytest.raises(Problem) as refused:  # a receipt would stay here for ever
        district[WILLICH].acknowledge(before.id, by=WORKER)
    assert refused.value.code == "sender-revoked"
    eventually(lambda: district[WILLICH].sent(waiting.id).state == "undeliverable")
    after = district.report(to=KREIS)
    district.becomes(after.id, "delivered")
    # Also when it is started anew, with the one right that it has left.
    os.kill(district.pid(f"gateway-{WILLICH}"), signal.SIGKILL)
    eventually(lambda: _code(district) == "sender-revoked")


def _inquire(district):
    return district[WILLICH].send(
        "inquiry", {"agency": POLICE}, district.content(examples.INQUIRY), acting_person=WORKER
    )


def _code(district):
    try:
        _inquire(district)
    except Unreachable:
        return None
    except Problem as exc:
        return exc.code
    raise AssertionError("it was taken")
