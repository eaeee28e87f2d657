"""tests/vectors/log.json: what we write, what we read, and what we refuse of the audit log."""

import base64
import json
from pathlib import Path

import pytest

from meldeweg.audit.sources import open_source
from meldeweg.audit.verify import verify
from meldeweg.kernel import merkle, note
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.leaf import parse_leaf
from meldeweg.kernel.manifest import parse_manifest
from meldeweg.kernel.tiles import decode_bundle
from vectors import make_log

LOG = json.loads((Path(__file__).parents[2] / "vectors" / "log.json").read_text())
EXPORT = LOG["export"]
CODES = {"not-yet-in-log", "number-given-up"}


def raw(text):
    return base64.b64decode(text, validate=True)


def put(files, root):
    """Write the files of the export; null is none."""
    for name, said in files.items():
        path = root / name
        path.unlink(missing_ok=True)
        if said is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw(said["b64"]) if isinstance(said, dict) else said.encode())
    return root


def report(root, earlier=()):
    with open_source(str(root)) as source:
        return verify(source, vkeys=[EXPORT["vkey"]], earlier=earlier)


def test_the_committed_file_is_what_its_generator_derives():
    assert make_log.build() == LOG


def test_what_is_no_leaf_is_refused():
    for leaf in LOG["leaves"]:
        parse_leaf(bytes.fromhex(leaf["leaf"]))
    for data in LOG["refused_leaves"].values():
        with pytest.raises(Refused, match="leaf-malformed"):
            parse_leaf(bytes.fromhex(data))


def test_what_is_no_bundle_is_refused():
    for case in LOG["refused_bundles"]:
        with pytest.raises(Refused, match="bundle-malformed"):
            decode_bundle(raw(case["bytes"]), case["width"])


def proves(case):
    """Whether our verifier takes the case of either kind of proof."""
    proof = [raw(each) for each in case["proof"]]
    try:
        if "leaf" in case:
            merkle.verify_inclusion(
                case["index"], case["size"], raw(case["leaf"]), proof, raw(case["root"])
            )
        else:
            merkle.verify_consistency(
                case["old"], case["size"], proof, raw(case["old_root"]), raw(case["root"])
            )
    except Refused:
        return False
    return True


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_bent_proofs_prove_nothing(kind):
    for case in LOG["proofs"][kind]:
        assert (case["name"], proves(case)) == (case["name"], case["ok"])


def test_notes_are_believed_or_refused_with_their_code():
    notes = LOG["notes"]
    verifier = note.parse_vkey(notes["vkey"])
    for data in notes["good"].values():
        parsed = note.parse(data.encode())
        note.verify(parsed, [verifier])
        assert parsed.text == notes["text"]
    for case in notes["refused"]:
        with pytest.raises(Refused) as caught:
            note.verify(note.parse(case["note"].encode()), [verifier])
        assert (case["name"], caught.value.code) == (case["name"], case["code"])
    for vkey in notes["refused_vkeys"].values():
        with pytest.raises(Refused, match="vkey-malformed"):
            note.parse_vkey(vkey)


@pytest.mark.parametrize(
    ("kind", "parse"), [("checkpoints", note.parse_checkpoint), ("manifests", parse_manifest)]
)
def test_texts_are_read_and_written_the_same_or_refused(kind, parse):
    for text in LOG[kind]["good"]:
        assert parse(text).text() == text
    for text in LOG[kind]["refused"].values():
        with pytest.raises(Refused, match=f"{kind[:-1]}-malformed"):
            parse(text)


def test_the_export_is_whole(tmp_path):
    found = report(put(EXPORT["files"], tmp_path), [EXPORT["extends"].encode()])
    assert (found.ok, found.size) == (True, EXPORT["size"])
    assert {each.code for each in found.notices} == CODES
    for fork in EXPORT["forked"]:
        assert not report(tmp_path, [fork.encode()]).ok


@pytest.mark.parametrize("change", EXPORT["changes"], ids=lambda case: case["name"])
def test_a_changed_export_is_found_out(change, tmp_path):
    put(EXPORT["files"], tmp_path)
    put(change["files"], tmp_path)
    assert not report(tmp_path).ok
