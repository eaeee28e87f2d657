"""Keys as JWK: well formed or refused, named by their thumbprint, and never shown."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwcrypto import jwk as oracle

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.jwk import OpenKey, SealKey, SignatureKey, SigningKey
from meldeweg.kernel.points import strong_ed25519, strong_x25519
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode

P = 2**255 - 19
SIGNING = SigningKey(b"\x01" * 32)
OPENING = OpenKey(b"\x02" * 32)
PRIVATE = [SIGNING, OPENING]
PUBLIC = [SIGNING.public, OPENING.public]


def _code(call) -> str:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize("kind", [SigningKey, OpenKey])
def test_a_generated_key_survives_its_jwk(kind):
    key = kind.generate()
    again = kind.from_jwk(key.private_jwk())
    assert again.private_jwk() == key.private_jwk()
    assert again.public == key.public
    assert type(key.public).from_jwk(key.public_jwk()) == key.public
    assert key.kid == key.public.kid == key.public_jwk()["kid"]
    assert kind.generate().kid != key.kid


def test_members_are_those_of_the_standards():
    assert SIGNING.public_jwk().keys() == {"kty", "crv", "x", "kid", "use", "alg"}
    assert OPENING.public_jwk().keys() == {"kty", "alg", "pub", "kid", "use"}
    assert SIGNING.private_jwk().keys() - SIGNING.public_jwk().keys() == {"d"}
    assert OPENING.private_jwk().keys() - OPENING.public_jwk().keys() == {"priv"}
    assert len(b64u_decode(OPENING.public_jwk()["pub"])) == 1216
    assert len(b64u_decode(OPENING.private_jwk()["priv"])) == 32


@pytest.mark.parametrize("key", PRIVATE, ids=repr)
def test_a_private_part_is_in_no_repr_and_no_public_jwk(key):
    secret = set(key.private_jwk().values()) - set(key.public_jwk().values())
    assert len(secret) == 1
    shown = f"{key!r} {key} {key.public!r} {key.public_jwk()} {vars(type(key))}"
    assert secret.pop() not in shown
    assert not hasattr(key, "__dict__")
    assert repr(key) == f"{type(key).__name__}({key.kid})"


@pytest.mark.parametrize("key", PRIVATE, ids=repr)
@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_private_key_is_not_copied_by_accident(key, way):
    with pytest.raises(TypeError):
        way(key)


@pytest.mark.parametrize("public", PUBLIC, ids=repr)
def test_optional_members_may_be_absent_but_not_wrong(public):
    kind, jwk = type(public), public.public_jwk()
    required = {"kty", "crv", "x"} if kind is SignatureKey else {"kty", "alg", "pub"}
    assert kind.from_jwk({name: jwk[name] for name in required}) == public
    for name in jwk:
        for wrong in ("", "x", 1, None, ["x"], {"x": "y"}, jwk[name] + "A"):
            assert _code(lambda wrong=wrong, name=name: kind.from_jwk(jwk | {name: wrong})) == (
                "key-malformed"
            )
        if name in required:
            fewer = {other: value for other, value in jwk.items() if other != name}
            assert _code(lambda fewer=fewer: kind.from_jwk(fewer)) == "key-malformed"


@pytest.mark.parametrize("public", PUBLIC, ids=repr)
@pytest.mark.parametrize("name", ["d", "priv", "x5c", "key_ops", "oth", ""])
def test_a_public_jwk_with_another_member_is_refused(public, name):
    jwk = public.public_jwk() | {name: "AAAA"}
    assert _code(lambda: type(public).from_jwk(jwk)) == "key-malformed"


def test_kinds_are_not_taken_for_one_another():
    for kind in (SignatureKey, SealKey, SigningKey, OpenKey):
        for key in PRIVATE:
            for jwk, fits in (
                (key.public_jwk(), type(key.public)),
                (key.private_jwk(), type(key)),
            ):
                if kind is not fits:
                    assert _code(lambda kind=kind, jwk=jwk: kind.from_jwk(jwk)) == "key-malformed"


@pytest.mark.parametrize("key", PRIVATE, ids=repr)
def test_a_private_part_that_is_not_the_public_ones_is_refused(key):
    other = type(key).generate()
    mixed = other.private_jwk() | key.public_jwk()
    assert _code(lambda: type(key).from_jwk(mixed)) == "key-malformed"


@pytest.mark.parametrize("key", PRIVATE, ids=repr)
def test_a_private_part_of_another_length_is_refused_and_not_shown(key):
    name = "d" if isinstance(key, SigningKey) else "priv"
    for length in (0, 31, 33, 64, 2400):
        text = b64u_encode(b"\x5a" * length)
        with pytest.raises(Refused) as caught:
            type(key).from_jwk(key.private_jwk() | {name: text})
        assert caught.value.code == "key-malformed"
        assert "Wlpa" not in repr(caught.value)
        assert _code(lambda length=length: type(key)(b"\x5a" * length)) == "key-malformed"


@pytest.mark.parametrize("length", [0, 31, 33, 1184, 1215, 1217])
def test_a_public_part_of_another_length_is_refused(length):
    assert _code(lambda: SignatureKey(b"\x05" * length)) == "key-malformed"
    assert _code(lambda: SealKey(b"\x05" * length)) == "key-malformed"


# Edwards arithmetic of RFC 8032, 5.1.4, written out: the oracle for what has small order
D = -121665 * pow(121666, -1, P) % P


def _add(a, b):
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def _x_of(y):
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    if root * root % P != square:
        root = root * pow(2, (P - 1) // 4, P) % P
    return root if root * root % P == square else None


def _eightfold(point):
    for _ in range(3):
        point = _add(point, point)
    return point


def _small_order_points():
    """8·P = neutral: take points, multiply by the prime order, keep what is left over."""
    order = 2**252 + 27742317777372353535851937790883648493
    found = set()
    for y in range(2, 40):
        x = _x_of(y)
        if x is None:
            continue
        rest, base, left = (0, 1), (x, y), order
        while left:
            if left & 1:
                rest = _add(rest, base)
            base = _add(base, base)
            left >>= 1
        found.add(rest)
    return {_add(a, b) for a in found for b in found}


SMALL = _small_order_points()


def test_the_oracle_finds_the_eight_points_of_small_order():
    assert len(SMALL) == 8
    assert {_eightfold(point) for point in SMALL} == {(0, 1)}


def test_no_point_of_small_order_is_a_signature_key_in_any_encoding():
    for _, y in SMALL:
        for encoded in (y, y + P):
            for sign in (0, 1):
                if encoded < 2**255:
                    raw = (encoded | sign << 255).to_bytes(32, "little")
                    assert not strong_ed25519(raw)
                    assert _code(lambda raw=raw: SignatureKey(raw)) == "key-malformed"


def test_no_point_of_small_order_is_a_key_to_seal_to():
    good = OPENING.public.public
    curve = {(1 + y) * pow(1 - y, -1, P) % P for _, y in SMALL if y != 1}
    for u in curve | {0, 1, P - 1}:
        for encoded in (u, u + P, u | 1 << 255):
            if encoded < 2**256:
                raw = encoded.to_bytes(32, "little")
                assert not strong_x25519(raw)
                assert _code(lambda raw=raw: SealKey(good[:1184] + raw)) == "key-malformed"


def test_half_of_all_y_are_on_the_curve_and_only_those_are_accepted():
    for y in range(2, 300):
        for sign in (0, 1):
            raw = (y | sign << 255).to_bytes(32, "little")
            assert strong_ed25519(raw) == (_x_of(y) is not None)


@given(st.binary(min_size=32, max_size=32))
def test_every_generated_key_is_accepted(secret):
    assert SigningKey(secret).public.kid
    assert strong_x25519(OpenKey(secret).public.public[1184:])


def test_an_ml_kem_key_with_a_coefficient_that_is_not_reduced_is_refused():
    good = OPENING.public.public
    for at in (0, 600, 1149):
        bad = bytearray(good)
        bad[at : at + 3] = b"\xff\xff\xff"  # two coefficients of 4095, q is 3329
        assert _code(lambda bad=bad: SealKey(bytes(bad))) == "key-malformed"


def test_keys_are_equal_by_their_public_bytes():
    assert SIGNING.public == SigningKey(b"\x01" * 32).public
    assert len({SIGNING.public, SigningKey(b"\x01" * 32).public, OPENING.public}) == 2
    assert SIGNING.public != OPENING.public


def test_jwcrypto_reads_our_keys_and_gives_the_same_thumbprint():
    assert oracle.JWK(**SIGNING.private_jwk()).thumbprint() == SIGNING.kid
    theirs = oracle.JWK.generate(kty="OKP", crv="Ed25519").export(as_dict=True)
    ours = SigningKey.from_jwk({name: theirs[name] for name in ("kty", "crv", "x", "d")})
    assert ours.kid == oracle.JWK(**theirs).thumbprint()


def test_a_wrong_signature_raises():
    signature = SIGNING.sign(b"x")
    SIGNING.public.verify(signature, b"x")
    for wrong, data in ((signature, b"y"), (bytes(64), b"x"), (signature[:63], b"x"), (b"", b"x")):
        assert _code(lambda w=wrong, d=data: SIGNING.public.verify(w, d)) == "signature-invalid"
