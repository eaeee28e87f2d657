"""What arrived, as the agency's systems see it: listed, opened by name, answered by a person."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from meldeweg.gateway.api.arrived import ReceiptOrder
from meldeweg.gateway.refusals import BY_PERSONS
from meldeweg.gateway.states import ReceivedMove
from meldeweg.gateway.store import received
from meldeweg.kernel import failpoints
from meldeweg.kernel import statement as statements
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import new_message_id
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.policy import Original
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.statement import ReceiptKind, Urgency
from unit.gateway.receiving import Gateway
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE

ERIKA, MAX = "Erika Beispiel", "Max Muster"


@pytest.fixture
async def gateway(store, world):
    return Gateway(store, world)


@pytest.fixture
async def message(gateway, world):
    """One message that arrived; its id."""
    record = world.message()
    await gateway.take(record)
    await gateway.produce()
    return statements.parse(record.header("statement")).context.id


def order(kind, by=ERIKA, **more):
    return ReceiptOrder(kind=ReceiptKind(kind), by=by, **more)


async def refusal(call):
    with pytest.raises(Refused) as refused:
        await call
    return refused.value.code


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


class TestAcknowledge:
    async def test_it_stops_the_deadline_and_tells_the_sender(
        self, gateway, world, message, second
    ):
        await gateway.inbox.open(message, ERIKA, None)
        answer, new = await gateway.inbox.receipt(message, order("acknowledged"), None)
        assert new
        assert answer.state == "acknowledged"
        (context,) = gateway.receipts()
        assert context.receipt.kind == "acknowledged"
        (row,) = gateway.rows("receipt")
        assert b"Erika" not in row.value

    async def test_the_sender_can_open_it(self, gateway, world, second):
        record = world.message()
        await gateway.take(record)
        one = statements.parse(record.header("statement")).context.id
        await gateway.inbox.open(one, ERIKA, None)
        await gateway.inbox.receipt(one, order("acknowledged", reason="Wir fahren hin"), None)
        police = Gateway(second, world, me=POLICE)
        known = await police.sent(record)
        await police.take(*await gateway.produce())
        assert police.quarantined() == []
        assert police.sent_state(known) == "acknowledged"

    async def test_who_has_not_opened_it_cannot(self, gateway, message):
        call = gateway.inbox.receipt(message, order("acknowledged"), None)
        assert await refusal(call) == "not-opened"
        await gateway.inbox.open(message, MAX, None)
        call = gateway.inbox.receipt(message, order("acknowledged"), None)
        assert await refusal(call) == "not-opened"
        assert gateway.given() == []

    async def test_the_same_again_is_the_same_answer(self, gateway, message):
        await gateway.inbox.open(message, ERIKA, None)
        first, new = await gateway.inbox.receipt(message, order("acknowledged"), None)
        again, new_again = await gateway.inbox.receipt(message, order("acknowledged"), None)
        assert (new, new_again) == (True, False)
        assert again == first
        assert len(gateway.receipts()) == 1

    async def test_two_at_once_are_one_receipt(self, gateway, message):
        await gateway.inbox.open(message, ERIKA, None)
        answers = await asyncio.gather(
            *(gateway.inbox.receipt(message, order("acknowledged"), None) for _ in range(5))
        )
        assert sorted(new for _, new in answers) == [False] * 4 + [True]
        assert len({answer.id for answer, _ in answers}) == 1

    async def test_another_person_afterwards_is_out_of_order(self, gateway, message):
        for person in (ERIKA, MAX):
            await gateway.inbox.open(message, person, None)
        await gateway.inbox.receipt(message, order("acknowledged"), None)
        call = gateway.inbox.receipt(message, order("acknowledged", by=MAX), None)
        assert await refusal(call) == "receipt-out-of-order"

    async def test_a_commit_that_fails_keeps_nothing_and_takes_no_number(self, gateway, message):
        await gateway.inbox.open(message, ERIKA, None)
        failpoints.arm("store.before_commit=error@1")
        with pytest.raises(Unavailable):
            await gateway.inbox.receipt(message, order("acknowledged"), None)
        assert gateway.given() == []
        answer, new = await gateway.inbox.receipt(message, order("acknowledged"), None)
        assert new
        assert gateway.receipts()[0].seq.n == 1
        assert answer.state == "acknowledged"


class TestRefuse:
    @pytest.mark.parametrize("code", sorted(BY_PERSONS))
    async def test_it_needs_a_code_of_the_list(self, gateway, message, code):
        more = {"responsible": NETTETAL} if code == "not-responsible" else {}
        answer, _ = await gateway.inbox.receipt(message, order("refused", code=code, **more), None)
        assert answer.state == "refused"
        assert gateway.given()[0][:2] == ("refused", code)

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ({"kind": "delivered"}, "receipt-not-allowed"),
            ({"kind": "refused"}, "receipt-incomplete"),
            ({"kind": "refused", "code": "made-up"}, "receipt-incomplete"),
            ({"kind": "refused", "code": "not-responsible"}, "receipt-incomplete"),
            (
                {"kind": "refused", "code": "sent-twice", "responsible": NETTETAL},
                "receipt-incomplete",
            ),
            ({"kind": "acknowledged", "code": "sent-twice"}, "receipt-incomplete"),
            ({"kind": "acknowledged", "responsible": NETTETAL}, "receipt-incomplete"),
            (
                {"kind": "refused", "code": "not-responsible", "responsible": "nirgends"},
                "agency-unknown",
            ),
            (
                {"kind": "refused", "code": "not-responsible", "responsible": KREIS},
                "receipt-incomplete",
            ),
            (
                {"kind": "refused", "code": "not-responsible", "responsible": POLICE},
                "receipt-incomplete",
            ),
        ],
        ids=str,
    )
    async def test_members_that_do_not_go_together(self, gateway, message, given, wanted):
        call = gateway.inbox.receipt(message, order(**given), None)
        assert await refusal(call) == wanted
        assert gateway.given() == []

    async def test_after_the_acknowledgement_it_is_out_of_order(self, gateway, message):
        await gateway.inbox.open(message, ERIKA, None)
        await gateway.inbox.receipt(message, order("acknowledged"), None)
        call = gateway.inbox.receipt(message, order("refused", code="sent-twice"), None)
        assert await refusal(call) == "receipt-out-of-order"


class TestErase:
    async def test_the_content_goes_and_the_sender_is_told(self, gateway, message):
        await gateway.inbox.open(message, ERIKA, None)
        await gateway.inbox.receipt(message, order("acknowledged"), None)
        answer, _ = await gateway.inbox.receipt(message, order("erased"), None)
        assert answer.state == "erased"
        assert gateway.peek(lambda db: received.sealed(db, 1))[1] is None
        assert await refusal(gateway.inbox.open(message, ERIKA, None)) == "message-erased"
        assert [kind for kind, _, _ in gateway.given()] == ["acknowledged", "erased"]

    async def test_what_nobody_has_taken_is_not_erased_by_hand(self, gateway, message):
        call = gateway.inbox.receipt(message, order("erased"), None)
        assert await refusal(call) == "receipt-out-of-order"

    async def test_a_correction_of_an_erased_message_still_arrives(self, gateway, world):
        original = world.message()
        await gateway.take(original)
        told = statements.parse(original.header("statement")).context
        (row,) = gateway.received()
        await gateway.store.write(
            lambda db: received.move(db, row, ReceivedMove.EXPIRED, gateway.clock.now())
        )
        about = Original(sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION)
        await gateway.take(
            world.message(type=MessageType.CORRECTION, in_reply_to=told.id, original=about)
        )
        assert len(gateway.received()) == 2


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
