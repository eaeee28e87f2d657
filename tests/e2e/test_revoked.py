"""Revoked is for good, so this comes last: Jugendamt Willich is taken out of the district."""

import contextlib

import pytest

from e2e.stage import (
    KREIS,
    POLICE,
    WILLICH,
    WORKER,
    eventually,
    may_read,
    may_write,
    status_of,
)
from meldeweg.client import Problem
from meldeweg.kernel import topics
from meldeweg.kernel.schemas import examples


async def test_a_revoked_agency_is_out_at_the_broker_and_at_every_gateway_for_good(district):
    here = ("--dir", district.directory)
    anchor = district.places.offline("anchor.jwk")
    wrong = district.places.offline(f"identity-{KREIS}.jwk")
    order = ("registry", "revoke", WILLICH, "--reason", "Übung", "--yes", *here)
    district.cli(*order, "--key", wrong, code=1)  # not by another agency's key
    assert status_of(district, WILLICH, POLICE) == "active"
    district.cli(*order, "--key", anchor)
    eventually(lambda: status_of(district, WILLICH, POLICE) == "revoked")
    theirs, ours = district.connection(WILLICH), district.connection(POLICE)
    with district.desk() as desk:
        eventually(lambda: not any(desk.plan().values()))
    assert not await may_write(theirs, topics.inbox(POLICE, WILLICH))
    assert not await may_write(theirs, topics.keys(WILLICH))
    assert not await may_read(theirs, topics.inbox(WILLICH, POLICE))
    assert not await may_read(theirs, topics.REGISTRY_AGENCIES)
    assert not await may_write(ours, topics.inbox(WILLICH, POLICE))
    with pytest.raises(Problem) as refused:
        district.report(to=WILLICH)
    assert refused.value.code == "agency-revoked"
    district.cli("registry", "resume", WILLICH, "--reason", "doch", *here, code=1)
    # It can read no register any more, so it may not even learn why: but it says it is not well,
    # and what it still takes never leaves it.
    eventually(lambda: not district.is_ready(f"gateway-{WILLICH}"))
    left = None
    with contextlib.suppress(Problem):
        left = district[WILLICH].send(
            "inquiry",
            {"agency": POLICE},
            district.content(examples.INQUIRY),
            acting_person=WORKER,
        )
    after = district.report(to=KREIS)
    district.becomes(after.id, "delivered")
    assert left is None or district[WILLICH].sent(left.id).state == "queued"
