"""The brake: nothing of a suspended agency moves at the broker, everything waits, both are told."""

import pytest

from e2e.asking import eventually, may_read, may_write, status_of
from e2e.invented import KREIS, NETTETAL, OFFICER, POLICE, WORKER
from meldeweg.client import NotCovered
from meldeweg.kernel import topics
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.trust.objects import AgencyStatus


@pytest.fixture
def suspended(district):
    """NETTETAL, suspended, and free again afterwards whatever happened."""
    with district.desk() as desk:
        desk.set_status(NETTETAL, AgencyStatus.SUSPENDED, "Verdacht (Übung)")
        yield desk
        desk.set_status(NETTETAL, AgencyStatus.ACTIVE, "geklärt (Übung)")


async def test_suspended_nothing_moves_both_are_told_and_after_resuming_all_arrives(
    district, suspended
):
    # At once, when the desk has answered: the broker itself refuses, whatever gateways do.
    theirs, ours = district.connection(NETTETAL), district.connection(POLICE)
    assert not await may_write(theirs, topics.inbox(POLICE, NETTETAL))
    assert not await may_write(ours, topics.inbox(NETTETAL, POLICE))
    assert not await may_read(theirs, topics.inbox(NETTETAL, POLICE))
    assert await may_read(theirs, topics.REGISTRY_AGENCIES)  # it must learn when it is free again
    for agency in (POLICE, KREIS, NETTETAL):
        eventually(lambda agency=agency: status_of(district, NETTETAL, agency) == "suspended")

    to = district.report(to=NETTETAL)
    assert [warning.code for warning in to.warnings] == ["recipient-suspended"]
    back = district[NETTETAL].send(
        "inquiry",
        {"agency": POLICE},
        district.content(examples.INQUIRY),
        acting_person=WORKER,
    )
    others = district.report(to=KREIS)
    district.becomes(others.id, "delivered")  # the rest of the district does not notice
    assert district.police.sent(to.id).state == "queued"
    assert district[NETTETAL].sent(back.id).state == "queued"
    assert to.id not in district.inbox(NETTETAL)
    assert back.id not in district.inbox(POLICE)

    suspended.set_status(NETTETAL, AgencyStatus.ACTIVE, "geklärt (Übung)")
    district.becomes(to.id, "delivered")
    district.becomes(back.id, "delivered", sender=NETTETAL)
    district.arrived(NETTETAL, to.id)
    district.arrived(POLICE, back.id)
    district.police.open(back.id, OFFICER)
    digests = [district.police.sent(to.id).digest, district[NETTETAL].sent(back.id).digest]
    district.logged(*digests)
    assert not any(suspended.plan().values())


def test_what_no_clause_covers_stays_refused_between_offices(district):
    with pytest.raises(NotCovered) as refused:
        district[NETTETAL].send(
            "request.immediate-action",
            {"agency": KREIS},
            district.content(examples.IMMEDIATE_ACTION),
            acting_person=WORKER,
        )
    assert refused.value.rule == "type-not-covered"
