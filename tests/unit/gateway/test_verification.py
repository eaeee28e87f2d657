"""Steps 1 to 5: each way in which a record is wrong has its code, and how far its proof went."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from meldeweg.gateway.verification import Proof, Proven, Rejected, Verifier
from meldeweg.kernel import signing, strictjson, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.ids import new_message_id
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyStatus, KeyUse
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE, SETUP, STRANGER


def prove(world, record, register=None, now=NOW, me=KREIS):
    return Verifier(me, register or world.register(), now).prove(record)


def refusal(world, record, **given):
    found = prove(world, record, **given)
    assert isinstance(found, Rejected)
    return found.code, found.early, found.proof


def with_header(record, name, value):
    return replace(
        record, headers=tuple((key, value if key == name else old) for key, old in record.headers)
    )


def with_token(record, token):
    return with_header(record, "statement", token)


def retold(world, record, **changes):
    """Sign the record's statement again, with other words in its context."""
    told = statements.parse(record.header("statement"))
    members = strictjson.loads(told.context_bytes)
    for path, value in changes.items():
        if value is ...:
            members.pop(path)
        else:
            members[path] = value
    context = strictjson.dumps(members)
    context = json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()
    token = statements.sign(context, record.value, world.offices[POLICE].signing)
    return with_token(record, token)


def raw_token(world, header, payload, key=None):
    """A token with any header at all, signed all the same."""
    key = key or world.offices[POLICE].signing
    signed = f"{strictjson.b64u_encode(strictjson.dumps(header))}.{strictjson.b64u_encode(payload)}"
    return f"{signed}.{strictjson.b64u_encode(key.sign(signed.encode()))}".encode()


def test_an_honest_message_is_proven(world):
    record = world.message()
    found = prove(world, record)
    assert isinstance(found, Proven)
    assert found.context.sender == POLICE
    assert found.digest == statements.parse(record.header("statement")).digest


def test_an_honest_receipt_is_proven(world):
    receipt = world.receipt(world.message(), "delivered")
    assert isinstance(prove(world, receipt, me=POLICE), Proven)


class TestStep1:
    """Parse strictly."""

    @pytest.mark.parametrize("value", [None, b"", b"a.b.c", b"\xff\xfe", b"{}", b"." * 3])
    def test_a_statement_that_is_none_proves_nothing(self, world, value):
        record = with_header(world.message(), "statement", value)
        code, early, proof = refusal(world, record)
        assert code in {"header-malformed", "jws-malformed"}
        assert (early, proof) == (False, Proof.NOTHING)

    def test_no_statement_at_all(self, world):
        record = world.message()
        assert refusal(world, replace(record, headers=()))[0] == "header-malformed"
        assert refusal(world, replace(record, headers=record.headers[1:]))[0] == "header-malformed"

    def test_two_statements_have_no_one_reading(self, world):
        record = world.message()
        twice = replace(record, headers=(record.headers[0], *record.headers))
        assert refusal(world, twice)[0] == "header-malformed"

    def test_an_oversize_statement_is_not_even_parsed(self, world):
        record = with_header(world.message(), "statement", b"a" * 16_385)
        assert refusal(world, record)[0] == "jws-too-large"

    @pytest.mark.parametrize("alg", ["none", "None", "HS256", "ES256", "ML-DSA-65"])
    def test_another_algorithm_is_refused_also_none(self, world, alg):
        record = world.message()
        told = statements.parse(record.header("statement"))
        token = raw_token(world, dict(told.jws.header) | {"alg": alg}, told.context_bytes)
        assert refusal(world, with_token(record, token))[0] == "jws-alg-refused"

    def test_alg_none_without_signature_is_refused(self, world):
        record = world.message()
        told = statements.parse(record.header("statement"))
        header = strictjson.dumps(dict(told.jws.header) | {"alg": "none"})
        payload = strictjson.b64u_encode(told.context_bytes)
        token = f"{strictjson.b64u_encode(header)}.{payload}.".encode()
        assert refusal(world, with_token(record, token))[0] in {"jws-alg-refused", "jws-malformed"}

    @pytest.mark.parametrize("typ", [typ for typ in signing.Typ if typ != signing.Typ.STATEMENT])
    def test_another_kind_of_signed_object_is_no_statement(self, world, typ):
        record = world.message()
        told = statements.parse(record.header("statement"))
        token = raw_token(world, dict(told.jws.header) | {"typ": typ.value}, told.context_bytes)
        assert refusal(world, with_token(record, token))[0] == "jws-typ-wrong"

    @pytest.mark.parametrize("extra", ["crit", "jwk", "jku", "x5c", "b64", "cty", "zip"])
    def test_a_header_that_chooses_for_us_is_refused(self, world, extra):
        record = world.message()
        told = statements.parse(record.header("statement"))
        token = raw_token(world, dict(told.jws.header) | {extra: "x"}, told.context_bytes)
        assert refusal(world, with_token(record, token))[0] == "jws-malformed"

    @pytest.mark.parametrize(
        "changes",
        [
            {"v": 2},
            {"v": "1"},
            {"id": "not-an-id"},
            {"id": None},
            {"kind": "part"},
            {"from": ...},
            {"from": "Polizei Viersen"},
            {"from": "jugendamt-kreis-viersen"},  # from and to are the same
            {"to": None},
            {"created": "2026-11-22T18:19:43Z"},
            {"created": 1},
            {"urgency": ...},
            {"urgency": "panic"},
            {"ack_by": ...},
            {"exercise": "false"},
            {"exercise": 0},
            {"agreement": "ab"},
            {"seq": {"outbox": "ab" * 8, "n": 0}},
            {"seq": {"outbox": "ab" * 8, "n": 1, "m": 1}},
            {"seq": []},
            {"record_sha256": ...},
            {"delete_after": "2027-13-01"},
            {"delete_after": "2027-06-02"},
            {"delete_after": "0000-01-01"},
            {"delete_after": "٢٠٢٧-06-01"},
            {"surprise": 1},
            {"receipt": {}},
        ],
        ids=str,
    )
    def test_every_member_of_the_context_has_its_form(self, world, changes):
        record = retold(world, world.message(), **changes)
        assert refusal(world, record) == ("context-malformed", False, Proof.NOTHING)

    def test_a_context_has_one_written_form(self, world):
        record = world.message()
        told = statements.parse(record.header("statement"))
        for bent in (
            told.context_bytes.replace(b'"v":1', b'"v": 1'),
            told.context_bytes.replace(b'"v":1', b'"v":1,"v":1'),
            told.context_bytes + b" ",
            told.context_bytes.replace(b"polizei", b"\\u0070olizei"),
        ):
            token = statements.sign(bent, record.value, world.offices[POLICE].signing)
            assert refusal(world, with_token(record, token))[0] == "context-malformed"

    @pytest.mark.parametrize(
        ("name", "value"),
        [("value_sha256", "AB" * 32), ("value_sha256", 1), ("value_size", "1"), ("value_size", -1)],
    )
    def test_hash_and_size_of_the_value_have_their_form(self, world, name, value):
        record = world.message()
        told = statements.parse(record.header("statement"))
        token = raw_token(world, dict(told.jws.header) | {name: value}, told.context_bytes)
        assert refusal(world, with_token(record, token))[0] in {"jws-malformed", "digest-malformed"}


class TestStep2:
    """A signature by a key certified for this sender."""

    def test_a_stranger_who_signs_as_the_police_is_unknown_and_may_be_early(self, world):
        record = world.message(key=STRANGER)
        assert refusal(world, record) == ("signer-unknown", True, Proof.NOTHING)

    def test_a_strangers_signature_under_the_polices_key_id_is_wrong(self, world):
        record = world.message()
        told = statements.parse(record.header("statement"))
        forged = raw_token(world, dict(told.jws.header), told.context_bytes, STRANGER)
        assert refusal(world, with_token(record, forged)) == (
            "signature-invalid",
            False,
            Proof.NOTHING,
        )

    def test_another_agencys_key_does_not_sign_for_the_police(self, world):
        record = world.message(key=world.offices[NETTETAL].signing)
        assert refusal(world, record)[:2] == ("signer-unknown", True)

    def test_an_agency_that_is_not_enrolled_is_unknown_and_may_be_early(self, world):
        record = retold(world, world.message(), **{"from": "polizei-nirgendwo"})
        assert refusal(world, record)[:2] == ("agency-unknown", True)

    def test_a_certificate_that_comes_later_makes_it_good(self, world):
        record = world.message(key=STRANGER)
        certificate = world.certificate(POLICE, STRANGER.public, KeyUse.SIGN)
        assert isinstance(prove(world, record, world.register(certificate)), Proven)

    def test_an_expired_key_is_refused(self, world):
        end = issue.KEY_LIFE + issue.LONGEST_STAY
        record = world.message()
        assert refusal(world, record, now=SETUP + end + timedelta(days=2)) == (
            "key-expired",
            False,
            Proof.NOTHING,
        )

    def test_a_key_that_is_not_yet_valid_may_be_early(self, world):
        record = world.message(key=STRANGER)
        later = NOW + timedelta(days=3)
        register = world.register(world.certificate(POLICE, STRANGER.public, KeyUse.SIGN, at=later))
        assert refusal(world, record, register=register) == (
            "key-not-yet-valid",
            True,
            Proof.NOTHING,
        )

    def test_a_revoked_key_is_refused_whatever_it_signed_before(self, world):
        office = world.offices[POLICE]
        revoked = issue.revoke_key(office.identity, POLICE, office.signing.kid, "verloren", NOW)
        register = world.register((topics.keys(POLICE), revoked))
        assert refusal(world, world.message(), register=register) == (
            "key-revoked",
            False,
            Proof.NOTHING,
        )

    def test_a_key_certified_for_sealing_signs_nothing(self, world):
        record = world.message()
        told = statements.parse(record.header("statement"))
        kid = world.offices[POLICE].seal.kid
        token = raw_token(world, dict(told.jws.header) | {"kid": kid}, told.context_bytes)
        assert refusal(world, with_token(record, token))[0] == "key-use-wrong"

    def test_the_signature_covers_the_header_too(self, world):
        record = world.message()
        told = statements.parse(record.header("statement"))
        header = dict(told.jws.header) | {"value_size": told.value_size + 1}
        parts = record.header("statement").split(b".")
        bent = strictjson.b64u_encode(strictjson.dumps(header)).encode()
        assert refusal(world, with_token(record, b".".join([bent, *parts[1:]])))[0] == (
            "signature-invalid"
        )


class TestStep3:
    """Topic, key, from, to and headers agree."""

    def test_a_record_in_another_senders_topic_is_refused(self, world):
        record = replace(world.message(), topic=topics.inbox(KREIS, NETTETAL))
        assert refusal(world, record) == ("topic-contradicts", False, Proof.SIGNED)

    def test_a_message_for_another_agency_is_refused(self, world):
        record = world.message(recipient=NETTETAL)
        moved = replace(record, topic=topics.inbox(KREIS, POLICE))
        assert refusal(world, moved) == ("not-addressed-to-me", False, Proof.SIGNED)
        assert refusal(world, record)[0] == "not-addressed-to-me"

    @pytest.mark.parametrize("key", [None, b"", b"\xff", new_message_id().encode()])
    def test_the_records_key_is_the_id(self, world, key):
        record = replace(world.message(), key=key)
        assert refusal(world, record) == ("record-key-contradicts", False, Proof.SIGNED)

    @pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type"])
    @pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"x" * 10_000])
    def test_a_cloudevents_attribute_that_differs_is_refused(self, world, name, value):
        record = with_header(world.message(), name, value)
        assert refusal(world, record) == ("header-contradicts", False, Proof.SIGNED)

    @pytest.mark.parametrize(
        "header", [("traceparent", b"x"), ("ce_id", b"x"), ("\udcff\udcfe", b"x"), ("", None)]
    )
    def test_an_additional_header_is_refused_also_one_that_is_not_utf8(self, world, header):
        record = world.message()
        more = replace(record, headers=(*record.headers, header))
        assert refusal(world, more) == ("header-contradicts", False, Proof.SIGNED)

    def test_the_order_of_headers_means_nothing(self, world):
        record = world.message()
        assert isinstance(prove(world, replace(record, headers=record.headers[::-1])), Proven)

    def test_a_topic_that_is_no_inbox_is_refused(self, world):
        record = replace(world.message(), topic="inbox.x")
        assert refusal(world, record)[0] == "topic-malformed"


class TestStep4:
    """The value is the one that was signed."""

    @pytest.mark.parametrize("value", [None, b"", b"{}"])
    def test_another_value_is_refused(self, world, value):
        record = replace(world.message(), value=value)
        assert refusal(world, record) == ("value-mismatch", False, Proof.SIGNED)

    def test_the_statement_of_one_with_the_value_of_another_is_refused(self, world):
        one, other = world.message(), world.message()
        assert refusal(world, replace(one, value=other.value))[0] == "value-mismatch"

    def test_the_same_length_is_not_the_same_value(self, world):
        record = world.message()
        bent = replace(record, value=record.value[:-3] + b"AA}")
        assert refusal(world, bent)[0] == "value-mismatch"


class TestStandingAndStep5:
    """Suspended waits, revoked is for good; nothing is accepted past its term."""

    def status(self, world, status):
        return (
            topics.REGISTRY_AGENCIES,
            issue.change_status(world.anchor, POLICE, status, 1, "Probe", NOW),
        )

    def test_a_suspended_senders_record_waits(self, world):
        register = world.register(self.status(world, AgencyStatus.SUSPENDED))
        assert refusal(world, world.message(), register=register) == (
            "sender-suspended",
            True,
            Proof.AUTHENTIC,
        )

    def test_a_suspended_senders_record_waits_no_longer_than_anybody_may_hold_it(self, world):
        register = world.register(self.status(world, AgencyStatus.SUSPENDED))
        record = retold(world, world.message(), delete_after="2026-11-01")
        assert refusal(world, record, register=register)[:2] == ("past-delete-after", False)

    def test_a_revoked_senders_record_is_refused(self, world):
        register = world.register(self.status(world, AgencyStatus.REVOKED))
        assert refusal(world, world.message(), register=register) == (
            "sender-revoked",
            False,
            Proof.AUTHENTIC,
        )

    def test_what_should_be_deleted_by_now_is_refused(self, world):
        record = world.message(context_changes={"delete_after": "2026-12-01"})
        last = NOW.replace(month=11, day=30, hour=23)
        assert isinstance(prove(world, record, now=last), Proven)
        assert refusal(world, record, now=NOW.replace(month=12, day=1, hour=0, minute=0)) == (
            "past-delete-after",
            False,
            Proof.AUTHENTIC,
        )

    def test_a_clock_a_day_off_is_no_refusal(self, world):
        for off in (timedelta(days=1), timedelta(days=-1)):
            assert isinstance(prove(world, world.message(created=NOW + off)), Proven)


def test_a_refusal_holds_no_byte_of_the_record(world):
    marker = "Kleeblattgasse"
    record = world.message()
    record = with_header(record, "ce_source", marker.encode())
    told = retold(world, world.message(), surprise=marker)
    for bad in (record, told):
        found = prove(world, bad)
        assert marker not in repr(found)
        assert marker not in found.detail


def test_urgency_and_digest_are_known_only_once_the_signature_is_good(world):
    forged = prove(world, world.message(key=STRANGER))
    assert (forged.urgency, forged.digest) == (None, None)
    misplaced = prove(world, replace(world.message(), topic=topics.inbox(KREIS, NETTETAL)))
    assert misplaced.urgency is not None
    assert misplaced.digest is not None


def test_records_that_are_nothing_like_one_are_refused(world):
    for record in (
        Record("inbox.a.b", 0, 0, 0, None, None, ()),
        Record("inbox.a.b", 0, 0, 0, b"\0" * 100, b"\xff" * 100, (("\udcff", b"\xff"),)),
    ):
        assert isinstance(prove(world, record), Rejected)
