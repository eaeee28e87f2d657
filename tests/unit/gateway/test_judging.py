"""Steps 7 to 10: what was sealed, committed to, agreed and formed wrongly, each with its code."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from meldeweg.gateway import judging
from meldeweg.gateway.judging import Judge, Message, Receipt
from meldeweg.gateway.receipts import Answered, ReceiptRecord, Sealing, Word, given_by_person
from meldeweg.gateway.verification import Proof, Proven, Rejected
from meldeweg.kernel import statement as statements
from meldeweg.kernel import topics
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.kernel.ids import Digest, new_message_id
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.policy import Original
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.schemas.record import Places
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.statement import ReceiptKind, Seq, Urgency
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import KeyUse
from unit.gateway.world import GREFRATH, KREIS, NETTETAL, NOW, POLICE

STRANGER = OpenKey.generate()


def judge(world, me=KREIS, register=None, originals=None):
    key = world.offices[me].seal
    known = originals or {}
    return Judge(
        me,
        register or world.register(),
        {key.kid: key},
        lambda sender, kind, message: known.get((sender, message)),
        NOW,
    )


def outcome(world, record, me=KREIS, **given):
    judged = judge(world, me, **given)
    proven = judged.prove(record)
    assert isinstance(proven, Proven), proven
    return judged.open(proven)


def code(world, record, **given):
    found = outcome(world, record, **given)
    assert isinstance(found, Rejected), found
    assert found.proof is Proof.AUTHENTIC
    return found.code, found.early


def resealed(world, record, change):
    """Bend the value and sign it all again, as a sender might."""
    told = statements.parse(record.header("statement"))
    value = change(record.value)
    return world.signed(
        told.context_bytes, value, world.offices[POLICE].signing, told.context, record.offset
    )


def plaintext(world, **changes):
    """Return a draft whose content has other members than it should."""
    draft = world.draft()
    draft.inside = changes
    return draft


@pytest.mark.parametrize(
    ("sender", "recipient", "kind"),
    [
        (POLICE, KREIS, MessageType.NOTIFICATION),
        (POLICE, NETTETAL, MessageType.NOTIFICATION),
        (KREIS, POLICE, MessageType.IMMEDIATE_ACTION),
        (KREIS, POLICE, MessageType.INQUIRY),
    ],
)
def test_an_honest_message_of_each_direction_is_accepted(world, sender, recipient, kind):
    record = world.message(sender, recipient, type=kind)
    found = outcome(world, record, me=recipient)
    assert isinstance(found, Message), found
    assert found.covered.type is kind


class TestStep7:
    """Open, with the context as associated data."""

    def test_sealed_to_another_agencys_key(self, world):
        record = world.message(seal_to=(world.offices[NETTETAL].seal.public,))
        assert code(world, record) == ("envelope-not-for-this-key", False)

    def test_sealed_together_with_another_context(self, world):
        assert code(world, world.message(aad=bytes(32))) == ("envelope-aad-mismatch", False)

    def test_a_sealed_payload_cannot_be_signed_again_as_ones_own(self, world):
        stolen = world.message()
        draft = world.draft(NETTETAL, KREIS, type=MessageType.INQUIRY)
        own = draft.record()
        told = statements.parse(own.header("statement"))
        relabelled = world.signed(
            told.context_bytes, stolen.value, world.offices[NETTETAL].signing, told.context
        )
        assert code(world, relabelled) == ("envelope-aad-mismatch", False)

    @pytest.mark.parametrize(
        "change",
        [
            lambda value: b"{}",
            lambda value: b"",
            lambda value: b"null",
            lambda value: value[:-1],
            lambda value: value.replace(b'"content"', b'"Content"', 1),
            lambda value: b" " + value,
            lambda value: value.replace(b',"record":', b',"Record":', 1),
            lambda value: b'{"content":{},"content":' + value[len(b'{"content":') :],
        ],
    )
    def test_a_value_of_another_form(self, world, change):
        found = code(world, resealed(world, world.message(), change))[0]
        assert found in {"value-malformed", "envelope-malformed"}

    @pytest.mark.parametrize("name", [b"iv", b"tag", b"ciphertext", b"protected", b"recipients"])
    def test_an_envelope_that_lacks_a_member(self, world, name):
        record = resealed(
            world, world.message(), lambda value: value.replace(b'"%b":' % name, b'"x":', 1)
        )
        assert code(world, record) == ("envelope-malformed", False)

    def test_members_after_the_record_are_refused(self, world):
        record = resealed(world, world.message(), lambda value: value[:-1] + b',"more":1}')
        assert code(world, record) == ("value-malformed", False)

    def test_an_officers_copy_of_another_message_is_refused(self, world):
        """No officer could open it, and that shows without a key."""
        other = world.message().value

        def change(value):
            middle = b',"record":'
            return value[: value.index(middle)] + other[other.index(middle) :]

        assert code(world, resealed(world, world.message(), change)) == (
            "envelope-aad-mismatch",
            False,
        )

    def test_ciphertext_that_was_changed_does_not_open(self, world):
        def change(value):
            start = value.index(b'"ciphertext":"') + len(b'"ciphertext":"')
            new = b"A" if value[start : start + 1] != b"A" else b"B"
            return value[:start] + new + value[start + 1 :]

        assert code(world, resealed(world, world.message(), change)) == (
            "envelope-unreadable",
            False,
        )

    def test_content_and_record_exchanged(self, world):
        def change(value):
            content, record = value[len(b'{"content":') : -1].split(b',"record":')
            return b'{"content":' + record + b',"record":' + content + b"}"

        found, _ = code(world, resealed(world, world.message(), change))
        assert found == "envelope-not-for-this-key"

    def test_the_record_must_reach_both_officers(self, world):
        police, kreis = world.offices[POLICE].oversight, world.offices[KREIS].oversight
        for keys in ((police.public,), (kreis.public,)):
            assert code(world, world.message(oversight=keys)) == ("oversight-contradicts", True)

    def test_the_record_must_reach_nobody_else(self, world):
        both = [world.offices[each].oversight.public for each in (POLICE, KREIS)]
        for more in (STRANGER.public, world.offices[NETTETAL].oversight.public):
            record = world.message(oversight=(*both, more))
            assert code(world, record)[0] == "oversight-contradicts"

    @pytest.mark.parametrize(
        "changes",
        [
            {"attachments": ...},
            {"payload": ...},
            {"record": ...},
            {"record": {}},
            {"record": None},
            {"more": 1},
        ],
        ids=str,
    )
    def test_opened_content_of_another_form(self, world, changes):
        record = plaintext(world, **changes).record()
        assert code(world, record) == ("content-malformed", False)

    @pytest.mark.parametrize(
        "bent",
        [b"", b"[]", b"nul", b'{"record":"","record":""}', b"\xff", b"[" * 40, b'{"a":NaN}'],
    )
    def test_opened_content_that_is_no_json_object(self, world, bent):
        draft = world.draft(plaintext=bent or b" ")
        assert code(world, draft.record()) == ("content-malformed", False)

    def test_attachments_are_not_read_yet(self, world):
        draft = plaintext(world, attachments=[{"name": "foto.jpg"}])
        assert code(world, draft.record()) == ("attachments-unknown", False)


class TestStep8:
    """The record in the content is the one that the context commits to."""

    def test_a_record_other_than_the_committed_one(self, world):
        assert code(world, world.message(committed=b"{}")) == ("record-mismatch", False)

    def test_an_officer_and_a_recipient_cannot_be_told_different_things(self, world):
        other = world.draft().record_body().bytes()
        assert code(world, world.message(committed=other)) == ("record-mismatch", False)

    def test_a_record_that_is_none(self, world):
        record = world.message(committed=b'{"v":1}', inside={"record": '{"v":1}'})
        assert code(world, record) == ("record-malformed", False)


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


def answered(record):
    told = statements.parse(record.header("statement"))
    context = told.context
    return Answered(
        told.digest,
        context.sender,
        record.topic,
        record.offset,
        context.agreement,
        context.exercise,
        context.delete_after,
    )


def person_receipt(world, message, kind, *, word=None, bent=None, **changes):
    """A person's receipt as the receiving gateway makes it; `bent`: its record says other."""
    police, kreis = world.offices[POLICE], world.offices[KREIS]
    told = answered(message)
    members = (
        {
            "v": 1,
            "kind": kind,
            "of": told.digest,
            "actor_ref": "ab" * 16,
            "nonce": "A" * 43,
        }
        | changes
        | (bent or {})
    )
    row = given_by_person(
        KREIS,
        told,
        kind,
        Seq(outbox="ab" * 8, n=1),
        kreis.signing,
        NOW,
        word or Word(v=1, by="Erika Beispiel", reason=members.get("reason")),
        ReceiptRecord(**members),
        Sealing(police.seal.public, (police.oversight.public, kreis.oversight.public)),
    )
    return Record(row.topic, 0, 0, 0, row.key, row.value, row.headers)


class TestReceipts:
    """Steps 7 to 9 of a receipt."""

    @pytest.mark.parametrize(("kind", "code_"), [("delivered", None), ("refused", "key-expired")])
    def test_the_gateways_own_receipts_have_nothing_sealed(self, world, kind, code_):
        receipt = world.receipt(world.message(), kind, code=code_)
        found = outcome(world, receipt, me=POLICE)
        assert isinstance(found, Receipt)
        assert found.word is None

    @pytest.mark.parametrize("kind", [ReceiptKind.ACKNOWLEDGED, ReceiptKind.ERASED])
    def test_a_persons_receipt_opens_for_the_sender_alone(self, world, kind):
        receipt = person_receipt(world, world.message(), kind)
        found = outcome(world, receipt, me=POLICE)
        assert isinstance(found, Receipt)
        assert found.word.by == "Erika Beispiel"
        assert b"Erika" not in receipt.value

    @pytest.mark.parametrize("named", [NETTETAL, KREIS, POLICE])
    def test_a_refusal_names_who_is_responsible_and_is_one_whoever_that_is(self, world, named):
        receipt = person_receipt(
            world,
            world.message(),
            ReceiptKind.REFUSED,
            word=Word(v=1, by="Erika Beispiel", responsible=named),
            code="not-responsible",
            responsible=named,
        )
        assert outcome(world, receipt, me=POLICE).word.responsible == named

    @pytest.mark.parametrize("kind", ["acknowledged", "erased"])
    def test_a_persons_receipt_without_a_person_is_refused(self, world, kind):
        receipt = world.receipt(world.message(), kind)
        assert code(world, receipt, me=POLICE) == ("receipt-contradicts", False)

    def test_what_is_sealed_needs_its_commitment_and_the_other_way(self, world):
        receipt = world.receipt(world.message(), "delivered", record_sha256=Digest.of(b""))
        assert code(world, receipt, me=POLICE) == ("receipt-contradicts", False)

    @pytest.mark.parametrize(
        "changes",
        [
            {"reason": "andere Gründe"},
            {"kind": ReceiptKind.ERASED},
            {"of": Digest.of(b"other")},
            {"responsible": NETTETAL},
        ],
        ids=str,
    )
    def test_word_record_and_context_say_the_same(self, world, changes):
        receipt = person_receipt(
            world,
            world.message(),
            ReceiptKind.ACKNOWLEDGED,
            word=Word(v=1, by="Erika Beispiel"),
            bent=changes,
        )
        assert code(world, receipt, me=POLICE) == ("receipt-contradicts", False)

    def test_a_receipt_needs_an_agreement_too(self, world):
        receipt = world.receipt(world.message(), "delivered")
        register = world.register(without=(world.agreement,))
        assert code(world, receipt, me=POLICE, register=register) == ("agreement-unknown", True)


def test_a_mistake_of_ours_rejects_the_record_and_stops_nothing(world, monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("a mistake of ours")

    record = world.message()
    monkeypatch.setattr(judging.Opener, "unseal", broken)
    assert code(world, record) == ("record-unprocessable", False)
    monkeypatch.setattr(judging.Verifier, "prove", broken)
    found = judge(world).prove(record)
    assert (found.code, found.proof) == ("record-unprocessable", Proof.NOTHING)


@pytest.mark.parametrize("outcome_", [Unavailable("made-up"), Fatal("made-up"), MemoryError()])
def test_what_is_not_the_records_fault_is_not_its_refusal(world, monkeypatch, outcome_):
    def raises(*args):
        raise outcome_

    monkeypatch.setattr(judging.Verifier, "prove", raises)
    with pytest.raises(type(outcome_)):
        judge(world).prove(world.message())


def test_what_was_sealed_to_a_revoked_key_is_opened(world):
    """Its sender had not heard of it; who has the stolen key has read it already."""
    key = OpenKey.generate()
    identity = world.offices[KREIS].identity
    register = world.register(
        world.certificate(KREIS, key.public, KeyUse.SEAL),
        (topics.keys(KREIS), issue.revoke_key(identity, KREIS, key.kid, "verloren", NOW)),
    )
    keys = {key.kid: key}
    judge = Judge(KREIS, register, keys, lambda *_: None, NOW)
    proven = judge.prove(world.message(seal_to=(key.public,)))
    assert isinstance(judge.open(proven), Message)
