"""The RFCs' own examples for signatures, keys and encodings."""

import json
from pathlib import Path

import pytest

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.jwk import SignatureKey, SigningKey, thumbprint
from meldeweg.kernel.signing import Typ, parse
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/jose.json").read_text())


@pytest.mark.parametrize("case", VECTORS["ed25519"]["cases"], ids=lambda case: case["message"])
def test_rfc_8032_signatures(case):
    key = SigningKey(bytes.fromhex(case["secret"]))
    message, signature = bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])
    assert key.public.public.hex() == case["public"]
    assert key.sign(message) == signature
    SignatureKey(bytes.fromhex(case["public"])).verify(signature, message)


def test_rfc_8037_key_thumbprint_and_signature():
    okp = VECTORS["okp"]
    key = SigningKey.from_jwk(okp["jwk"])
    assert key.kid == okp["thumbprint"]
    signing_input = f"{b64u_encode(okp['header'].encode())}.{b64u_encode(okp['payload'].encode())}"
    assert f"{signing_input}.{b64u_encode(key.sign(signing_input.encode()))}" == okp["jws"]
    key.public.verify(b64u_decode(okp["jws"].rsplit(".", 1)[1]), signing_input.encode())


def test_rfc_7515_base64url():
    octets, text = bytes(VECTORS["base64url"]["octets"]), VECTORS["base64url"]["text"]
    assert b64u_encode(octets) == text
    assert b64u_decode(text) == octets


def test_rfc_7638_thumbprint():
    assert thumbprint(**VECTORS["thumbprint"]["required"]) == VECTORS["thumbprint"]["kid"]


@pytest.mark.parametrize("token", VECTORS["refused"]["tokens"])
def test_tokens_of_the_rfcs_that_are_none_of_ours_are_refused(token):
    for typ in Typ:
        with pytest.raises(Refused) as caught:
            parse(token, typ)
        assert caught.value.code == "jws-malformed"
