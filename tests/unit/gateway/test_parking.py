"""What may only be early waits, bounded and told of; what is urgent alarms at once."""

import asyncio
from datetime import timedelta

import pytest

from meldeweg.gateway.settings import ParkingSettings
from meldeweg.gateway.settling import Settlement
from meldeweg.gateway.store import seen
from meldeweg.kernel import topics
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.statement import Urgency
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyStatus, KeyUse
from unit.gateway.receiving import INBOX, Gateway, digest
from unit.gateway.world import NOW, POLICE, STRANGER


class TestUrgent:
    async def test_an_immediate_message_that_is_refused_alarms_at_once(self, gateway, world):
        record = world.message(urgency=Urgency.IMMEDIATE, committed=b"{}")
        await gateway.take(record)
        assert gateway.told() == [("quarantined", "record-mismatch"), ("alarm", "record-mismatch")]
        alarm = gateway.events()[1]
        assert (alarm.urgency, alarm.message, alarm.partner) == (
            Urgency.IMMEDIATE,
            digest(record),
            POLICE,
        )

    async def test_an_immediate_message_that_is_parked_alarms_at_once(self, store, world):
        gateway = Gateway(store, world, register=world.register(without=(world.agreement,)))
        await gateway.take(world.message(urgency=Urgency.IMMEDIATE))
        assert gateway.told() == [("parked", "agreement-unknown"), ("alarm", "agreement-unknown")]

    async def test_an_urgency_that_nobody_signed_alarms_nobody(self, gateway, world):
        await gateway.take(world.message(urgency=Urgency.IMMEDIATE, key=STRANGER))
        assert gateway.told() == [("parked", "signer-unknown")]
        assert gateway.events()[0].urgency is None


class TestParking:
    async def test_an_unknown_agreement_waits_and_is_accepted_when_it_comes(self, store, world):
        register = world.register(without=(world.agreement,))
        gateway = Gateway(store, world, register=register)
        record = world.message()
        await gateway.take(record)
        assert gateway.received() == []
        assert gateway.offset(INBOX) == 1  # the partition goes on
        await gateway.parking.once()
        assert [row.code for row in gateway.parked()] == ["agreement-unknown"]
        register.apply(topics.REGISTRY_AGREEMENTS, world.agreement)
        await gateway.parking.once()
        assert gateway.parked() == []
        (row,) = gateway.received()
        assert row.topic_offset == 0
        assert gateway.given() == [("delivered", None, digest(record))]
        assert gateway.told() == [
            ("parked", "agreement-unknown"),
            ("released", "agreement-unknown"),
        ]

    @pytest.mark.parametrize(
        ("urgency", "limit"),
        [(Urgency.IMMEDIATE, timedelta(minutes=15)), (Urgency.TODAY, timedelta(hours=24))],
    )
    async def test_what_stays_early_is_refused_after_the_limit(self, store, world, urgency, limit):
        register = world.register(without=(world.agreement,))
        gateway = Gateway(store, world, register=register)
        record = world.message(urgency=urgency)
        await gateway.take(record)
        gateway.clock.advance(limit - timedelta(seconds=1))
        await gateway.parking.once()
        assert len(gateway.parked()) == 1
        gateway.clock.advance(timedelta(seconds=1))
        await gateway.parking.once()
        assert gateway.parked() == []
        assert gateway.quarantined() == ["agreement-unknown"]
        assert gateway.given() == [("refused", "agreement-unknown", digest(record))]

    async def test_a_key_that_comes_late_lets_the_record_in(self, gateway, world):
        await gateway.take(world.message(key=STRANGER))
        assert [row.code for row in gateway.parked()] == ["signer-unknown"]
        assert not gateway.parked()[0].verified
        gateway.view.apply(*world.certificate(POLICE, STRANGER.public, KeyUse.SIGN))
        await gateway.parking.once()
        assert len(gateway.received()) == 1

    async def test_an_unknown_signer_is_never_answered(self, gateway, world):
        await gateway.take(world.message(key=STRANGER))
        gateway.clock.advance(timedelta(days=1))
        await gateway.parking.once()
        assert gateway.quarantined() == ["signer-unknown"]
        assert gateway.given() == []

    async def test_a_suspended_senders_records_wait_without_limit_then_go_on(self, gateway, world):
        suspend = issue.change_status(world.anchor, POLICE, AgencyStatus.SUSPENDED, 1, "Probe", NOW)
        gateway.view.apply(topics.REGISTRY_AGENCIES, suspend)
        await gateway.take(world.message(), world.message())
        gateway.clock.advance(timedelta(days=20))
        await gateway.parking.once()
        assert [(row.code, row.until) for row in gateway.parked()] == [
            ("sender-suspended", None)
        ] * 2
        resume = issue.change_status(world.anchor, POLICE, AgencyStatus.ACTIVE, 2, "Probe", NOW)
        gateway.view.apply(topics.REGISTRY_AGENCIES, resume)
        await gateway.parking.once()
        assert len(gateway.received()) == 2

    async def test_a_revocation_beats_what_still_waits(self, gateway, world):
        for n, status in enumerate((AgencyStatus.SUSPENDED, AgencyStatus.REVOKED), 1):
            told = issue.change_status(world.anchor, POLICE, status, n, "Probe", NOW)
            gateway.view.apply(topics.REGISTRY_AGENCIES, told)
            if status is AgencyStatus.SUSPENDED:
                await gateway.take(world.message())
        await gateway.parking.once()
        assert gateway.quarantined() == ["sender-revoked"]
        assert gateway.given() == []
        assert gateway.parked() == []

    async def test_what_one_sender_may_park_is_bounded(self, store, world):
        gateway = Gateway(store, world, parking=ParkingSettings(records_max=2))
        await gateway.take(*(world.message(key=STRANGER) for _ in range(2)))
        await gateway.take(*(world.message(key=STRANGER) for _ in range(2)))
        assert len(gateway.parked()) == 2
        assert gateway.quarantined() == ["parking-full"] * 2

    async def test_a_message_produced_again_while_it_waits_is_still_one(self, store, world):
        register = world.register(without=(world.agreement,))
        gateway = Gateway(store, world, register=register)
        record = world.message()
        await gateway.take(record)
        await gateway.take(record)
        register.apply(topics.REGISTRY_AGREEMENTS, world.agreement)
        await gateway.parking.once()
        assert len(gateway.received()) == 1
        assert gateway.parked() == []
        assert gateway.quarantined() == []

    async def test_a_change_of_the_register_wakes_it(self, store, world):
        register = world.register(without=(world.agreement,))
        settings = ParkingSettings(look_every=60)
        gateway = Gateway(store, world, register=register, parking=settings)
        await gateway.take(world.message())
        running = asyncio.create_task(gateway.parking.run())
        register.apply(topics.REGISTRY_AGREEMENTS, world.agreement)
        gateway.released.clear()
        gateway.parking.changed()
        await asyncio.wait_for(gateway.released.wait(), 5)
        running.cancel()
        assert len(gateway.received()) == 1


class TestParkingGoesOn:
    async def parked(self, gateway, world, **changes):
        """Park a message, then let what it waited for come."""
        second = SigningKey.generate()
        await gateway.take(world.draft(key=second, **changes).record())
        assert [row.code for row in gateway.parked()] == ["signer-unknown"]
        gateway.view.apply(*world.certificate(POLICE, second.public, KeyUse.SIGN, at=NOW))

    async def test_an_id_that_was_erased_is_not_had_again(self, gateway, world):
        first = world.draft(context_changes={"delete_after": "2026-12-01"})
        await gateway.take(first.record())
        assert await gateway.store.write(lambda db: seen.forget(db, "2026-12-01")) == 1
        await self.parked(gateway, world, id=first.id)
        await gateway.parking.once()
        assert (gateway.quarantined(), gateway.parked()) == (["duplicate-differs"], [])

    @pytest.mark.parametrize(
        ("failure", "code"),
        [(ZeroDivisionError(), "handler-error"), (Refused("a-code", ""), "a-code")],
    )
    async def test_one_that_fails_is_kept_aside_and_the_others_go_on(
        self, gateway, world, monkeypatch, failure, code
    ):
        await self.parked(gateway, world)
        second = SigningKey.generate()
        await gateway.take(world.draft(key=second).record())
        gateway.view.apply(*world.certificate(POLICE, second.public, KeyUse.SIGN, at=NOW))
        bad, usual = gateway.parked()[0].topic_offset, Settlement.accept

        def accept(settlement, arrival, message):
            if arrival.record.offset == bad:
                raise failure
            usual(settlement, arrival, message)

        monkeypatch.setattr(Settlement, "accept", accept)
        await gateway.parking.once()
        assert (gateway.quarantined(), gateway.parked()) == ([code], [])
        assert len(gateway.received()) == 1

    @pytest.mark.parametrize("failure", [Unavailable("store-locked"), OSError(), TimeoutError()])
    async def test_what_the_surroundings_refuse_stays_parked(
        self, gateway, world, monkeypatch, failure
    ):
        await self.parked(gateway, world)

        def accept(*_):
            raise failure

        monkeypatch.setattr(Settlement, "accept", accept)
        with pytest.raises(Unavailable):
            await gateway.parking.once()
        assert (gateway.quarantined(), len(gateway.parked())) == ([], 1)
