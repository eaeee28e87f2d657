"""Receipts that come for what this agency sent: only from whom it was sent to, only what fits."""

from dataclasses import replace
from datetime import timedelta

import pytest

from meldeweg.gateway.receipts import Word
from meldeweg.gateway.states import SENT_OPEN, SentMove, SentState
from meldeweg.gateway.store import receipt_in
from meldeweg.gateway.store import sent as sent_rows
from meldeweg.kernel import statement as statements
from meldeweg.kernel import topics
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.statement import ReceiptFor, ReceiptKind, Urgency
from meldeweg.watch.ledger import Ledger
from unit.gateway.receiving import Gateway
from unit.gateway.taking import person_receipt
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE


@pytest.fixture
async def police(store, world):
    return Gateway(store, world, me=POLICE)


def timeline(gateway, digest):
    def read(db):
        row = sent_rows.by_digest(db, digest)
        return [(step.kind, step.code) for step in sent_rows.timeline(db, row.n)]

    return gateway.peek(read)


def waiting(gateway):
    query = "SELECT count(*) FROM outbox WHERE settled_at IS NULL AND kind = 'message'"
    return gateway.peek(lambda db: db.execute(query).fetchone()[0])


async def test_delivered_ends_the_wait_in_the_outbox(police, world):
    message = world.message()
    known = await police.sent(message)
    assert waiting(police) == 1
    await police.take(world.receipt(message, "delivered"))
    assert police.sent_state(known) == "delivered"
    assert waiting(police) == 0
    assert timeline(police, known) == [("delivered", None)]
    assert police.received() == []
    assert police.receipts() == []  # a receipt is not receipted


async def test_delivered_counts_also_before_we_noted_that_it_was_sent(police, world):
    message = world.message()
    known = await police.sent(message, state=SentState.QUEUED)
    await police.take(world.receipt(message, "delivered"))
    assert police.sent_state(known) == "delivered"
    await police.store.write(lambda db: sent_rows.mark_sent(db, [(known, NOW)]))
    assert timeline(police, known) == [("sent", None), ("delivered", None)]
    assert police.sent_state(known) == "delivered"


async def test_acknowledged_by_a_person_is_kept_sealed(police, world):
    message = world.message()
    known = await police.sent(message)
    receipt = person_receipt(world, message, ReceiptKind.ACKNOWLEDGED)
    await police.take(world.receipt(message, "delivered"), receipt)
    assert police.sent_state(known) == "acknowledged"
    row = police.peek(lambda db: sent_rows.by_digest(db, known))
    kept = police.peek(lambda db: receipt_in.of(db, row.n))
    assert {each.kind: each.value for each in kept} == {
        "delivered": None,
        "acknowledged": receipt.value,
    }
    assert b"Erika" not in receipt.value


async def test_refused_comes_with_its_code_and_ends_the_wait(police, world):
    message = world.message()
    known = await police.sent(message)
    await police.take(world.receipt(message, "refused", code="schema-invalid"))
    assert police.sent_state(known) == "refused"
    assert timeline(police, known) == [("refused", "schema-invalid")]
    assert waiting(police) == 0


async def test_an_immediate_message_that_comes_back_refused_alarms_at_once(police, world):
    message = world.message(urgency=Urgency.IMMEDIATE)
    known = await police.sent(message)
    await police.take(world.receipt(message, "refused", code="schema-invalid"))
    assert ("alarm", "schema-invalid") in police.told()
    assert police.peek(lambda db: sent_rows.by_digest(db, known)).alarmed_at == NOW


class TestRefusedThenThere:
    """What a gateway refused as too early may be produced again, and arrive."""

    async def test_a_persons_refusal_counts_after_that_of_a_gateway(self, police, world):
        message = world.message()
        known = await police.sent(message)
        said = {"code": "not-responsible", "responsible": NETTETAL}
        word = Word(v=1, by="Erika Beispiel", responsible=NETTETAL)
        person = person_receipt(world, message, ReceiptKind.REFUSED, word=word, **said)
        early = world.receipt(message, "refused", code="schema-unknown")
        for receipt, state in (
            (early, "refused"),
            (world.receipt(message, "delivered"), "delivered"),
            (early, "delivered"),  # an old word, again
            (person, "refused"),
            (world.receipt(message, "delivered"), "refused"),
            (person, "refused"),
        ):
            await police.take(receipt)
            assert police.sent_state(known) == state
        assert timeline(police, known) == [
            ("refused", "schema-unknown"),
            ("delivered", None),
            ("refused", "not-responsible"),
        ]
        assert police.quarantined() == []

    @pytest.mark.parametrize(
        "words", ["", "R", "D", "RR", "RD", "DD", "DA", "DP", "RDD", "RDA", "RDP", "RDPD", "RDAD"]
    )
    async def test_watch_counts_what_the_senders_gateway_counts(self, police, world, words):
        message, ledger = world.message(), Ledger(timedelta(minutes=5))
        known = await police.sent(message)
        ledger.message(statements.parse(message.header("statement")), NOW)
        said = {"code": "not-responsible", "responsible": NETTETAL}
        word = Word(v=1, by="Erika Beispiel", responsible=NETTETAL)
        for each in words:
            match each:
                case "R":
                    receipt = world.receipt(message, "refused", code="schema-unknown")
                case "D":
                    receipt = world.receipt(message, "delivered")
                case "A":
                    receipt = person_receipt(world, message, ReceiptKind.ACKNOWLEDGED)
                case _:
                    receipt = person_receipt(world, message, ReceiptKind.REFUSED, word=word, **said)
            await police.take(receipt)
            ledger.receipt(statements.parse(receipt.header("statement")).context)
        assert police.quarantined() == []
        assert (police.sent_state(known) in SENT_OPEN) is (known in ledger.open)

    @pytest.mark.parametrize("ended", ["refused", "undeliverable"])
    async def test_what_was_overdue_and_is_there_after_all_is_still_overdue(
        self, police, world, ended
    ):
        message = world.message()
        known = await police.sent(message)

        def give_up(db):
            sent_rows.mark_overdue(db, sent_rows.by_digest(db, known), NOW)
            row = sent_rows.by_digest(db, known)
            sent_rows.move(db, row, SentMove(ended), NOW, "schema-unknown")

        await police.store.write(give_up)
        assert police.sent_state(known) == ended
        await police.take(world.receipt(message, "delivered"))
        assert police.sent_state(known) == "overdue"
        kinds = [kind for kind, _ in timeline(police, known)]
        assert kinds == ["overdue", ended, "delivered", "overdue"]
        await police.take(person_receipt(world, message, ReceiptKind.ACKNOWLEDGED))
        assert police.sent_state(known) == "acknowledged"


class TestForgery:
    async def quarantined(self, police, *records):
        await police.take(*records)
        assert police.received() == []
        return police.quarantined()

    async def test_a_receipt_by_a_third_party(self, police, world):
        message = world.message()
        known = await police.sent(message)
        forged = world.receipt(message, "delivered", signer=NETTETAL)
        about = ReceiptFor(
            of=known, kind=ReceiptKind.DELIVERED, topic=topics.inbox(NETTETAL, POLICE), offset=0
        )
        better = world.receipt(message, "delivered", signer=NETTETAL, receipt=about)
        assert await self.quarantined(police, forged, better) == ["receipt-foreign"] * 2
        assert police.sent_state(known) == "sent"

    async def test_a_receipt_for_a_message_never_sent(self, police, world):
        receipt = world.receipt(world.message(), "delivered")
        assert await self.quarantined(police, receipt) == ["receipt-unmatched"]

    async def test_a_receipt_for_a_digest_of_nothing(self, police, world):
        about = ReceiptFor(
            of=Digest.of(b"nothing"),
            kind=ReceiptKind.DELIVERED,
            topic=topics.inbox(KREIS, POLICE),
            offset=0,
        )
        receipt = world.receipt(world.message(), "delivered", receipt=about)
        assert await self.quarantined(police, receipt) == ["receipt-unmatched"]

    async def test_a_receipt_that_names_another_place(self, police, world):
        message = world.message()
        await police.sent(message)
        elsewhere = replace(message, topic=topics.inbox(NETTETAL, POLICE))
        about = ReceiptFor(
            of=statements.parse(message.header("statement")).digest,
            kind=ReceiptKind.DELIVERED,
            topic=elsewhere.topic,
            offset=0,
        )
        receipt = world.receipt(message, "delivered", receipt=about)
        assert await self.quarantined(police, receipt) == ["receipt-unmatched"]

    async def test_a_receipt_sealed_to_nobody_although_a_person_gave_it(self, police, world):
        message = world.message()
        await police.sent(message)
        receipt = world.receipt(message, "acknowledged")
        assert await self.quarantined(police, receipt) == ["receipt-contradicts"]

    async def test_a_step_that_the_table_of_states_does_not_have(self, police, world):
        message = world.message()
        known = await police.sent(message, state=SentState.ACKNOWLEDGED)
        receipt = world.receipt(message, "refused", code="schema-invalid")
        assert await self.quarantined(police, receipt) == ["receipt-impossible"]
        assert police.sent_state(known) == "acknowledged"

    async def test_impossible_steps_within_one_batch(self, police, world):
        message = world.message()
        known = await police.sent(message)
        person = person_receipt(world, message, ReceiptKind.ACKNOWLEDGED)
        late = world.receipt(message, "refused", code="schema-invalid")
        assert await self.quarantined(police, person, late) == ["receipt-impossible"]
        assert police.sent_state(known) == "acknowledged"

    async def test_no_receipt_is_ever_answered(self, police, world):
        await police.take(world.receipt(world.message(), "delivered"))
        await police.take(world.receipt(world.message(), "acknowledged"))
        assert police.receipts() == []

    async def test_a_receipt_in_the_topic_of_another_partner(self, police, world):
        message = world.message()
        await police.sent(message)
        moved = replace(world.receipt(message, "delivered"), topic=topics.inbox(POLICE, NETTETAL))
        assert await self.quarantined(police, moved) == ["topic-contradicts"]


class TestAgain:
    async def test_a_receipt_replayed_has_no_second_effect(self, police, world):
        message = world.message()
        known = await police.sent(message)
        delivered = world.receipt(message, "delivered")
        refused = world.receipt(message, "refused", code="key-expired")
        await police.take(delivered, delivered, refused)
        await police.take(delivered)  # it would undo `refused`
        assert police.sent_state(known) == "refused"
        assert police.quarantined() == []
        assert police.receipts() == []

    async def test_the_twins_of_a_receipt_that_fits_nothing_are_counted_in_one_entry(
        self, police, world
    ):
        receipt = world.receipt(world.message(), "delivered")
        await police.take(receipt, receipt)
        await police.take(receipt)
        assert police.quarantined() == ["receipt-unmatched"]
        (entry,) = (await police.quarantine.list(None, 9)).items
        assert entry.times == 3
        assert police.told() == [("quarantined", "receipt-unmatched")] * 3  # none without a word


class TestRetraction:
    async def test_an_original_is_retracted_once_its_retraction_is_delivered(self, police, world):
        message = world.message()
        known = await police.sent(message, state=SentState.DELIVERED)
        original = statements.parse(message.header("statement")).context.id
        retraction = world.message()
        await police.sent(retraction, type="retraction", in_reply_to=original)
        assert police.sent_state(known) == "delivered"
        await police.take(world.receipt(retraction, "delivered"))
        assert police.sent_state(known) == "retracted"


class TestClocks:
    async def test_an_answer_from_before_the_question_warns_once_an_hour(self, police, world):
        for _ in range(2):
            message = world.message()
            await police.sent(message)
            await police.take(
                world.receipt(message, "delivered", created=NOW - timedelta(minutes=6))
            )
        assert police.told() == [("clock-differs", None)]
        assert police.events()[0].partner == KREIS
        police.clock.advance(timedelta(hours=1))
        message = world.message()
        await police.sent(message)
        await police.take(world.receipt(message, "delivered", created=NOW - timedelta(minutes=6)))
        assert police.told() == [("clock-differs", None)] * 2
        assert police.quarantined() == []

    async def test_a_message_from_the_future_warns_and_is_accepted(self, store, world):
        kreis = Gateway(store, world)
        await kreis.take(world.message(created=NOW + timedelta(days=1)))
        assert len(kreis.received()) == 1
        assert kreis.told() == [("clock-differs", None)]

    async def test_a_message_that_waited_for_the_broker_is_no_warning(self, store, world):
        kreis = Gateway(store, world)
        await kreis.take(world.message(created=NOW - timedelta(days=3)))
        assert kreis.told() == []
