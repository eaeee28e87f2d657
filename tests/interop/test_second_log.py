"""The second implementation and the audit log: the vectors, and a whole export of several tiles."""

import base64
import json
import random
import shutil
import zipfile
from pathlib import Path

import pytest

from check.test_spec_audit_log import export  # noqa: F401 - a fixture
from meldeweg.audit.sources import open_source
from meldeweg.audit.verify import verify
from unit.audit.synthetic import (
    EVENTS,
    OFFICE,
    POLICE,
    TO_OFFICE,
    Log,
    given_up,
    heartbeat,
    message,
)
from unit.audit.test_log_vectors import put

LOG = json.loads((Path(__file__).parents[1] / "vectors" / "log.json").read_text())
WAY = json.loads((Path(__file__).parents[1] / "vectors" / "way.json").read_text())
EXPORT = LOG["export"]


def b64(data):
    return base64.b64encode(data).decode()


def hex64(text):
    return b64(bytes.fromhex(text))


def test_it_makes_the_same_leaves(second):
    for case in LOG["leaves"]:
        said = second.ask(
            "leaf",
            TopicID=hex64(case["topic_id"]),
            Offset=case["offset"],
            Key=case["key"],
            Headers=case["headers"],
            Value=case["value"],
        )
        assert (case["name"], said["bytes"]) == (case["name"], hex64(case["leaf"]))
        assert second.ask("read-leaf", Leaf=hex64(case["leaf"]))["ok"]
    for case in LOG["genesis"]:
        said = second.ask(
            "genesis", Origin=case["origin"], Year=case["year"], Previous=hex64(case["previous"])
        )
        assert said["bytes"] == hex64(case["leaf"])
    for name, data in LOG["refused_leaves"].items():
        said = second.ask("read-leaf", Leaf=hex64(data))
        assert (name, said.get("why")) == (name, "leaf-malformed")


def test_it_makes_the_leaves_and_the_root_of_the_way(second):
    expected = WAY["expected"]
    first = second.ask(
        "genesis", Origin=expected["origin"], Year=expected["year"], Previous=bytes(32)
    )
    leaves = [base64.b64decode(first["bytes"])]
    for record in WAY["records"]:
        if record["topic"].startswith(("inbox.", "events.")):
            said = second.ask(
                "leaf",
                TopicID=hex64(record["topic_id"]),
                Offset=record["offset"],
                Key=record["key"].encode(),
                Headers=[[name.encode(), value.encode()] for name, value in record["headers"]],
                Value=record["value"].encode(),
            )
            assert said["bytes"] == hex64(record["leaf"])
            leaves.append(base64.b64decode(said["bytes"]))
    hashes = [base64.b64decode(second.ask("leaf-hash", Leaf=leaf)["bytes"]) for leaf in leaves]
    assert second.ask("root", Proof=hashes)["bytes"] == hex64(expected["root"])


def test_it_names_tiles_alike_and_refuses_broken_bundles(second):
    for case in LOG["tiles"]:
        level = "entries" if case["path"].startswith("tile/entries") else str(case["level"])
        said = second.ask("tile", Level=level, Number=case["index"], Width=case["width"])
        assert said["text"] == case["path"]
    for case in LOG["refused_bundles"]:
        said = second.ask("bundle", Value=case["bytes"], Width=case["width"])
        assert said.get("why") == "bundle-malformed"


def proves(judge, case):
    if "leaf" in case:
        said = judge.ask(
            "inclusion",
            Index=case["index"],
            Size=case["size"],
            Leaf=case["leaf"],
            Proof=case["proof"],
        )
        return said["ok"] and said["bytes"] == case["root"]
    said = judge.ask(
        "consistency",
        Old=case["old"],
        Size=case["size"],
        OldRoot=case["old_root"],
        Proof=case["proof"],
    )
    return said["ok"] and (said["bytes"], said["other"]) == (case["old_root"], case["root"])


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_it_believes_no_bent_proof(second, kind):
    for case in LOG["proofs"][kind]:
        assert (case["name"], proves(second, case)) == (case["name"], case["ok"])


def test_it_takes_no_hash_of_another_length(second):
    """Joined, the two are the same bytes, so the root would be right."""
    good = [case for case in LOG["proofs"]["inclusion"] if case["ok"] and case["proof"]]
    assert good
    for case in good:
        leaf, first = base64.b64decode(case["leaf"]), base64.b64decode(case["proof"][0])
        is_left = case["index"] % 2 == 0 and case["index"] + 1 < case["size"]
        moved = (leaf + first[:1], first[1:]) if is_left else (first[-1:] + leaf, first[:-1])
        other, sibling = (base64.b64encode(each).decode() for each in moved)
        bent = case | {"leaf": other, "proof": [sibling, *case["proof"][1:]]}
        assert not proves(second, bent), case["name"]


def test_it_reads_notes_checkpoints_and_manifests_alike(second):
    notes = LOG["notes"]
    for data in notes["good"].values():
        said = second.ask("note", Text=data, Vkeys=[notes["vkey"]])
        assert (said["ok"], said["text"]) == (True, notes["text"])
    for case in notes["refused"]:
        said = second.ask("note", Text=case["note"], Vkeys=[notes["vkey"]])
        assert (case["name"], said.get("why")) == (case["name"], case["code"])
    good = notes["good"]["one signature"]
    for name, vkey in notes["refused_vkeys"].items():
        said = second.ask("note", Text=good, Vkeys=[vkey])
        assert (name, said.get("why")) == (name, "vkey-malformed")
    for kind in ("checkpoint", "manifest"):
        for text in LOG[kind + "s"]["good"]:
            assert second.ask(kind, Text=text)["ok"]
        for name, text in LOG[kind + "s"]["refused"].items():
            said = second.ask(kind, Text=text)
            assert (name, said.get("why")) == (name, f"{kind}-malformed")


def verified(judge, root, **given):
    return judge.ask("export", Dir=str(root), Vkeys=[EXPORT["vkey"]], **given)


def test_it_verifies_the_export_and_what_it_extends(second, tmp_path):
    put(EXPORT["files"], tmp_path)
    said = verified(second, tmp_path, Seen=[EXPORT["extends"]])
    assert (said["ok"], said["size"]) == (True, EXPORT["size"])
    assert {each["what"].split(" ")[0] for each in said["findings"]} == {
        "not-yet-in-log",
        "number-erased",
        "number-given-up",
    }
    for fork in EXPORT["forked"]:
        said = verified(second, tmp_path, Seen=[fork])
        assert (said["ok"], said["step"]) == (False, 7)


@pytest.mark.parametrize("change", EXPORT["changes"], ids=lambda case: case["name"])
def test_it_finds_a_changed_export_in_the_same_step(second, change, tmp_path):
    put(EXPORT["files"], tmp_path)
    put(change["files"], tmp_path)
    said = verified(second, tmp_path)
    assert (said["ok"], said["step"]) == (False, change["step"]), said["findings"]


def test_it_verifies_a_log_of_several_tiles_as_directory_and_as_zip(second, export, tmp_path):  # noqa: F811
    vkey = (export / "vkey").read_text().removesuffix("\n")
    said = second.ask("export", Dir=str(export), Vkeys=[vkey])
    assert (said["ok"], said["size"]) == (True, 606)
    archive = tmp_path / "log.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in export.rglob("*"):
            if path.is_file():
                packed.write(path, path.relative_to(export))
    said = second.ask("export", Dir=str(archive))
    assert (said["ok"], said["size"]) == (True, 606)
    assert said["findings"][0]["what"] == "key-from-export"


def test_it_follows_no_name_out_of_the_export(second, export, tmp_path):  # noqa: F811
    place = tmp_path / "log"
    place.mkdir()
    shutil.copy(export / "vkey", place / "vkey")
    (place / "checkpoint").symlink_to(export / "checkpoint")
    said = second.ask("export", Dir=str(place), Vkeys=[(export / "vkey").read_text().strip()])
    assert (said["ok"], said["why"]) == (False, "checkpoint-unreadable")


@pytest.mark.parametrize("year", [1, 2])
def test_both_say_the_same_of_numbers_in_many_small_logs(second, tmp_path, year):
    """Messages in any order, repeated and left out; heartbeats; numbers that were given up."""
    draw = random.Random(year)
    for nth in range(40):
        log = Log() if year == 1 else Log(year=2027, previous=b"p" * 32)
        numbers = [n for n in range(1, 9) if draw.random() < 0.8]
        draw.shuffle(numbers)
        for n in numbers + draw.sample(range(1, 9), 3):
            what = draw.random()
            if what < 0.6:
                log.add(TO_OFFICE, message(n))
            elif what < 0.8:
                log.add(EVENTS, heartbeat([(OFFICE, n)]))
            elif what < 0.9:
                log.add(f"events.{OFFICE}", heartbeat([], [(POLICE, n)], agency=OFFICE))
            else:
                log.add(EVENTS, given_up(OFFICE, n))
        root = log.write(tmp_path / str(nth))
        with open_source(str(root)) as source:
            ours = verify(source, vkeys=[log.signer.verifier().vkey()])
        theirs = second.ask("export", Dir=str(root), Vkeys=[log.signer.verifier().vkey()])
        assert theirs["ok"] is ours.ok, (nth, ours, theirs)
