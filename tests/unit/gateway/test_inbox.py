"""What arrived, as the agency's systems see it: listed, and opened by name."""

from dataclasses import replace
from datetime import timedelta

import pytest

from meldeweg.gateway.states import ReceivedMove
from meldeweg.gateway.store import received
from meldeweg.kernel import failpoints
from meldeweg.kernel import statement as statements
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import new_message_id
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.vocabulary import MessageType
from unit.gateway.taking import ERIKA, MAX, order, refusal
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE


class TestList:
    async def test_it_is_in_order_of_arrival_and_the_caller_keeps_the_cursor(self, gateway, world):
        for n in range(1, 6):
            await gateway.take(world.message(n=n))
        first = await gateway.inbox.list(None, 2)
        rest = await gateway.inbox.list(first.next, 10)
        assert len(first.items) == 2
        assert len(rest.items) == 3
        end = await gateway.inbox.list(rest.next, 10)
        assert (end.items, end.next) == ((), rest.next)
        assert (await gateway.inbox.list(first.next, 10)).items == rest.items

    async def test_it_says_nothing_of_the_case(self, gateway, world):
        await gateway.take(world.message())
        (item,) = (await gateway.inbox.list(None, 10)).items
        assert set(item.model_dump()) == {
            "id",
            "sender",
            "kennzeichen",
            "urgency",
            "created",
            "received_at",
            "ack_by",
            "exercise",
            "state",
            "retracted_at",
            "retracted_by",
            "overdue",
            "delete_after",
        }

    @pytest.mark.parametrize("cursor", ["", "-1", "x", "1.0", "٣", "9" * 17, "1 "])
    async def test_a_cursor_that_is_none_is_refused(self, gateway, cursor):
        assert await refusal(gateway.inbox.list(cursor, 10)) == "cursor-malformed"
        assert await refusal(gateway.quarantine.list(cursor, 10)) == "cursor-malformed"


class TestOpen:
    async def test_a_named_person_reads_it_and_the_look_is_an_event(self, gateway, message):
        opened = await gateway.inbox.open(message, ERIKA, None)
        assert opened.content == examples.NOTIFICATION
        assert opened.type == "notification"
        assert opened.record["clause"] == opened.clause
        assert [each.by for each in opened.opened] == [ERIKA]
        (told,) = gateway.events()
        assert (told.kind.value, told.partner, told.message) == ("opened", POLICE, opened.digest)
        assert ERIKA not in repr(told)

    async def test_each_look_is_told_under_a_reference_of_its_own(self, gateway, message):
        for person in (ERIKA, MAX, ERIKA):
            gateway.clock.advance(timedelta(seconds=1))
            opened = await gateway.inbox.open(message, person, None)
        assert [each.by for each in opened.opened] == [ERIKA, MAX, ERIKA]
        assert len({each.actor_ref for each in gateway.events()}) == 3

    async def test_names_and_contents_are_not_in_the_store(self, gateway, message, fresh):
        await gateway.inbox.open(message, ERIKA, None)
        await gateway.inbox.receipt(message, order("acknowledged", reason="übernommen"), None)
        await gateway.store.stop()
        data = b"".join(path.read_bytes() for path in fresh.iterdir())
        for marker in ("Erika", "Beispiel", "übernommen"):
            assert marker.encode() not in data

    async def test_without_a_durable_look_nothing_is_shown(self, gateway, message):
        failpoints.arm("store.before_commit=error@1")
        with pytest.raises(Unavailable):
            await gateway.inbox.open(message, ERIKA, None)
        assert gateway.told() == []

    async def test_an_unknown_id_is_unknown(self, gateway):
        call = gateway.inbox.open(new_message_id(), ERIKA, None)
        assert await refusal(call) == "message-unknown"

    async def test_an_id_that_two_senders_used_needs_its_sender(self, gateway, world):
        one = new_message_id()
        await gateway.take(
            world.message(id=one), world.message(NETTETAL, KREIS, id=one, type=MessageType.INQUIRY)
        )
        assert await refusal(gateway.inbox.open(one, ERIKA, None)) == "message-ambiguous"
        assert (await gateway.inbox.open(one, ERIKA, NETTETAL)).type == "inquiry"
        assert (await gateway.inbox.open(one, ERIKA, POLICE)).type == "notification"

    async def test_what_was_exchanged_in_the_store_is_not_shown(self, gateway, world, message):
        await gateway.take(world.message())
        for columns in ("value", "statement", "(statement, value)"):
            bare = columns.strip("()")
            swap = f"UPDATE received SET {columns} = (SELECT {bare} FROM received WHERE seq = 2)"
            await gateway.store.write(lambda db, swap=swap: db.execute(f"{swap} WHERE seq = 1"))
            call = gateway.inbox.open(message, ERIKA, None)
            assert await refusal(call) == "message-unopenable"
        assert gateway.told() == []

    async def test_what_was_put_into_the_store_unsigned_is_not_shown(self, gateway, world, message):
        forged = world.message(key=world.offices[NETTETAL].signing)
        told = statements.parse(forged.header("statement"))
        row = (forged.header("statement"), forged.value, told.digest)
        await gateway.store.write(
            lambda db: db.execute("UPDATE received SET statement = ?, value = ?, digest = ?", row)
        )
        assert await refusal(gateway.inbox.open(message, ERIKA, None)) == "message-unopenable"

    async def test_a_key_that_is_gone_opens_nothing(self, gateway, message):
        other = OpenKey.generate()
        gateway.keys.clear()
        gateway.keys[other.kid] = other
        assert await refusal(gateway.inbox.open(message, ERIKA, None)) == "message-unopenable"

    async def test_an_old_message_opens_after_its_senders_key_has_ended(self, gateway, message):
        gateway.clock.advance(timedelta(days=500))
        assert (await gateway.inbox.open(message, ERIKA, None)).type == "notification"


async def test_the_quarantine_explains_each_code_in_both_languages(gateway, world):
    await gateway.take(replace(world.message(), value=b"{}"))
    page = await gateway.quarantine.list(None, 10)
    (item,) = page.items
    assert item.code == "value-mismatch"
    assert item.explanation.startswith("Der Inhalt")
    assert item.explanation_en
    assert item.verified
    assert (await gateway.quarantine.list(page.next, 10)).items == ()
    for wrong in ("99", "x", ""):
        assert await refusal(gateway.quarantine.get(wrong)) == "quarantine-unknown"


class TestTermEndsMeanwhile:
    """Retention runs beside: what it erased in between is neither shown nor answered."""

    @pytest.fixture
    async def expiring(self, gateway, message, monkeypatch):
        """The next transaction finds the message erased."""
        await gateway.inbox.open(message, ERIKA, None)
        write = gateway.store.write

        async def erase_first(job):
            monkeypatch.setattr(gateway.store, "write", write)
            (row,) = gateway.received()
            await write(lambda db: received.move(db, row, ReceivedMove.EXPIRED, NOW))
            return await write(job)

        monkeypatch.setattr(gateway.store, "write", erase_first)
        return message

    async def test_opening(self, gateway, expiring):
        assert await refusal(gateway.inbox.open(expiring, ERIKA, None)) == "message-erased"
        assert len(gateway.told()) == 1  # the look before

    async def test_answering(self, gateway, expiring):
        call = gateway.inbox.receipt(expiring, order("acknowledged"), None)
        assert await refusal(call) == "receipt-out-of-order"
        assert gateway.given() == []
