"""Corrections, retractions and replies find what they refer to, or wait for it."""

from datetime import timedelta

import pytest

from meldeweg.gateway.states import ReceivedState
from meldeweg.kernel import statement as statements
from meldeweg.kernel.policy import Original
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.vocabulary import MessageType
from unit.gateway.receiving import digest
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE


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
