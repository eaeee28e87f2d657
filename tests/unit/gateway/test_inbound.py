"""Receiving as a whole: one transaction per batch, effects once, poison between good records."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from unittest.mock import AsyncMock

import pytest

from meldeweg.gateway.retention import Retention
from meldeweg.gateway.settings import ParkingSettings
from meldeweg.gateway.settling import Settlement
from meldeweg.gateway.states import ReceivedState
from meldeweg.gateway.store import numbers, seen
from meldeweg.kernel import failpoints, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.bus.positions import Position, Reset, ResetKind
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import Digest, new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.policy import Original
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.statement import Urgency
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyStatus, KeyUse
from unit.gateway.receiving import TOPIC_ID, Gateway
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE

INBOX = topics.inbox(KREIS, POLICE)
STRANGER = SigningKey.generate()


@pytest.fixture
async def gateway(store, world):
    return Gateway(store, world)


def digest(record):
    return statements.parse(record.header("statement")).digest


def poison(world):
    """Five kinds of poison, and the codes they get."""
    good = [world.message() for _ in range(5)]
    return [
        (
            replace(good[0], headers=(*good[0].headers, ("\udcff\udc80", b"x"))),
            "header-contradicts",
        ),
        (replace(good[1], value=None), "value-mismatch"),
        (replace(good[2], headers=((("statement"), b"\xff\xfe"),)), "jws-malformed"),
        (replace(good[3], topic=topics.inbox(KREIS, NETTETAL)), "topic-contradicts"),
        (
            world.message(seal_to=(world.offices[NETTETAL].seal.public,)),
            "envelope-not-for-this-key",
        ),
    ]


class TestOneMessage:
    async def test_it_is_stored_sealed_and_a_receipt_says_so(self, gateway, world):
        record = world.message()
        (placed,) = await gateway.take(record)
        (row,) = gateway.received()
        assert (row.sender, row.state) == (POLICE, ReceivedState.RECEIVED)
        assert row.digest == digest(record)
        assert gateway.given() == [("delivered", None, digest(record))]
        (receipt,) = gateway.receipts()
        assert receipt.receipt.topic == placed.topic
        assert receipt.receipt.offset == placed.offset
        assert receipt.to == POLICE
        assert gateway.offset(INBOX) == 1
        assert gateway.told() == []
        assert gateway.woken == 1

    async def test_the_sender_accepts_that_receipt(self, gateway, world, second):
        record = world.message()
        await gateway.take(record)
        (back,) = await gateway.produce()
        police = Gateway(second, world, me=POLICE)
        known = await police.sent(record)
        await police.take(back)
        assert police.sent_state(known) == "delivered"
        assert police.quarantined() == []

    async def test_nothing_that_was_sealed_is_on_disk_in_the_clear(self, gateway, world, fresh):
        await gateway.take(world.message())
        await gateway.store.stop()
        data = b"".join(path.read_bytes() for path in fresh.iterdir())
        for marker in (b"Beispiel", b"Grefrath", b"domestic-violence", b"Erika"):
            assert marker not in data


class TestPoison:
    async def test_each_kind_is_quarantined_and_the_good_ones_around_it_arrive(
        self, gateway, world
    ):
        bad = poison(world)
        good = [world.message(n=n) for n in range(1, len(bad) + 2)]
        batch = [good[0]]
        for (record, _), after in zip(bad, good[1:], strict=True):
            batch += [record, after]
        placed = await gateway.take(*batch)
        assert gateway.quarantined() == [code for _, code in bad]
        assert [row.digest for row in gateway.received()] == [digest(each) for each in good]
        assert gateway.offset(INBOX) == max(r.offset for r in placed if r.topic == INBOX) + 1
        quarantined = [each for each in gateway.told() if each[0] == "quarantined"]
        assert quarantined == [("quarantined", code) for _, code in bad]

    async def test_its_exact_bytes_are_kept_also_a_header_key_that_is_not_utf8(
        self, gateway, world
    ):
        record = replace(
            world.message(),
            key=b"\xff\x00",
            value=b"\x00\xff" * 10,
            headers=(("\udcff\udcfe", b"\x80"), ("null", None)),
        )
        await gateway.take(record)
        page = await gateway.quarantine.list(None, 10)
        (item,) = page.items
        assert item.code == "header-malformed"
        assert not item.verified
        full = await gateway.quarantine.get(item.id)
        assert (full.key_size, full.value_size) == (2, 20)
        assert full.value_sha256 == Digest.of(record.value)
        assert [(each.name, each.value) for each in full.headers] == [
            ("__4", "gA"),
            ("bnVsbA", None),
        ]

    async def test_it_is_erased_when_its_sender_signed_that_nobody_may_hold_it(
        self, gateway, world
    ):
        bad = [record for record, _ in poison(world)]
        unsigned, refused = bad[2], bad[4]
        await gateway.take(unsigned, refused)
        forged, signed = (await gateway.quarantine.list(None, 10)).items
        told = statements.parse(refused.header("statement")).context
        assert (forged.delete_after, signed.delete_after) == (None, told.delete_after)
        gateway.clock.advance(timedelta(days=31))
        give_up = AsyncMock()
        days = timedelta(days=7), timedelta(days=30)
        retention = Retention(gateway.store, gateway.clock, *days, give_up)
        assert await retention.once() == 1
        erased = await gateway.quarantine.get(forged.id)
        assert erased.erased_at == gateway.clock.now()
        assert (erased.key_size, erased.value_size, erased.headers) == (None, None, ())
        assert (erased.code, erased.digest) == (forged.code, forged.digest)
        kept = await gateway.quarantine.get(signed.id)
        assert (kept.erased_at, kept.value_size) == (None, len(refused.value))

    async def test_five_hundred_with_poison_inside_are_one_transaction(self, gateway, world):
        seal = [world.message(n=n) for n in range(1, 41)]
        bad = [record for record, _ in poison(world)] * 4
        batch = []
        for n in range(480):
            batch.append(seal[n % 40])
            if n % 24 == 0:
                batch.append(bad[n // 24])
        assert len(batch) == 500
        before = gateway.store.writer.commits
        await gateway.take(*batch)
        assert gateway.store.writer.commits == before + 1
        assert sorted(row.digest for row in gateway.received()) == sorted(map(digest, seal))
        entries = (await gateway.quarantine.list(None, 99)).items  # each came four times
        assert [entry.times for entry in entries] == [4] * 5

    async def test_a_refusal_goes_only_to_a_sender_whose_record_it_is(self, gateway, world):
        for record, _ in poison(world):
            await gateway.take(record)
        assert [(kind, code) for kind, code, _ in gateway.given()] == [
            ("refused", "envelope-not-for-this-key")
        ]

    async def test_a_changed_value_is_not_refused_to_its_honest_sender(self, gateway, world):
        # Whoever changed it would else make the sender give up what it will produce again.
        record = world.message()
        await gateway.take(replace(record, value=record.value[:-9] + b'AAAAAAA"}'))
        assert gateway.given() == []
        await gateway.take(record)
        assert gateway.given() == [("delivered", None, digest(record))]

    async def test_a_record_in_anothers_topic_says_nothing_to_the_one_who_signed_it(
        self, gateway, world
    ):
        stolen = replace(world.message(), topic=topics.inbox(KREIS, NETTETAL))
        await gateway.take(stolen)
        assert gateway.given() == []
        assert gateway.quarantined() == ["topic-contradicts"]

    async def test_what_the_bus_could_not_even_hand_over_is_kept_too(self, gateway, world):
        (record,) = gateway.placed(world.message())
        await gateway.arrivals.quarantine(record, "handler-error")
        assert gateway.quarantined() == ["handler-error"]
        assert gateway.offset(INBOX) == 1
        assert gateway.given() == []

    async def test_nothing_of_a_quarantined_content_is_in_the_log(self, gateway, world, capfd):
        marker = "Kleeblattgasse"
        record = world.message(inside={"payload": {marker: marker}})
        await gateway.take(record)
        assert gateway.quarantined() == ["schema-invalid"]
        said = capfd.readouterr()
        assert marker not in said.err + said.out
        assert "record_quarantined" in said.err + said.out


class TestOnce:
    async def test_a_replayed_message_is_delivered_once_and_its_receipt_sent_again(
        self, gateway, world
    ):
        record = world.message()
        await gateway.take(record)
        (first,) = await gateway.produce()
        gateway.clock.advance(timedelta(days=1))
        await gateway.take(record)
        assert len(gateway.received()) == 1
        (again,) = await gateway.produce()
        assert (again.key, again.headers, again.value) == (first.key, first.headers, first.value)
        assert gateway.quarantined() == []

    async def test_twins_in_one_batch_are_one_message(self, gateway, world):
        record = world.message()
        await gateway.take(record, record, record)
        assert len(gateway.received()) == 1
        assert len(gateway.receipts()) == 1

    async def test_a_message_signed_again_with_a_new_key_is_the_same(self, store, world):
        key = SigningKey.generate()
        register = world.register(world.certificate(POLICE, key.public, KeyUse.SIGN))
        gateway = Gateway(store, world, register=register)
        record = world.message()
        told = statements.parse(record.header("statement"))
        again = world.signed(told.context_bytes, record.value, key, told.context)
        await gateway.take(record)
        await gateway.take(again)
        assert len(gateway.received()) == 1
        assert gateway.quarantined() == []

    @pytest.mark.parametrize("together", [True, False])
    async def test_the_same_id_with_another_content_is_quarantined_and_alarms(
        self, gateway, world, together
    ):
        one = new_message_id()
        first, second = world.message(id=one), world.message(id=one)
        if together:
            await gateway.take(first, second)
        else:
            await gateway.take(first)
            await gateway.take(second)
        assert gateway.quarantined() == ["duplicate-differs"]
        assert gateway.given() == [("delivered", None, digest(first))]
        assert ("alarm", "duplicate-differs") in gateway.told()
        assert len(gateway.received()) == 1

    async def test_the_same_id_of_another_sender_is_another_message(self, gateway, world):
        one = new_message_id()
        first = world.message(id=one)
        second = world.message(NETTETAL, KREIS, id=one, type=MessageType.INQUIRY)
        await gateway.take(first, second)
        assert {row.sender for row in gateway.received()} == {POLICE, NETTETAL}

    async def test_a_receipt_that_is_no_longer_kept_is_made_anew(self, gateway, world):
        record = world.message()
        await gateway.take(record)
        await gateway.store.write(lambda db: db.execute("DELETE FROM outbox"))
        await gateway.take(record)
        assert gateway.given() == [("delivered", None, digest(record))]

    async def test_a_delivered_message_is_never_refused_afterwards(self, gateway, world):
        record = world.message(context_changes={"delete_after": "2026-12-01"})
        await gateway.take(record)
        await gateway.produce()
        gateway.clock.at = NOW.replace(month=12, day=2)
        await gateway.take(record)
        assert gateway.quarantined() == ["past-delete-after"]
        assert gateway.given() == []

    async def test_numbers_of_receipts_are_dense_and_in_the_order_of_the_outbox(
        self, gateway, world
    ):
        records = [world.message(n=n) for n in range(1, 6)]
        await gateway.take(records[0], records[0], *records[1:])
        assert [context.seq.n for context in gateway.receipts()] == [1, 2, 3, 4, 5]
        assert len({context.seq.outbox for context in gateway.receipts()}) == 1


class TestFailure:
    async def test_nothing_is_kept_when_the_commit_fails_and_the_next_try_is_whole(
        self, gateway, world
    ):
        record = world.message()
        batch = gateway.placed(record)
        failpoints.arm("store.before_commit=error@1")
        with pytest.raises(Unavailable):
            await gateway.inbound.handle(batch)
        assert gateway.received() == []
        assert gateway.rows("receipt") == []
        assert gateway.offset(INBOX) is None
        await gateway.inbound.handle(batch)
        assert len(gateway.received()) == 1
        (receipt,) = gateway.receipts()
        assert receipt.seq.n == 1
        assert receipt.seq.outbox == f"{2:016x}"  # the first numbers were not kept

    async def test_committed_and_asked_again_changes_nothing(self, gateway, world):
        batch = gateway.placed(world.message(), poison(world)[1][0])
        failpoints.arm("inbound.after_commit=error@1")
        with pytest.raises(Unavailable):
            await gateway.inbound.handle(batch)
        await gateway.inbound.handle(batch)
        assert len(gateway.received()) == 1
        assert len(gateway.quarantined()) == 1
        assert len(gateway.receipts()) == 1

    async def test_without_a_signing_key_the_batch_waits(self, gateway, world):
        def none():
            raise Unavailable("no-signing-key", "")

        object.__setattr__(gateway.desk, "signer", none)
        with pytest.raises(Unavailable):
            await gateway.take(world.message())
        assert gateway.received() == []

    async def test_the_stores_offsets_say_where_to_go_on(self, gateway, world):
        await gateway.take(world.message(), world.message())
        place = (INBOX, 0)
        assert await gateway.arrivals.positions([place, ("inbox.x.y", 0)]) == {
            place: Position(2, TOPIC_ID),
            ("inbox.x.y", 0): None,
        }

    async def test_a_topic_that_the_broker_lost_is_told_and_read_from_its_start(
        self, gateway, world
    ):
        await gateway.take(world.message())
        new = TOPIC_ID.__class__(int=8)
        await gateway.arrivals.on_reset(Reset(INBOX, 0, ResetKind.RECREATED, 1, 0, 0, new))
        assert await gateway.arrivals.positions([(INBOX, 0)]) == {(INBOX, 0): Position(0, new)}
        assert ("topic-reset", "recreated") in gateway.told()

    async def test_batches_and_retries_take_turns(self, gateway, world):
        record = world.message()
        batch = gateway.placed(record, record)
        await asyncio.gather(*(gateway.inbound.handle([each]) for each in batch))
        assert len(gateway.received()) == 1


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


class TestReferences:
    def corrections(self, world, kind=MessageType.CORRECTION):
        original = world.message()
        told = statements.parse(original.header("statement")).context
        about = Original(sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION)
        return original, world.message(type=kind, in_reply_to=told.id, original=about)

    async def test_a_correction_in_the_batch_of_its_original_is_accepted(self, gateway, world):
        await gateway.take(*self.corrections(world))
        assert len(gateway.received()) == 2

    async def test_a_correction_before_its_original_waits_for_it(self, gateway, world):
        original, correction = self.corrections(world)
        await gateway.take(correction)
        assert [row.code for row in gateway.parked()] == ["original-unknown"]
        await gateway.take(original)
        await gateway.parking.once()
        assert [row.digest for row in gateway.received()] == [digest(original), digest(correction)]

    async def test_a_retraction_cannot_be_corrected(self, gateway, world):
        original, retraction = self.corrections(world, MessageType.RETRACTION)
        await gateway.take(original)
        await gateway.take(retraction)
        told = statements.parse(retraction.header("statement")).context
        about = Original(sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION)
        late = world.message(type=MessageType.CORRECTION, in_reply_to=told.id, original=about)
        await gateway.take(late)
        assert gateway.quarantined() == ["reference-not-fitting"]

    @pytest.mark.parametrize("together", [True, False])
    async def test_an_exercise_takes_nothing_real_back(self, gateway, world, together):
        original = world.message()
        told = statements.parse(original.header("statement")).context
        about = Original(
            sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION, exercise=True
        )
        practised = world.message(
            type=MessageType.RETRACTION, in_reply_to=told.id, original=about, exercise=True
        )
        for batch in [(original, practised)] if together else [(original,), (practised,)]:
            await gateway.take(*batch)
        assert gateway.quarantined() == ["reference-not-fitting"]
        assert [each.state for each in gateway.received()] == [ReceivedState.RECEIVED]

    async def test_a_retraction_marks_its_original_and_says_by_what(self, gateway, world):
        original, retraction = self.corrections(world, MessageType.RETRACTION)
        await gateway.take(world.message(), original)
        await gateway.take(retraction)
        told = statements.parse(retraction.header("statement")).context
        other, taken_back, itself = gateway.received()
        assert (taken_back.state, taken_back.retracted_at) == (ReceivedState.RETRACTED, NOW)
        assert taken_back.retracted_by == told.id
        assert [each.state for each in (other, itself)] == [ReceivedState.RECEIVED] * 2
        assert other.retracted_at is itself.retracted_at is None

    async def test_a_retraction_takes_nothing_back_of_another_sender_with_the_same_id(
        self, gateway, world
    ):
        ours = world.message(
            NETTETAL, KREIS, content={**examples.NOTIFICATION, "entrusted": "none"}
        )
        told = statements.parse(ours.header("statement")).context
        about = Original(sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION)
        retraction = world.message(type=MessageType.RETRACTION, in_reply_to=told.id, original=about)
        await gateway.take(ours, world.message(id=told.id), retraction)
        states = {row.sender: row.state for row in gateway.received() if row.id == told.id}
        assert states == {NETTETAL: ReceivedState.RECEIVED, POLICE: ReceivedState.RETRACTED}

    async def test_a_retraction_in_the_batch_of_its_original_marks_it_too(self, gateway, world):
        await gateway.take(*self.corrections(world, MessageType.RETRACTION))
        assert gateway.received()[0].state is ReceivedState.RETRACTED

    async def test_what_was_corrected_stays_as_it_was(self, gateway, world):
        await gateway.take(*self.corrections(world))
        assert gateway.received()[0].state is ReceivedState.RECEIVED

    async def test_the_deadline_of_what_was_taken_back_stops(self, gateway, world):
        original, retraction = self.corrections(world, MessageType.RETRACTION)
        await gateway.take(original, retraction)
        gateway.clock.advance(timedelta(days=14))
        await gateway.overdue.once()
        taken_back, itself = (await gateway.inbox.list(None, 9)).items
        assert not taken_back.overdue
        assert itself.overdue  # the retraction is a message of its own
        assert [row.overdue_at is None for row in gateway.received()] == [True, False]

    async def test_only_the_first_retraction_says_when(self, gateway, world):
        original, retraction = self.corrections(world, MessageType.RETRACTION)
        told = statements.parse(original.header("statement")).context
        about = Original(sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION)
        again = world.message(type=MessageType.RETRACTION, in_reply_to=told.id, original=about)
        await gateway.take(original, retraction)
        gateway.clock.advance(timedelta(minutes=5))
        await gateway.take(again)
        first = statements.parse(retraction.header("statement")).context
        taken_back = gateway.received()[0]
        assert (taken_back.retracted_at, taken_back.retracted_by) == (NOW, first.id)
        assert gateway.quarantined() == []

    async def test_an_amendment_of_anothers_message_finds_none(self, gateway, world):
        original = world.message()
        await gateway.take(original)
        told = statements.parse(original.header("statement")).context
        about = Original(sender=NETTETAL, recipient=KREIS, type=MessageType.NOTIFICATION)
        foreign = world.message(
            NETTETAL,
            KREIS,
            type=MessageType.CORRECTION,
            content={**examples.CORRECTION, "entrusted": "none"},
            in_reply_to=told.id,
            original=about,
        )
        await gateway.take(foreign)
        assert [row.code for row in gateway.parked()] == ["original-unknown"]

    async def test_a_reply_needs_our_inquiry(self, gateway, world):
        inquiry = world.message(KREIS, POLICE, type=MessageType.INQUIRY)
        asked = statements.parse(inquiry.header("statement")).context
        about = Original(sender=KREIS, recipient=POLICE, type=MessageType.INQUIRY)
        reply = world.message(type=MessageType.REPLY, in_reply_to=asked.id, original=about)
        await gateway.take(reply)
        assert [row.code for row in gateway.parked()] == ["original-unknown"]
        await gateway.sent(inquiry, type="inquiry")
        await gateway.parking.once()
        assert len(gateway.received()) == 1


async def test_heartbeats_find_the_newest_number_of_each_partner(gateway, world):
    await gateway.take(world.message(n=4), world.message(n=5), *[r for r, _ in poison(world)][:2])
    await gateway.take(world.message(NETTETAL, KREIS, n=9, type=MessageType.INQUIRY))
    heard = gateway.peek(lambda db: numbers.load(db, "received"))
    assert {partner: seq.n for partner, seq in heard.items()} == {POLICE: 5, NETTETAL: 9}
    told = gateway.peek(lambda db: numbers.load(db, "sent"))
    assert {partner: seq.n for partner, seq in told.items()} == {POLICE: 2, NETTETAL: 1}
