"""Steps 9 and 10: what was agreed and formed wrongly, each with its code."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meldeweg.gateway.covering import Coverage
from meldeweg.gateway.judging import Message
from meldeweg.gateway.verification import Rejected
from meldeweg.kernel import statement as statements
from meldeweg.kernel.ids import Digest, new_message_id
from meldeweg.kernel.policy import Original
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.record import Places
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.statement import Urgency
from unit.gateway.judgement import code, judge, outcome, plaintext
from unit.gateway.world import GREFRATH, KREIS, NETTETAL, NOW, POLICE, SETUP


class TestStep9:
    """The agreement covers it."""

    def test_an_agreement_that_my_view_lacks_may_be_early(self, world):
        record = world.message()
        assert code(world, record, register=world.register(without=(world.agreement,))) == (
            "agreement-unknown",
            True,
        )

    def test_an_agreement_with_one_signature_removed_may_be_early(self, world):
        record = world.message()
        missing = world.signature(world.offices[NETTETAL], world.agreement_digest)
        assert code(world, record, register=world.register(without=(missing,))) == (
            "agreement-unsigned",
            True,
        )

    def test_the_digest_of_something_else(self, world):
        record = world.message(context_changes={"agreement": Digest.of(b"something else")})
        assert code(world, record) == ("agreement-unknown", True)

    def test_a_message_made_before_its_agreement_was_signed(self, world):
        record = world.message()
        told = statements.parse(record.header("statement"))
        text = told.context_bytes.replace(b'"created":"2026', b'"created":"2021')
        moved = world.signed(
            text, record.value, world.offices[POLICE].signing, told.context, record.offset
        )
        # the sealed parts belong to the old context; so the term is judged on an honest draft
        assert code(world, moved)[0] == "envelope-aad-mismatch"
        early = world.message(context_changes={"created": NOW.replace(year=2021)})
        assert code(world, early) == ("agreement-unsigned", True)

    @pytest.mark.parametrize(
        ("changes", "wanted"),
        [
            ({"clause": "anfrage-polizei"}, "record-contradicts"),
            ({"legal_basis": ("weil es geht",)}, "record-contradicts"),
            ({"purpose": "Neugier"}, "record-contradicts"),
            ({"urgency": "routine"}, "record-contradicts"),
            ({"type": "inquiry"}, "record-contradicts"),
            ({"grounds": ()}, "ground-not-covered"),
            ({"grounds": ("neglect",)}, "record-contradicts"),
            ({"data_categories": ("identity",)}, "record-contradicts"),
            ({"labels": None}, "labels-missing"),
            ({"places": {"place": "05162000"}}, "outside-district"),
            ({"places": {"place": "05166016"}}, "responsibility-contradicts"),
            ({"entrusted": "consent"}, "section-65-refused"),
            ({"handover_at": "2026-11-22T18:00:00.000Z"}, "record-contradicts"),
        ],
        ids=str,
    )
    def test_a_record_that_claims_what_does_not_hold(self, world, changes, wanted):
        assert code(world, world.message(record_changes=changes)) == (wanted, False)

    def test_an_urgency_below_the_least_of_the_clause(self, world):
        record = world.message(context_changes={"urgency": Urgency.ROUTINE})
        assert code(world, record) == ("record-contradicts", False)

    def test_a_type_that_no_clause_covers_in_this_direction(self, world):
        draft = world.draft(KREIS, POLICE, type=MessageType.INQUIRY)
        record = draft.record()
        told = json.loads(draft.record_body().bytes())
        assert told["type"] == "inquiry"
        turned = world.draft(
            KREIS,
            POLICE,
            type=MessageType.INQUIRY,
            record_changes={"type": "notification", "grounds": ("neglect",)},
        ).record()
        assert isinstance(outcome(world, record, me=POLICE), Message)
        assert code(world, turned, me=POLICE)[0] in {"type-not-covered", "section-65-undeclared"}

    def test_an_override_passes_what_administration_demands(self, world):
        record = world.message(labels=False, override="Gefahr im Verzug", urgency=Urgency.IMMEDIATE)
        assert isinstance(outcome(world, record), Message)

    def test_an_override_of_what_is_not_immediate_passes_nothing(self, world):
        record = world.message(
            record_changes={"labels": None, "override": "eilig"},
        )
        found = outcome(world, record)
        assert isinstance(found, Rejected | Message)
        assert not isinstance(found, Message)

    def test_the_place_decides_who_is_responsible(self, world):
        record = world.message(places=Places(place=GREFRATH))
        assert isinstance(outcome(world, record), Message)

    def test_a_later_deadline_or_term_than_agreed_counts_as_the_agreed_one(self, world):
        draft = world.draft(
            context_changes={"ack_by": NOW + timedelta(days=40), "delete_after": "2030-01-01"}
        )
        found = outcome(world, draft.record())
        assert isinstance(found, Message)
        assert found.covered.ack_by == draft.permit.ack_by
        assert found.covered.delete_after == draft.permit.delete_after

    def test_an_earlier_deadline_and_term_count_as_they_are(self, world):
        changes = {"ack_by": NOW + timedelta(minutes=1), "delete_after": "2026-12-01"}
        found = outcome(world, world.message(context_changes=changes))
        assert found.covered.ack_by == changes["ack_by"]
        assert found.covered.delete_after == "2026-12-01"

    def test_a_correction_before_its_original_may_be_early(self, world):
        original = new_message_id()
        told = Original(sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION)
        record = world.message(type=MessageType.CORRECTION, in_reply_to=original, original=told)
        assert code(world, record) == ("original-unknown", True)
        known = {(POLICE, original): told}
        assert isinstance(outcome(world, record, originals=known), Message)

    def test_a_retraction_is_final(self, world):
        original = new_message_id()
        told = Original(sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION)
        record = world.message(type=MessageType.RETRACTION, in_reply_to=original, original=told)
        final = replace(told, type=MessageType.RETRACTION)
        assert code(world, record, originals={(POLICE, original): final}) == (
            "reference-not-fitting",
            False,
        )

    def test_a_correction_that_refers_to_nothing(self, world):
        told = Original(sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION)
        record = world.message(type=MessageType.CORRECTION, original=told)
        assert code(world, record) == ("reference-not-fitting", False)


class TestStep10:
    """The content has the form of its type."""

    @pytest.mark.parametrize(
        "payload",
        [
            {},
            {**examples.NOTIFICATION, "surprise": 1},
            {**examples.NOTIFICATION, "facts": "none"},
            {**examples.NOTIFICATION, "grounds": ["curiosity"]},
            {**examples.NOTIFICATION, "children": [{"date_of_birth": "2019-02-30"}]},
        ],
        ids=lambda value: str(value)[:20],
    )
    def test_a_content_that_fails_its_schema(self, world, payload):
        assert code(world, plaintext(world, payload=payload).record()) == ("schema-invalid", False)

    @pytest.mark.parametrize("payload", [None, [], "text"])
    def test_a_payload_that_is_no_object_is_no_content(self, world, payload):
        found = code(world, plaintext(world, payload=payload).record())
        assert found == ("content-malformed", False)

    def test_a_version_that_this_gateway_does_not_read_may_be_early(self, world):
        record = world.message(record_changes={"version": 2})
        assert code(world, record) == ("schema-unknown", True)

    def test_the_refusal_names_no_value(self, world):
        content = {**examples.NOTIFICATION, "Kleeblattgasse": 1}
        found = outcome(world, plaintext(world, payload=content).record())
        assert found.code == "schema-invalid"
        assert "Kleeblattgasse" not in repr(found)
        assert "Kleeblattgasse" not in found.detail


class TestAClockAhead:
    """A message is taken whatever its sender's clock says; deadlines are not that clock's."""

    @pytest.mark.parametrize("ahead", [timedelta(hours=25), timedelta(days=30)])
    def test_neither_deadline_nor_deletion_wait_for_a_time_that_is_to_come(self, world, ahead):
        honest = outcome(world, world.message(urgency=Urgency.IMMEDIATE))
        found = outcome(world, world.message(created=NOW + ahead, urgency=Urgency.IMMEDIATE))
        assert isinstance(honest, Message)
        assert isinstance(found, Message)
        assert found.proven.context.ack_by > NOW + ahead
        assert found.covered.ack_by == honest.covered.ack_by
        assert found.covered.delete_after == honest.covered.delete_after

    def test_it_counts_from_now_too_before_the_agreement_counts(self, world):
        """Signed by nobody yet by our clock: dated ahead into it, the deadline is no later."""
        now = SETUP - timedelta(days=5)
        record = world.message(urgency=Urgency.IMMEDIATE)
        told = statements.parse(record.header("statement"))
        unsealed = judge(world)._opener.unseal(told, record.value)
        coverage = Coverage(KREIS, world.register(), lambda *_: None, now)
        found = coverage.message(told.context, unsealed)
        assert found.ack_by < now + timedelta(hours=1)
        assert found.delete_after < told.context.delete_after

    def test_one_that_is_behind_counts_from_its_own(self, world):
        found = outcome(world, world.message(created=NOW - timedelta(hours=25)))
        assert isinstance(found, Message)
        assert found.covered.ack_by == found.proven.context.ack_by


class TestKeptTooLong:
    def test_what_the_agreement_would_have_deleted_by_now_is_refused(self, world):
        """The context says a later day than the agreement: the earlier one counts, and is past."""
        record = world.message(context_changes={"delete_after": "2027-07-01"})
        last = datetime(2027, 5, 31, 23, 59, tzinfo=UTC)
        assert isinstance(outcome(world, record, now=last), Message)
        later = last + timedelta(minutes=1)
        assert code(world, record, now=later) == ("past-delete-after", False)
