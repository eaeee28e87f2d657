"""Deadlines: both ends mark and tell once what nobody took in time, or what was never delivered."""

from datetime import timedelta

import pytest

from meldeweg.kernel import failpoints
from meldeweg.kernel import statement as statements
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.statement import Urgency
from unit.gateway.receiving import Gateway
from unit.gateway.taking import ERIKA, order
from unit.gateway.world import NOW, POLICE


class TestOverdue:
    async def test_both_ends_mark_and_tell_it_once(self, gateway, world, second):
        record = world.message()
        await gateway.take(record)
        police = Gateway(second, world, me=POLICE)
        known = await police.sent(record)
        due = gateway.received()[0].ack_by
        for each in (gateway, police):
            each.clock.at = due  # on the dot is in time
            await each.overdue.once()
            assert each.told() == []
            each.clock.at = due + timedelta(milliseconds=1)
            await each.overdue.once()
            await each.overdue.once()
            assert each.told() == [("overdue", None)]
        assert police.sent_state(known) == "overdue"
        (item,) = (await gateway.inbox.list(None, 10)).items
        assert item.overdue

    async def test_what_a_person_took_is_never_overdue(self, gateway, message):
        await gateway.inbox.open(message, ERIKA, None)
        await gateway.inbox.receipt(message, order("acknowledged"), None)
        await gateway.produce()
        gateway.clock.advance(timedelta(days=40))
        await gateway.overdue.once()
        assert gateway.told() == []
        (item,) = (await gateway.inbox.list(None, 10)).items
        assert not item.overdue

    async def test_opened_but_not_taken_is_overdue_all_the_same(self, gateway, message):
        await gateway.inbox.open(message, ERIKA, None)
        await gateway.produce()
        gateway.clock.advance(timedelta(days=40))
        await gateway.overdue.once()
        assert gateway.told() == [("overdue", None)]

    async def test_an_acknowledgement_that_comes_late_ends_it(self, gateway, world, second):
        record = world.message()
        await gateway.take(record)
        one = statements.parse(record.header("statement")).context.id
        police = Gateway(second, world, me=POLICE)
        known = await police.sent(record)
        police.clock.advance(timedelta(days=40))
        await police.overdue.once()
        assert police.sent_state(known) == "overdue"
        await gateway.inbox.open(one, ERIKA, None)
        await gateway.inbox.receipt(one, order("acknowledged"), None)
        await police.take(*await gateway.produce())
        assert police.sent_state(known) == "acknowledged"

    async def test_an_immediate_message_without_delivered_alarms_after_two_minutes(
        self, second, world
    ):
        police = Gateway(second, world, me=POLICE)
        await police.sent(world.message(urgency=Urgency.IMMEDIATE))
        await police.sent(world.message())
        police.clock.advance(timedelta(seconds=119))
        await police.overdue.once()
        assert police.told() == []
        police.clock.advance(timedelta(seconds=1))
        await police.overdue.once()
        await police.overdue.once()
        assert police.told() == [("alarm", "not-delivered")]

    async def test_a_delivered_one_is_not_silent(self, second, world):
        police = Gateway(second, world, me=POLICE)
        record = world.message(urgency=Urgency.IMMEDIATE)
        await police.sent(record)
        await police.take(world.receipt(record, "delivered"))
        police.clock.at = NOW + timedelta(minutes=2)
        await police.overdue.once()
        assert ("alarm", "not-delivered") not in police.told()

    async def test_a_failed_commit_tells_it_later(self, gateway, message):
        gateway.clock.advance(timedelta(days=40))
        failpoints.arm("store.before_commit=error@1")
        with pytest.raises(Unavailable):
            await gateway.overdue.once()
        assert gateway.told() == []
        await gateway.overdue.once()
        assert gateway.told() == [("overdue", None)]
