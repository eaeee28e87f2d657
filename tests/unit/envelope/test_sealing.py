"""The envelope: opened by its recipients with its context, and by nobody and nothing else."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jwcrypto import jwe as oracle_jwe
from jwcrypto import jwk as oracle_jwk

from meldeweg.envelope import addressed_to, open_sealed, open_with, seal, sealing
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps

KEYS = [OpenKey(bytes([number]) * 32) for number in range(1, 11)]
ONE, TWO, THREE = KEYS[:3]
AAD = bytes(range(32))
MARKER = b"Erika Beispiel, 030 23125 000"
SEALED = seal(MARKER, [ONE.public], AAD)
SEALED_TWICE = seal(MARKER, [ONE.public, TWO.public], AAD)

CODES = {
    "envelope-malformed",
    "envelope-not-for-this-key",
    "envelope-unreadable",
    "envelope-aad-mismatch",
}


def _code(jwe: bytes, key: OpenKey = ONE, aad: bytes = AAD) -> str:
    with pytest.raises(Refused) as caught:
        open_sealed(jwe, key, aad)
    error: BaseException | None = caught.value
    while error is not None:
        assert b"Erika" not in repr((error, error.args, vars(error))).encode()
        error = error.__cause__ or error.__context__
    return caught.value.code


def _with(jwe: bytes = SEALED, **members) -> bytes:
    return dumps(json.loads(jwe) | members)


def _with_recipients(change) -> bytes:
    """The envelope for two, its list of recipients changed."""
    members = json.loads(SEALED_TWICE)
    members["recipients"] = change(members["recipients"])
    return dumps(members)


@settings(max_examples=40, deadline=None)
@given(
    st.binary(max_size=5000),
    st.integers(1, 8),
    st.binary(min_size=32, max_size=32),
)
def test_every_recipient_opens_what_was_sealed(plaintext, count, aad):
    jwe = seal(plaintext, [key.public for key in KEYS[:count]], aad)
    assert addressed_to(jwe, aad) == tuple(key.kid for key in KEYS[:count])
    for key in KEYS[:count]:
        assert open_sealed(jwe, key, aad) == plaintext
    assert _code(jwe, KEYS[count], aad) == "envelope-not-for-this-key"


def test_a_mebibyte_fits_and_what_does_not_fit_a_record_is_refused():
    plaintext = os.urandom(1024 * 1024)
    keys = [key.public for key in KEYS[:3]]
    assert open_sealed(seal(plaintext, keys, AAD), ONE, AAD) == plaintext
    with pytest.raises(Refused) as caught:
        seal(bytes(1_600_000), keys, AAD)
    assert caught.value.code == "envelope-too-large"
    assert _code(b" " * (sealing.ENVELOPE_MAX + 1)) == "envelope-too-large"


def test_the_bytes_are_compact_sorted_json_with_one_protected_header():
    members = json.loads(SEALED)
    assert dumps(members) == SEALED
    assert list(members) == ["aad", "ciphertext", "iv", "protected", "recipients", "tag"]
    assert b64u_decode(members["protected"]) == (
        b'{"alg":"HPKE-9-KE","enc":"A256GCM","typ":"meldeweg.sealed.v1+jwe"}'
    )
    assert b64u_decode(members["aad"]) == AAD
    (recipient,) = members["recipients"]
    assert list(recipient) == ["encrypted_key", "header"]
    assert list(recipient["header"]) == ["ek", "kid"]
    assert recipient["header"]["kid"] == ONE.kid


def test_nothing_of_the_plaintext_and_no_randomness_is_ever_the_same():
    first, second = (json.loads(seal(MARKER, [ONE.public], AAD)) for _ in range(2))
    assert first["iv"] != second["iv"]
    assert first["ciphertext"] != second["ciphertext"]
    assert first["recipients"][0]["header"]["ek"] != second["recipients"][0]["header"]["ek"]
    assert MARKER not in SEALED
    assert b64u_encode(MARKER)[:20].encode() not in SEALED


def test_every_change_of_one_bit_is_refused():
    seen = set()
    for at in range(len(SEALED)):
        for bit in range(8):
            changed = bytearray(SEALED)
            changed[at] ^= 1 << bit
            seen.add(_code(bytes(changed)))
    assert seen == CODES


def test_every_truncation_and_every_byte_left_out_is_refused():
    for at in range(len(SEALED)):
        assert _code(SEALED[:at]) == "envelope-malformed"
        assert _code(SEALED[:at] + SEALED[at + 1 :]) in CODES


def test_a_change_never_yields_another_plaintext_even_in_anothers_entry():
    # What belongs to another recipient is covered by the statement's digest, not by the envelope.
    for at in range(0, len(SEALED_TWICE), 3):
        changed = bytearray(SEALED_TWICE)
        changed[at] ^= 1
        try:
            assert open_sealed(bytes(changed), ONE, AAD) == MARKER
        except Refused as refused:
            assert refused.code in CODES  # noqa: PT017 - either outcome keeps the promise


def test_another_context_is_refused_though_the_content_is_the_same():
    other = bytes(32)
    assert _code(SEALED, aad=other) == "envelope-aad-mismatch"
    # and writing the expected context into the envelope does not help
    assert _code(_with(aad=b64u_encode(other)), aad=other) == "envelope-unreadable"


@pytest.mark.parametrize("name", ["ciphertext", "iv", "tag", "recipients"])
def test_parts_of_two_envelopes_cannot_be_recombined(name):
    other = json.loads(seal(b"x" * len(MARKER), [ONE.public], AAD))
    assert _code(_with(**{name: other[name]})) == "envelope-unreadable"


def test_an_entry_under_another_key_id_is_unreadable():
    def swapped(recipients):
        first, second = recipients
        first["header"]["kid"], second["header"]["kid"] = TWO.kid, ONE.kid
        return recipients

    assert _code(_with_recipients(swapped)) == "envelope-unreadable"
    assert _code(_with_recipients(swapped), TWO) == "envelope-unreadable"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda r: r[1:], "envelope-not-for-this-key"),
        (lambda r: [], "envelope-malformed"),
        (lambda r: {}, "envelope-malformed"),
        (lambda r: r[0], "envelope-malformed"),
        (lambda r: None, "envelope-malformed"),
        (lambda r: [r[0], None], "envelope-malformed"),
        (lambda r: [r[0], r[0]], "envelope-malformed"),
        (lambda r: r * 5, "envelope-malformed"),
        (lambda r: [r[0] | {"more": 1}, r[1]], "envelope-malformed"),
        (lambda r: [r[0], {"header": r[1]["header"]}], "envelope-malformed"),
        (lambda r: [r[0], {"encrypted_key": r[1]["encrypted_key"]}], "envelope-malformed"),
        (lambda r: [r[0], r[1] | {"header": []}], "envelope-malformed"),
        (lambda r: [r[0], r[1] | {"header": r[1]["header"] | {"alg": "x"}}], "envelope-malformed"),
        (lambda r: [r[0], r[1] | {"header": r[1]["header"] | {"kid": 1}}], "envelope-malformed"),
        (lambda r: [r[0], r[1] | {"header": r[1]["header"] | {"kid": "x"}}], "envelope-malformed"),
        (lambda r: [r[0], r[1] | {"header": r[1]["header"] | {"ek": "AA"}}], "envelope-malformed"),
        (lambda r: [r[0], r[1] | {"encrypted_key": "AA"}], "envelope-malformed"),
        (lambda r: [r[0], r[1] | {"encrypted_key": ""}], "envelope-malformed"),
    ],
)
def test_recipients_are_parsed_strictly_every_one_of_them(change, code):
    assert _code(_with_recipients(change)) == code


def test_nine_recipients_are_too_many_to_seal_and_to_open():
    with pytest.raises(Refused) as caught:
        seal(MARKER, [key.public for key in KEYS[:9]], AAD)
    assert caught.value.code == "envelope-recipients"
    eight = json.loads(seal(MARKER, [key.public for key in KEYS[:8]], AAD))
    ninth = json.loads(seal(MARKER, [KEYS[8].public], AAD))
    eight["recipients"] += ninth["recipients"]
    assert _code(dumps(eight)) == "envelope-malformed"


def test_nobody_to_seal_to_is_refused_and_a_shared_key_gets_one_entry():
    with pytest.raises(Refused) as caught:
        seal(MARKER, [], AAD)
    assert caught.value.code == "envelope-recipients"
    assert addressed_to(seal(MARKER, [ONE.public, TWO.public, ONE.public], AAD), AAD) == (
        ONE.kid,
        TWO.kid,
    )


@pytest.mark.parametrize("length", [0, 31, 33])
def test_the_context_digest_has_32_bytes_on_both_sides(length):
    with pytest.raises(ValueError, match="SHA-256"):
        seal(MARKER, [ONE.public], bytes(length))
    assert _code(_with(aad=b64u_encode(bytes(length)))) == "envelope-malformed"
    assert _code(SEALED, aad=bytes(length)) == "envelope-aad-mismatch"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HPKE-9-KE", "enc": "A128GCM", "typ": sealing.TYP},
        {"alg": "HPKE-10-KE", "enc": "A256GCM", "typ": sealing.TYP},
        {"alg": "HPKE-3-KE", "enc": "A256GCM", "typ": sealing.TYP},
        {"alg": "dir", "enc": "A256GCM", "typ": sealing.TYP},
        {"alg": "HPKE-9-KE", "enc": "A256GCM", "typ": "meldeweg.sealed.v2+jwe"},
        {"alg": "HPKE-9-KE", "enc": "A256GCM"},
        {"alg": "HPKE-9-KE", "enc": "A256GCM", "typ": sealing.TYP, "zip": "DEF"},
        {"alg": "HPKE-9-KE", "enc": "A256GCM", "typ": sealing.TYP, "crit": ["x"], "x": 1},
        {},
    ],
)
def test_no_other_suite_header_or_version_is_read_even_when_sealed_with_it(header, monkeypatch):
    monkeypatch.setattr(sealing, "_PROTECTED", b64u_encode(dumps(header)))
    jwe = seal(MARKER, [ONE.public], AAD)
    monkeypatch.undo()
    assert _code(jwe) == "envelope-malformed"


@pytest.mark.parametrize("name", ["unprotected", "header", "encrypted_key", "epk", ""])
def test_a_member_that_is_not_expected_is_refused(name):
    assert _code(_with(**{name: "AA"})) == "envelope-malformed"


@pytest.mark.parametrize("name", ["aad", "ciphertext", "iv", "protected", "recipients", "tag"])
def test_a_member_that_is_missing_or_no_text_is_refused(name):
    members = json.loads(SEALED)
    for wrong in (None, 1, [], {}, "=", "AA==", members[name] + " " if name != "recipients" else 0):
        assert _code(_with(**{name: wrong})) == "envelope-malformed"
    del members[name]
    assert _code(dumps(members)) == "envelope-malformed"


@pytest.mark.parametrize("name", ["iv", "tag"])
def test_a_shortened_tag_or_nonce_is_refused_before_it_is_used(name):
    members = json.loads(SEALED)
    shorter = b64u_encode(b64u_decode(members[name])[:-1])
    assert _code(_with(**{name: shorter})) == "envelope-malformed"


def test_a_second_tag_in_the_document_is_refused():
    assert _code(SEALED[:-1] + b',"tag":"AAAAAAAAAAAAAAAAAAAAAA"}') == "envelope-malformed"


@pytest.mark.parametrize("jwe", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_envelope_is_refused(jwe):
    assert _code(jwe) == "envelope-malformed"
    with pytest.raises(Refused) as caught:
        addressed_to(jwe, AAD)
    assert caught.value.code == "envelope-malformed"


@pytest.mark.parametrize("u", [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18])
def test_an_ephemeral_point_of_small_order_is_unreadable(u):
    def weak(recipients):
        header = recipients[0]["header"]
        ek = b64u_decode(header["ek"])[:-32] + u.to_bytes(32, "little")
        header["ek"] = b64u_encode(ek)
        return recipients

    assert _code(_with_recipients(weak)) == "envelope-unreadable"


def test_wrong_key_wrong_ciphertext_and_wrong_tag_look_the_same():
    members = json.loads(SEALED)
    entry = members["recipients"][0]
    wrapped = b64u_encode(bytes(48))
    refusals = []
    for jwe in (
        _with(ciphertext=b64u_encode(bytes(len(MARKER)))),
        _with(tag=b64u_encode(bytes(16))),
        _with(recipients=[entry | {"encrypted_key": wrapped}]),
        _with(recipients=[entry | {"header": entry["header"] | {"ek": b64u_encode(bytes(1120))}}]),
    ):
        with pytest.raises(Refused) as caught:
            open_sealed(jwe, ONE, AAD)
        refusals.append((caught.value.code, caught.value.detail, str(caught.value)))
    assert set(refusals) == {("envelope-unreadable", "", "envelope-unreadable")}


def test_a_content_key_of_another_length_is_unreadable(monkeypatch):
    wrapped = sealing._SUITE.encrypt(bytes(16), ONE.public.hybrid, info=sealing._INFO)
    with pytest.raises(Refused) as caught:
        sealing._unwrap(ONE, wrapped[: sealing._EK_BYTES], wrapped[sealing._EK_BYTES :])
    assert caught.value.code == "envelope-unreadable"


def test_the_content_is_encrypted_as_rfc_7516_says_with_jwcrypto_as_oracle():
    cek, iv, protected = bytes(range(32)), bytes(12), b64u_encode(b'{"alg":"dir","enc":"A256GCM"}')
    key = oracle_jwk.JWK(kty="oct", k=b64u_encode(cek))
    authenticated = sealing._authenticated(protected, b64u_encode(AAD))
    ciphertext, tag = sealing._encrypt(cek, iv, MARKER, authenticated)
    ours = {
        "protected": protected,
        "aad": b64u_encode(AAD),
        "iv": b64u_encode(iv),
        "ciphertext": b64u_encode(ciphertext),
        "tag": b64u_encode(tag),
    }
    opened = oracle_jwe.JWE()
    opened.deserialize(json.dumps(ours), key)
    assert opened.payload == MARKER

    made = oracle_jwe.JWE(MARKER, b64u_decode(protected).decode(), aad=AAD)
    made.add_recipient(key)
    theirs = json.loads(made.serialize())
    assert b64u_decode(theirs["aad"]) == AAD
    parts = [b64u_decode(theirs[name]) for name in ("iv", "ciphertext", "tag")]
    authenticated = sealing._authenticated(theirs["protected"], theirs["aad"])
    assert sealing._decrypt(cek, *parts, authenticated) == MARKER


def test_a_decoded_envelope_does_not_show_its_ciphertext():
    assert "ciphertext" not in repr(sealing._parse(SEALED))


def test_the_key_that_fits_is_chosen_among_several():
    keys = {key.kid: key for key in (OpenKey.generate() for _ in range(3))}
    wanted = list(keys.values())[1]
    aad = bytes(32)
    envelope = seal(b"invented", [OpenKey.generate().public, wanted.public], aad)
    assert open_with(envelope, keys, aad) == b"invented"
    with pytest.raises(Refused) as refused:
        open_with(envelope, {kid: key for kid, key in keys.items() if key is not wanted}, aad)
    assert refused.value.code == "envelope-not-for-this-key"
    with pytest.raises(Refused) as refused:
        open_with(envelope, {}, aad)
    assert refused.value.code == "envelope-not-for-this-key"
