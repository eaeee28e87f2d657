"""The draft's own example for the suite, and ours for whoever writes a second implementation."""

import importlib.util
import json
from pathlib import Path

import pytest

from meldeweg.envelope import addressed_to, open_sealed, sealing
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.signing import Typ, parse, sign, verify
from meldeweg.kernel.strictjson import b64u_decode

FOLDER = Path(__file__).parents[2] / "vectors"
DRAFT = json.loads((FOLDER / "hpke-9-ke.json").read_text())
OURS = json.loads((FOLDER / "sealed.json").read_text())
RECIPIENT = OpenKey.from_jwk(OURS["keys"]["recipient"])
SECOND = OpenKey.from_jwk(OURS["keys"]["second"])
SIGNING = SigningKey.from_jwk(OURS["keys"]["signing"])
AAD = b64u_decode(OURS["aad"])
EXTRA = frozenset({"value_sha256", "value_size"})


def test_the_drafts_key_is_read_and_has_the_drafts_key_id():
    key = OpenKey.from_jwk(DRAFT["jwk"])
    assert key.kid == DRAFT["jwk"]["kid"]
    assert key.public_jwk()["pub"] == DRAFT["jwk"]["pub"]


def test_the_drafts_flattened_example_opens():
    jwe = DRAFT["flattened"]
    assert b64u_decode(jwe["aad"]).decode() == DRAFT["aad"]
    assert _opened(jwe, sealing._authenticated(jwe["protected"], jwe["aad"])) == DRAFT["plaintext"]


def test_the_drafts_compact_example_opens():
    names = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
    jwe = dict(zip(names, DRAFT["compact"].split("."), strict=True))
    assert _opened(jwe, jwe["protected"].encode()) == DRAFT["plaintext"]


def _opened(jwe: dict[str, str], authenticated: bytes) -> str:
    """The draft keeps ek in the protected header, we keep it per recipient; the rest is ours."""
    key = OpenKey.from_jwk(DRAFT["jwk"])
    header = json.loads(b64u_decode(jwe["protected"]))
    assert (header["alg"], header["enc"], header["kid"]) == ("HPKE-9-KE", sealing.ENC, key.kid)
    cek = sealing._unwrap(key, b64u_decode(header["ek"]), b64u_decode(jwe["encrypted_key"]))
    parts = [b64u_decode(jwe[name]) for name in ("iv", "ciphertext", "tag")]
    return sealing._decrypt(cek, *parts, authenticated).decode()


def test_the_info_is_the_drafts_recipient_structure():
    assert sealing._INFO.hex() == "4a4f53452d48504b452072637074ff4132353647434dff"


def test_the_drafts_example_is_no_envelope_of_ours():
    with pytest.raises(Refused) as caught:
        open_sealed(json.dumps(DRAFT["flattened"]).encode(), RECIPIENT, AAD)
    assert caught.value.code == "envelope-malformed"


def test_our_pinned_envelopes_open():
    one, two = (OURS["pinned"][name].encode() for name in ("one", "two"))
    assert addressed_to(one, AAD) == (RECIPIENT.kid,)
    assert addressed_to(two, AAD) == (RECIPIENT.kid, SECOND.kid)
    for jwe, key in ((one, RECIPIENT), (two, RECIPIENT), (two, SECOND)):
        assert open_sealed(jwe, key, AAD).decode() == OURS["plaintext"]


@pytest.mark.parametrize("case", OURS["refused"], ids=lambda case: case["name"])
def test_our_changed_envelopes_are_refused(case):
    with pytest.raises(Refused) as caught:
        open_sealed(case["jwe"].encode(), RECIPIENT, AAD)
    assert caught.value.code == case["code"]


def test_our_pinned_token_is_read_and_is_what_we_sign():
    jws = parse(OURS["token"], Typ.STATEMENT, extra=EXTRA)
    verify(jws, SIGNING.public)
    assert jws.payload.decode() == OURS["context"]
    extra = {name: jws.header[name] for name in EXTRA}
    assert sign(SIGNING, Typ.STATEMENT, jws.payload, **extra) == OURS["token"]


@pytest.mark.parametrize("case", OURS["refused_tokens"], ids=lambda case: case["name"])
def test_our_changed_tokens_are_refused(case):
    with pytest.raises(Refused) as caught:
        verify(parse(case["token"], Typ.STATEMENT, extra=EXTRA), SIGNING.public)
    assert caught.value.code == case["code"]


def test_the_committed_file_is_what_its_generator_writes():
    spec = importlib.util.spec_from_file_location("make_sealed", FOLDER / "make_sealed.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert generator.build(OURS["pinned"]) == OURS
    fresh = generator.build(generator.fresh())
    for case in fresh["refused"]:
        with pytest.raises(Refused) as caught:
            open_sealed(case["jwe"].encode(), RECIPIENT, AAD)
        assert caught.value.code == case["code"]
