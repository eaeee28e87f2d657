"""Vectors that nobody here wrote, through the code that we use (tests/vectors/foreign/)."""

import base64
import json
from importlib.metadata import version
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from meldeweg.kernel import merkle, note
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.jwk import SealKey, SignatureKey, SigningKey
from meldeweg.kernel.points import strong_x25519

FOREIGN = Path(__file__).parents[2] / "vectors" / "foreign"
ORDINARY_X25519 = X25519PrivateKey.from_private_bytes(b"x" * 32).public_key().public_bytes_raw()


def load(name):
    return json.loads((FOREIGN / name).read_text())


def raw(text):
    return bytes.fromhex(text)


def cases(name):
    return load(name)["cases"]


def accepted(judge):
    """Whether a call is let through; a refusal is ours, or the library's own ValueError."""
    try:
        judge()
    except (Refused, ValueError):
        return False
    return True


def test_each_source_is_named_with_its_licence():
    for folder in FOREIGN.iterdir():
        assert (folder / "LICENSE").stat().st_size > 1000
        assert "Source: " in (folder / "README.md").read_text()


def test_the_vectors_are_those_of_the_library_we_use():
    said = load("cryptography-vectors/hpke-pq.json")["version"]
    assert said.split(".")[0] == version("cryptography").split(".")[0]


def test_wycheproof_ed25519():
    given = cases("wycheproof/ed25519.json")
    assert len(given) == 151
    for case in given:

        def verified(case=case):
            SignatureKey(raw(case["pk"])).verify(raw(case["sig"]), raw(case["msg"]))

        assert accepted(verified) is (case["result"] == "valid"), case["tcId"]


def test_wycheproof_x25519():
    """Non-canonical points, and those that give zero, are "acceptable" there; never to us."""
    weak = {"NonCanonicalPublic", "LowOrderPublic", "ZeroSharedSecret"}
    for case in cases("wycheproof/x25519.json"):
        public = raw(case["public"])
        assert strong_x25519(public) is weak.isdisjoint(case["flags"]), case["tcId"]
        if "ZeroSharedSecret" not in case["flags"]:
            key = X25519PrivateKey.from_private_bytes(raw(case["private"]))
            shared = key.exchange(X25519PublicKey.from_public_bytes(public))
            assert shared.hex() == case["shared"], case["tcId"]


def test_wycheproof_ml_kem():
    for case in cases("wycheproof/mlkem-768.json"):

        def shared(case=case):
            return MLKEM768PrivateKey.from_seed_bytes(raw(case["seed"])).decapsulate(raw(case["c"]))

        if case["result"] == "valid":
            assert shared().hex() == case["K"], case["tcId"]
        else:
            assert not accepted(shared), case["tcId"]


def test_wycheproof_ml_kem_keys_are_keys_to_seal_to_or_none():
    for case in cases("wycheproof/mlkem-768-encaps.json"):
        key = raw(case["ek"]) + ORDINARY_X25519
        assert accepted(lambda k=key: SealKey(k)) is (case["result"] == "valid"), case["tcId"]


def test_cryptographys_ed25519():
    for case in cases("cryptography-vectors/ed25519.json"):
        key = SigningKey(raw(case["seed"]))
        message, signature = raw(case["message"]), raw(case["signature"])
        assert key.public.public.hex() == case["public"]
        assert key.sign(message) == signature
        key.public.verify(signature, message)
        with pytest.raises(Refused, match="signature-invalid"):
            key.public.verify(signature, message + b"\0")


def test_cryptographys_x25519():
    for case in cases("cryptography-vectors/x25519.json"):
        key = X25519PrivateKey.from_private_bytes(raw(case["INPUT_SCALAR"]))
        shared = key.exchange(X25519PublicKey.from_public_bytes(raw(case["INPUT_U"])))
        assert shared.hex() == case["OUTPUT_U"]


def test_cryptographys_ml_kem():
    for case in cases("cryptography-vectors/mlkem-768.json"):
        key = MLKEM768PrivateKey.from_seed_bytes(raw(case["d"]) + raw(case["z"]))
        assert key.public_key().public_bytes_raw().hex() == case["pk"]
        assert key.decapsulate(raw(case["ct"])).hex() == case["ss"]
        assert key.decapsulate(raw(case["ct_n"])).hex() == case["ss_n"]


def test_the_go_checksum_databases_notes():
    given = load("golang-mod/sumdb.json")
    verifier = note.parse_vkey(given["vkey"])

    def opened(text):
        parsed = note.parse(text.encode())
        note.verify(parsed, [verifier])
        return parsed.text

    for text in given["opens"]:
        assert opened(text) == given["text"]
    for kind, code in (
        ("unverified", "note-unsigned"),
        ("invalid_signature", "note-signature-invalid"),
        ("malformed", "note-malformed"),
    ):
        for text in given[kind]:
            with pytest.raises(Refused, match=code):
                opened(text)
    for vkey in given["bad_vkeys"]:
        with pytest.raises(Refused, match="vkey-malformed"):
            note.parse_vkey(vkey)


def test_no_part_of_the_go_checksum_databases_key_is_a_key():
    vkey = load("golang-mod/sumdb.json")["vkey"]
    parts = {vkey[i:j] for i in range(len(vkey)) for j in range(i + 1, len(vkey) + 1)} - {vkey}
    bumped = {vkey[:i] + chr(ord(vkey[i]) + 1) + vkey[i + 1 :] for i in range(len(vkey))}
    assert not [each for each in parts | bumped if accepted(lambda e=each: note.parse_vkey(e))]


def test_the_go_checksum_databases_trees():
    given = load("golang-mod/sumdb.json")
    record = given["record"]
    assert merkle.leaf_hash(record["text"].encode()) == base64.b64decode(record["hash"])
    tree = note.parse_checkpoint(given["tree"])
    assert (tree.size, tree.root) == (123456789012, base64.b64decode(record["hash"]))
    for text in given["bad_trees"]:
        assert not accepted(lambda t=text: note.parse_checkpoint(t))


def test_transparency_devs_proofs():
    given = load("transparency-dev-merkle/proofs.json")
    hashes = [merkle.leaf_hash(raw(leaf)) for leaf in given["leaves"]]
    roots = [raw(root) for root in given["roots"]]
    assert [merkle.root_of(hashes[: n + 1]) for n in range(8)] == roots
    for n, case in enumerate(given["inclusion"]):
        proof = [raw(each) for each in case["proof"]]
        index, size = case["leaf"] - 1, case["size"]
        made = index, size, hashes[index], proof, roots[size - 1]
        assert accepted(lambda m=made: merkle.verify_inclusion(*m)) is (n > 0)
    for case in given["consistency"]:
        proof = [raw(each) for each in case["proof"]]
        old, new = case["size1"], case["size2"]
        merkle.verify_consistency(old, new, proof, roots[old - 1], roots[new - 1])


def test_transparency_devs_checkpoints():
    root = base64.b64encode(bytes(32)).decode()
    for case in cases("transparency-dev-formats/checkpoints.json"):
        # Two of their roots have not 32 bytes, which we refuse; put one of ours in its place.
        text = case["text"].replace("YmFuYW5hcw==", root)
        text = text.replace("dGhlIHZpZXcgZnJvbSB0aGUgdHJlZSB0b3BzIGlzIGdyZWF0IQ==", root)
        # Ours have no extension lines (docs/spec/audit-log.md, § 6); empty ones count as such.
        wanted = not case["wantErr"] and text.count("\n") == 3
        assert accepted(lambda t=text: note.parse_checkpoint(t)) is wanted, case["desc"]
        if not case["wantErr"]:
            assert not accepted(lambda t=case["text"]: note.parse_checkpoint(t))
