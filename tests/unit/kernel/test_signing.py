"""Compact JWS: one token has one reading, and any change is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwcrypto import jwk as oracle_jwk
from jwcrypto import jws as oracle_jws

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.signing import HEADER_MAX, TOKEN_MAX, Typ, parse, sign, typ_of, verify
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps

KEY = SigningKey(b"\x07" * 32)
OTHER = SigningKey(b"\x08" * 32)
PAYLOAD = b'{"from":"polizei-viersen","v":1}'
EXTRA = frozenset({"value_sha256", "value_size"})
VALUES = {"value_sha256": "ab" * 32, "value_size": 4711}
TOKEN = sign(KEY, Typ.STATEMENT, PAYLOAD, **VALUES)
GOOD_HEADER = {"alg": "EdDSA", "kid": KEY.kid, "typ": Typ.STATEMENT.value} | VALUES


def _token(header: bytes, payload: bytes = PAYLOAD) -> str:
    """A token whose signature is right whatever the header says."""
    signing_input = f"{b64u_encode(header)}.{b64u_encode(payload)}"
    return f"{signing_input}.{b64u_encode(KEY.sign(signing_input.encode()))}"


def _code(token: str | bytes) -> str:
    with pytest.raises(Refused) as caught:
        verify(parse(token, Typ.STATEMENT, extra=EXTRA), KEY.public)
    return caught.value.code


def test_a_signed_token_is_read_as_it_was_signed():
    jws = parse(TOKEN, Typ.STATEMENT, extra=EXTRA)
    verify(jws, KEY.public)
    assert jws.payload == PAYLOAD
    assert jws.kid == KEY.kid
    assert dict(jws.header) == GOOD_HEADER
    assert parse(TOKEN.encode(), Typ.STATEMENT, extra=EXTRA) == jws
    with pytest.raises(TypeError):
        jws.header["alg"] = "none"


def test_the_header_is_compact_sorted_json_and_signing_is_deterministic():
    assert b64u_decode(TOKEN.split(".")[0]) == dumps(GOOD_HEADER)
    assert sign(KEY, Typ.STATEMENT, PAYLOAD, **VALUES) == TOKEN


@given(st.binary(max_size=2000), st.sampled_from(Typ))
def test_any_payload_of_any_kind_survives(payload, typ):
    jws = parse(sign(KEY, typ, payload), typ)
    verify(jws, KEY.public)
    assert jws.payload == payload


def test_every_change_of_one_bit_is_refused():
    for at in range(len(TOKEN)):
        for bit in range(8):
            changed = bytearray(TOKEN.encode())
            changed[at] ^= 1 << bit
            assert _code(bytes(changed)) in {
                "jws-malformed",
                "jws-typ-wrong",
                "jws-alg-refused",
                "signature-key-mismatch",
                "signature-invalid",
            }


def test_every_truncation_and_every_character_added_is_refused():
    for at in range(len(TOKEN)):
        assert _code(TOKEN[:at])
        assert _code(TOKEN[:at] + TOKEN[at + 1 :])
        for added in ("A", ".", "=", " ", "\n"):
            assert _code(TOKEN[:at] + added + TOKEN[at:])
    assert _code(TOKEN + "\n")
    assert _code(TOKEN + "=")


def test_a_signature_for_one_kind_never_passes_as_another():
    for signed in Typ:
        token = sign(KEY, signed, PAYLOAD)
        assert typ_of(token) is signed
        for expected in set(Typ) - {signed}:
            with pytest.raises(Refused) as caught:
                parse(token, expected)
            assert caught.value.code == "jws-typ-wrong"


def test_kinds_carry_a_version_and_none_is_used_twice():
    assert len({typ.value.lower() for typ in Typ}) == len(Typ)
    for typ in Typ:
        assert typ.value.startswith("meldeweg.")
        assert typ.value.endswith(".v1+jws")


@pytest.mark.parametrize("alg", ["none", "None", "", "HS256", "ES256", "Ed25519", "eddsa", 1])
def test_no_other_algorithm_is_taken_from_the_header(alg):
    assert _code(_token(dumps(GOOD_HEADER | {"alg": alg}))) == "jws-alg-refused"


@pytest.mark.parametrize(
    "more",
    [
        {"crit": ["exp"]},
        {"b64": False},
        {"jwk": KEY.public_jwk()},
        {"x5c": []},
        {"jku": "https://keys.example"},
        {"cty": "x"},
        {"": ""},
    ],
)
def test_a_header_member_that_is_not_expected_is_refused(more):
    assert _code(_token(dumps(GOOD_HEADER | more))) == "jws-malformed"


@pytest.mark.parametrize("name", sorted(GOOD_HEADER))
def test_a_header_member_that_is_missing_is_refused(name):
    header = {key: value for key, value in GOOD_HEADER.items() if key != name}
    assert _code(_token(dumps(header))) == "jws-malformed"


def test_an_extra_member_is_refused_where_it_is_not_expected():
    with pytest.raises(Refused) as caught:
        parse(TOKEN, Typ.STATEMENT)
    assert caught.value.code == "jws-malformed"


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b"",
        b"\xff",
        dumps(GOOD_HEADER)[:-1] + b',"alg":"EdDSA"}',
        dumps(GOOD_HEADER) + b" x",
        dumps(GOOD_HEADER | {"value_size": True}),
        dumps(GOOD_HEADER | {"value_size": 1.5}),
        dumps(GOOD_HEADER | {"value_size": None}),
        dumps(GOOD_HEADER | {"value_size": {}}),
        dumps(GOOD_HEADER | {"kid": 7}),
        dumps(GOOD_HEADER | {"kid": "x"}),
        dumps(GOOD_HEADER | {"kid": KEY.kid + "\n"}),
    ],
)
def test_a_header_that_is_not_well_formed_is_refused(header):
    assert _code(_token(header)) == "jws-malformed"
    with pytest.raises(Refused):
        verify(parse(_token(header), Typ.STATEMENT, extra=EXTRA), KEY.public)


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b", TOKEN + ".x", TOKEN.rsplit(".", 1)[0] + ".", "ä.b.c", b"\xff.\xff.\xff"],
)
def test_a_token_that_is_not_three_parts_of_base64url_is_refused(token):
    assert _code(token) == "jws-malformed"


def test_the_serializations_for_several_signatures_are_refused():
    general = oracle_jws.JWS(PAYLOAD)
    general.add_signature(oracle_jwk.JWK(**KEY.private_jwk()), protected=json.dumps(GOOD_HEADER))
    assert _code(general.serialize()) == "jws-malformed"


def test_sizes_are_bounded_before_anything_is_decoded():
    assert _code("A" * (TOKEN_MAX + 1)) == "jws-too-large"
    assert _code("A" * (HEADER_MAX + 1) + ".A.A") == "jws-too-large"
    with pytest.raises(Refused) as caught:
        sign(KEY, Typ.AGREEMENT_SIGNATURE, bytes(TOKEN_MAX))
    assert caught.value.code == "jws-too-large"


def test_a_key_with_another_id_is_not_even_tried():
    with pytest.raises(Refused) as caught:
        verify(parse(TOKEN, Typ.STATEMENT, extra=EXTRA), OTHER.public)
    assert caught.value.code == "signature-key-mismatch"


def test_a_signature_by_another_key_under_this_key_id_is_refused():
    signing_input = TOKEN.rsplit(".", 1)[0]
    forged = f"{signing_input}.{b64u_encode(OTHER.sign(signing_input.encode()))}"
    assert _code(forged) == "signature-invalid"


def test_the_second_form_of_an_ed25519_signature_is_refused():
    # S + L verifies where S is not checked to be reduced (RFC 8032, 8.4)
    order = 2**252 + 27742317777372353535851937790883648493
    signing_input, signature = TOKEN.rsplit(".", 1)
    raw = b64u_decode(signature)
    second = int.from_bytes(raw[32:], "little") + order
    assert second < 2**256
    forged = raw[:32] + second.to_bytes(32, "little")
    assert _code(f"{signing_input}.{b64u_encode(forged)}") == "signature-invalid"


@pytest.mark.parametrize("name", ["alg", "kid", "typ"])
def test_the_caller_cannot_set_what_the_library_decides(name):
    with pytest.raises((ValueError, TypeError)):
        sign(KEY, Typ.STATEMENT, PAYLOAD, **{name: "x"})


@pytest.mark.parametrize("value", [True, 1.5, None, [], {}])
def test_header_values_are_text_or_integers_when_signing_too(value):
    with pytest.raises(TypeError):
        sign(KEY, Typ.STATEMENT, PAYLOAD, value_size=value)


def test_a_parsed_token_does_not_show_its_payload():
    assert "polizei" not in repr(parse(TOKEN, Typ.STATEMENT, extra=EXTRA))


def test_an_unknown_kind_is_told_as_such():
    with pytest.raises(Refused) as caught:
        typ_of(_token(dumps(GOOD_HEADER | {"typ": "meldeweg.statement.v2+jws"})))
    assert caught.value.code == "jws-typ-wrong"
    with pytest.raises(Refused):
        typ_of(_token(dumps({"typ": 1})))


def test_jwcrypto_accepts_what_we_sign():
    token = oracle_jws.JWS()
    token.deserialize(TOKEN)
    token.allowed_algs = ["EdDSA"]
    token.verify(oracle_jwk.JWK(**KEY.public_jwk()))
    assert token.payload == PAYLOAD


def test_we_accept_what_jwcrypto_signs():
    token = oracle_jws.JWS(PAYLOAD)
    token.allowed_algs = ["EdDSA"]
    token.add_signature(oracle_jwk.JWK(**KEY.private_jwk()), protected=json.dumps(GOOD_HEADER))
    jws = parse(token.serialize(compact=True), Typ.STATEMENT, extra=EXTRA)
    verify(jws, KEY.public)
    assert jws.payload == PAYLOAD
