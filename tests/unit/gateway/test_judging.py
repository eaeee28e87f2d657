"""Steps 7 and 8: what was sealed and committed to wrongly, each with its code."""

import pytest

from meldeweg.gateway import judging
from meldeweg.gateway.judging import Judge, Message
from meldeweg.gateway.verification import Proof
from meldeweg.kernel import statement as statements
from meldeweg.kernel import topics
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import KeyUse
from unit.gateway.judgement import code, judge, outcome, plaintext, resealed
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE

STRANGER = OpenKey.generate()


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
