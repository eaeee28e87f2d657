"""Vectors of others for what seals: HPKE with our KEM, AES-256-GCM (tests/vectors/foreign/)."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from meldeweg.envelope import sealing
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.jwk import OpenKey

FOREIGN = Path(__file__).parents[2] / "vectors" / "foreign"
HPKE = json.loads((FOREIGN / "cryptography-vectors" / "hpke-pq.json").read_text())["cases"]
GCM = {
    source: json.loads((FOREIGN / source / "aes-256-gcm.json").read_text())["cases"]
    for source in ("wycheproof", "cryptography-vectors")
}
KDFS = {1: KDF.HKDF_SHA256, 17: KDF.SHAKE256}


def raw(text):
    return bytes.fromhex(text)


@pytest.mark.parametrize("case", HPKE, ids=lambda case: case["suite_id"])
def test_our_key_opens_what_others_sealed_with_the_hybrid(case):
    key = OpenKey(raw(case["skRm"]))
    assert key.public.public.hex() == case["pkRm"]
    suite = Suite(KEM.MLKEM768_X25519, KDFS[case["kdf_id"]], AEAD.CHACHA20_POLY1305)
    # The library's HPKE has no aad, as ours has none; key and nonce of the vector then do.
    aead, nonce, first = (
        ChaCha20Poly1305(raw(case["key"])),
        case["base_nonce"],
        case["encryptions"][0],
    )
    plaintext = raw(first["pt"])
    assert aead.encrypt(raw(nonce), plaintext, raw(first["aad"])).hex() == first["ct"]
    sealed = raw(case["enc"]) + aead.encrypt(raw(nonce), plaintext, None)
    assert suite.decrypt(sealed, key.hybrid, info=raw(case["info"])) == plaintext


@pytest.mark.parametrize(("source", "least"), [("wycheproof", 60), ("cryptography-vectors", 70)])
def test_aes_gcm(source, least):
    assert len(GCM[source]) > least
    assert {case["result"] for case in GCM[source]} == {"valid", "invalid"}
    for case in GCM[source]:
        parts = [raw(case[name]) for name in ("key", "iv", "ct", "tag", "aad")]
        cek, iv, ciphertext, tag, aad = parts
        if case["result"] == "valid":
            assert sealing.AESGCM(cek).encrypt(iv, raw(case["msg"]), aad) == ciphertext + tag
            assert sealing._decrypt(cek, iv, ciphertext, tag, aad).hex() == case["msg"], case
        else:
            with pytest.raises(Refused, match="envelope-unreadable"):
                sealing._decrypt(cek, iv, ciphertext, tag, aad)
