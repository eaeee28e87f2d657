"""A person answers: acknowledged by who opened it, refused with a code, erased once taken."""

import asyncio

import pytest

from meldeweg.gateway.refusals import BY_PERSONS
from meldeweg.gateway.states import ReceivedMove
from meldeweg.gateway.store import received
from meldeweg.kernel import failpoints
from meldeweg.kernel import statement as statements
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.policy import Original
from meldeweg.kernel.schemas.vocabulary import MessageType
from unit.gateway.receiving import Gateway
from unit.gateway.taking import ERIKA, MAX, order, refusal
from unit.gateway.world import KREIS, NETTETAL, POLICE


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
