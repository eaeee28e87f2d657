"""An export's files: zipped, strange, endless or no export at all, and no harm done."""

import os
import random
import shutil
import time
import zipfile

import pytest

from meldeweg.audit.export import export
from meldeweg.audit.sources import Url, open_source
from meldeweg.kernel.errors import Refused, Unavailable
from unit.audit.offline import check, codes, zipped
from unit.audit.synthetic import EVENTS, OFFICE, SIGNER, TO_OFFICE, Log, given_up, message


@pytest.mark.parametrize("prefix", ["", "audit-2026/"])
def test_a_zip_is_verified_without_unpacking_it(whole, tmp_path, prefix):
    before = set(tmp_path.iterdir())
    made = zipped(whole, tmp_path / "log.zip", prefix)
    assert check(made).ok
    assert set(tmp_path.iterdir()) - before == {made}


def test_every_broken_byte_of_a_zip_is_refused_or_without_effect(whole, tmp_path):
    made = zipped(whole, tmp_path / "log.zip")
    data, rng = made.read_bytes(), random.Random(2)
    for _ in range(150):
        at = rng.randrange(len(data))
        made.write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])
        try:
            report = check(made)
        except Refused:
            continue  # no longer a zip file, or one without a checkpoint
        # Dates and attributes are not the log's; what it gives is whole, or named.
        assert report.ok or report.broken
    made.write_bytes(data[: len(data) // 2])
    with pytest.raises(Refused, match="zip-malformed"):
        check(made)


def test_a_zip_with_names_that_leave_it_or_stand_twice_is_harmless(whole, tmp_path):
    made = zipped(whole, tmp_path / "log.zip")
    with zipfile.ZipFile(made, "a") as file:
        file.writestr("../../outside", b"x")
        file.writestr("/etc/outside", b"x")
    assert check(made).ok
    with zipfile.ZipFile(made, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("checkpoint", b"x")
    with pytest.raises(Refused, match="zip-malformed"):
        check(made)


STRANGERS = [
    "notes.txt",
    "leaves.jsonl.old",
    "tile/0/005",
    "tile/0/000.p/3",
    "tile/entries/x001/000",
]


def test_a_file_that_is_no_part_of_the_log_is_told_and_breaks_nothing(out, tmp_path):
    for name in STRANGERS:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"x")
    (out / "linked").symlink_to("/etc/passwd")
    (out / "tile" / "elsewhere").symlink_to("/etc")
    os.mkfifo(os.fsencode(out) + b"/tile/\xff")
    expected = {"linked", "tile/elsewhere", "tile/\\xff", *STRANGERS}
    no_files = {"tile/elsewhere", "tile/\\xff"}  # which a zip of it does not have
    for place, left_out in [(out, set()), (zipped(out, tmp_path / "x.zip"), no_files)]:
        report = check(place, vkeys=[SIGNER.verifier().vkey()])
        assert report.ok
        assert {each.code for each in report.notices} == {"file-unknown"}
        assert [each.where for each in report.notices] == sorted(expected - left_out)


def test_many_strange_files_leave_room_for_other_notices_and_are_counted(out):
    for number in range(1200):
        (out / f"strange-{number:04}").touch()
    report = check(out)
    assert report.ok
    told = [each for each in report.notices if each.code == "file-unknown"]
    assert [each.where for each in told[:100]] == [f"strange-{n:04}" for n in range(100)]
    assert [(each.where, each.detail[:9]) for each in told[100:]] == [("", "1100 more")]


def test_notices_of_other_kinds_do_not_crowd_out_a_strange_file(tmp_path, monkeypatch):
    log = Log()
    for number in (2, 4, 6):
        log.add(TO_OFFICE, message(number - 1))
        log.add(EVENTS, given_up(OFFICE, number))
    log.add(TO_OFFICE, message(7))
    log.write(tmp_path)
    (tmp_path / "strange").touch()
    monkeypatch.setattr("meldeweg.audit.report.FINDINGS_MAX", 2)
    report = check(tmp_path, vkeys=[SIGNER.verifier().vkey()])
    assert [each.code for each in report.notices] == ["file-unknown", "number-given-up"]


def test_a_zip_bomb_is_not_inflated(whole, out, tmp_path):
    for name in ("tile/0/000", "leaves.jsonl"):
        (out / name).write_bytes(bytes(200_000_000))
        report = check(zipped(out, tmp_path / "bomb.zip"))
        assert ("file-too-large" if name.startswith("tile") else "line-too-long") in {
            finding.code for finding in report.broken
        }
        shutil.copy(whole / name, out / name)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_its_reader_would_unpack_whole_is_refused_unread(whole, tmp_path, method):
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", method) as file:
        file.writestr("checkpoint", bytes(1_000_000))
        file.writestr("vkey", bytes(1_000_000))
    (found,) = check(bomb).broken
    assert (found.code, found.detail) == ("file-unreadable", "vkey is compressed in another way")


@pytest.mark.parametrize("name", ["leaves.jsonl", "checkpoint", "tile/0/000", "tile"])
def test_a_link_out_of_the_export_is_not_followed(whole, out, name):
    if (out / name).is_dir():
        shutil.rmtree(out / name)
    else:
        (out / name).unlink()
    (out / name).symlink_to(whole / name)
    assert "file-unreadable" in {found.code for found in check(out).broken}


def test_lines_that_no_entry_has_end_it(out):
    (out / "leaves.jsonl").write_bytes(b'{"index":0,\n' * 100_000)
    report = check(out)
    assert ("given-up", "leaves.jsonl, entry 1") in codes(report)
    assert report.count < 200


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(out):
    for name in ("leaves.jsonl", "tile/0/000"):
        (out / name).unlink()
        os.mkfifo(out / name)
    assert ("file-unreadable", "leaves.jsonl") in codes(check(out))


def test_what_is_no_export_is_refused(tmp_path):
    (tmp_path / "text").write_text("x")
    for place, code in [
        (tmp_path / "none", "export-missing"),
        (tmp_path / "text", "zip-malformed"),
    ]:
        with pytest.raises(Refused, match=code):
            check(place)
    report = check(tmp_path)
    assert [finding.code for finding in report.broken] == ["file-missing"]


@pytest.mark.parametrize("place", ["file/x", "file"])
def test_a_place_where_nothing_can_be_written_is_named(out, tmp_path, place):
    (tmp_path / "file").touch()
    with (
        open_source(str(out)) as source,
        pytest.raises(Refused, match=r"file-not-writable|export-exists") as refused,
    ):
        export(source, tmp_path / place)
    assert str(tmp_path) in refused.value.detail
    assert {each.name for each in tmp_path.iterdir()} == {"log", "file"}  # nothing half-written


def test_lines_that_drip_are_given_up(monkeypatch):
    """A server that sends a byte now and then, and no newline."""

    def drip(*_):
        for _ in range(200):
            time.sleep(0.01)
            yield b"x"

    monkeypatch.setattr("meldeweg.audit.sources._DEADLINE", 0.1)
    monkeypatch.setattr(Url, "_chunks", drip)
    with (
        open_source("http://localhost:1", year=2026) as source,
        pytest.raises(Unavailable, match="source-too-slow"),
    ):
        list(source.lines("leaves.jsonl"))


def test_what_a_reader_does_between_two_lines_is_not_the_sources_time(monkeypatch):
    """Manifests are read beside the leaves, one now and then."""
    monkeypatch.setattr("meldeweg.audit.sources._DEADLINE", 0.05)
    monkeypatch.setattr(Url, "_chunks", lambda *_: (b"x\n" for _ in range(10)))
    with open_source("http://localhost:1", year=2026) as source:
        for line in source.lines("manifests.jsonl"):
            assert line == b"x"
            time.sleep(0.02)
