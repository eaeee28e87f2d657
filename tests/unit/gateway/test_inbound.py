"""Receiving as a whole: one transaction per batch, effects once, whatever fails meanwhile."""

import asyncio
from datetime import timedelta

import pytest

from meldeweg.gateway.states import ReceivedState
from meldeweg.gateway.store import numbers
from meldeweg.kernel import failpoints
from meldeweg.kernel import statement as statements
from meldeweg.kernel.bus.positions import Position, Reset, ResetKind
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.trust.objects import KeyUse
from unit.gateway.receiving import INBOX, TOPIC_ID, Gateway, digest, poison
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE


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


async def test_heartbeats_find_the_newest_number_of_each_partner(gateway, world):
    await gateway.take(world.message(n=4), world.message(n=5), *[r for r, _ in poison(world)][:2])
    await gateway.take(world.message(NETTETAL, KREIS, n=9, type=MessageType.INQUIRY))
    heard = gateway.peek(lambda db: numbers.load(db, "received"))
    assert {partner: seq.n for partner, seq in heard.items()} == {POLICE: 5, NETTETAL: 9}
    told = gateway.peek(lambda db: numbers.load(db, "sent"))
    assert {partner: seq.n for partner, seq in told.items()} == {POLICE: 2, NETTETAL: 1}
