"""The second implementation and the audit log: the vectors, and a whole export of several tiles."""

import base64
import json
import random
import shutil
import zipfile
from pathlib import Path

import pytest

from check.test_spec_audit_log import export  # noqa: F401 - a fixture
from meldeweg.audit.lines import write_line
from meldeweg.audit.sources import open_source
from meldeweg.audit.verify import verify
from meldeweg.kernel import note
from meldeweg.kernel.leaf import genesis
from unit.audit.synthetic import (
    EVENTS,
    OFFICE,
    POLICE,
    TO_OFFICE,
    TO_POLICE,
    Log,
    given_up,
    heartbeat,
    message,
    topic_id,
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


def scribble(log, draw, range_of_numbers):
    numbers = [n for n in range_of_numbers if draw.random() < 0.8]
    draw.shuffle(numbers)
    for n in numbers + draw.sample(range_of_numbers, 3):
        what = draw.random()
        if what < 0.6:
            log.add(TO_OFFICE, message(n))
        elif what < 0.8:
            log.add(EVENTS, heartbeat([(OFFICE, n)]))
        elif what < 0.9:
            log.add(f"events.{OFFICE}", heartbeat([], [(POLICE, n)], agency=OFFICE))
        else:
            log.add(EVENTS, given_up(OFFICE, n))


@pytest.mark.parametrize("year", [1, 2])
def test_both_say_the_same_of_numbers_in_many_small_logs(second, tmp_path, year):
    """Messages in any order, repeated and left out; heartbeats; numbers that were given up."""
    draw = random.Random(year)
    for nth in range(40):
        log = Log() if year == 1 else Log(year=2027, previous=b"p" * 32)
        scribble(log, draw, range(1, 9))
        root = log.write(tmp_path / str(nth))
        with open_source(str(root)) as source:
            ours = verify(source, vkeys=[log.signer.verifier().vkey()])
        theirs = second.ask("export", Dir=str(root), Vkeys=[log.signer.verifier().vkey()])
        assert theirs["ok"] is ours.ok, (nth, ours, theirs)


def old_year():
    log = Log("audit.example/log/2026")
    log.messages(20)
    log.messages(5, TO_POLICE, OFFICE, POLICE)
    log.add(EVENTS, heartbeat([(OFFICE, 22)]))  # numbered, and on its way into the new year
    return log


def new_year(old):
    log = old.next_year()
    log.messages(10)
    for _ in range(3):
        log.add(EVENTS, heartbeat([(OFFICE, 30)], [(OFFICE, 5)]))
    return log


def signed(log):
    return note.sign(log.head().text(), log.signer)


def fine(old, new):
    """Nothing is wrong."""


def another_end(old, new):
    old.messages(1)  # it was longer when the new log began


def left_out(old, new):
    new.add(TO_POLICE, message(7, OFFICE, POLICE), offset=6)


def comes_again(old, new):
    new.add(TO_POLICE, message(5, OFFICE, POLICE), offset=4)


def not_from_0(old, new):
    new.add("events.zentrum-musterstadt", None, offset=3)


def number_left_out(old, new):
    new.add(TO_POLICE, message(7, OFFICE, POLICE))


def renamed(old, new):
    entry = old.where.index((TO_POLICE, topic_id(TO_POLICE), 0))
    _, known, _ = old.where[entry]
    new.add("inbox.a.b", None, offset=5)
    leaf = bytearray(new.leaves[-1])
    new.leaves[-1] = bytes(leaf).replace(topic_id("inbox.a.b"), known)
    said = json.loads(new.lines[-1]) | {"leaf": b64(new.leaves[-1])}
    new.lines[-1] = json.dumps(said, separators=(",", ":")).encode()
    new.where[-1] = ("inbox.a.b", known, 5)


def not_the_year_after(old, new):
    new.year, first = 2028, genesis(new.origin, 2028, new.previous).encode()
    new.leaves[0], new.lines[0] = first, write_line(0, first, None, None)


def broken_itself(old, new):
    old.lines[3] = old.lines[4]


# What is changed → in which log, and in which step, the first thing is wrong; what Meldeweg says.
TURNS = {
    fine: (None, None, set()),
    another_end: ("new", 9, {"genesis-commits-to-another"}),
    left_out: ("new", 9, {"record-omitted", "number-missing"}),
    comes_again: ("new", 9, {"record-omitted"}),
    not_from_0: ("new", 9, {"record-omitted"}),
    number_left_out: ("new", 6, {"number-missing"}),
    renamed: ("new", 9, {"topic-renamed"}),
    not_the_year_after: ("new", 9, {"year-not-before"}),
    broken_itself: ("old", 3, set()),
}


@pytest.mark.parametrize("change", TURNS, ids=lambda each: each.__name__)
def test_both_say_the_same_of_a_log_that_goes_on_from_the_year_before(second, tmp_path, change):
    old = old_year()
    new = new_year(old)
    change(old, new)
    places = [log.write(tmp_path / str(log.origin[-4:])) for log in (old, new)]
    vkeys = [log.signer.verifier().vkey() for log in (old, new)]
    with open_source(str(places[1])) as source, open_source(str(places[0])) as before:
        ours = verify(source, vkeys=vkeys, before=before)
    theirs = second.ask("export", Dir=str(places[1]), Before=str(places[0]), Vkeys=vkeys)
    where, step, said = TURNS[change]
    assert (theirs["ok"], ours.ok) == (where is None, where is None), (theirs, ours)
    assert theirs["each"][0]["ok"] is ours.before.ok is (where != "old")
    if where == "new":
        assert theirs["step"] == step, theirs
        assert {each.code for each in ours.broken + ours.missing} >= said
        told = {each["what"].split(" ")[0] for each in theirs["findings"] if not each.get("notice")}
        assert told >= said
    elif where == "old":
        assert theirs["each"][0]["step"] == step
    # Without the year before most of it can't be seen.
    if where == "new" and change not in (renamed, number_left_out):
        alone = second.ask("export", Dir=str(places[1]), Vkeys=vkeys[1:])
        with open_source(str(places[1])) as source:
            assert alone["ok"] is verify(source, vkeys=vkeys[1:]).ok


def test_it_holds_a_checkpoint_of_the_year_before_against_that_log_or_leaf_0(second, tmp_path):
    old = old_year()
    earlier, fork = signed(old), Log("audit.example/log/2026")
    old.messages(2)
    new = new_year(old)
    fork.messages(3, TO_POLICE, OFFICE, POLICE)
    places = [log.write(tmp_path / str(log.origin[-4:])) for log in (old, new)]
    vkeys = [log.signer.verifier().vkey() for log in (old, new)]
    for seen, before, ok in (
        (earlier, places[0], True),
        (signed(old), places[0], True),
        (signed(fork), places[0], False),
        (signed(old), None, True),
        (earlier, None, False),
    ):
        given = {"Before": str(before)} if before else {}
        said = second.ask("export", Dir=str(places[1]), Vkeys=vkeys, Seen=[seen.decode()], **given)
        assert (said["ok"], said.get("step")) == (ok, None if ok else 7), (seen, said)
        with open_source(str(places[1])) as source, open_source(str(places[0])) as old_source:
            ours = verify(
                source, vkeys=vkeys, earlier=[seen], before=old_source if before else None
            )
        assert ours.ok is ok


@pytest.mark.parametrize("first", [True, False])
def test_both_count_over_two_years_as_over_one(second, tmp_path, first):
    """Whether the older log is the first of all, or has itself one before it that is not there."""
    draw, results = random.Random(first), set()
    for nth in range(60):
        old = Log("audit.example/log/2026", 2026, bytes(32) if first else b"p" * 32)
        scribble(old, draw, range(1, 6))
        new = old.next_year()
        scribble(new, draw, range(4, 10))
        places = [log.write(tmp_path / f"{nth}-{log.year}") for log in (old, new)]
        vkeys = [log.signer.verifier().vkey() for log in (old, new)]
        with open_source(str(places[1])) as source, open_source(str(places[0])) as before:
            ours = verify(source, vkeys=vkeys, before=before)
        theirs = second.ask("export", Dir=str(places[1]), Before=str(places[0]), Vkeys=vkeys)
        assert theirs["ok"] is ours.ok, (nth, ours, theirs)
        results.add(ours.ok)
    assert results == {True, False}
