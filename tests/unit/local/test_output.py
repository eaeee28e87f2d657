import io
import json
import os
import time
from datetime import UTC, datetime

import pytest

from fulldisk import room
from meldeweg.kernel.clock import FixedClock
from meldeweg.local.output import LIMIT, Wrapper, as_json_line, last_lines

CLOCK = FixedClock(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))


def test_a_json_object_stays_byte_for_byte():
    line = b'{"event":"ready",  "n":1}\n'
    assert as_json_line(line, "broker-1", CLOCK) == line


@pytest.mark.parametrize(
    "line", [b"plain words\n", b"{not json}\n", b'["a list"]\n', b"\xff\xfe\n", b"", b'{"cut":']
)
def test_anything_else_is_wrapped_into_one_object(line):
    wrapped = json.loads(as_json_line(line, "postgres", CLOCK))
    assert wrapped["timestamp"] == "2026-11-22T12:00:00.000Z"
    assert wrapped["service"] == "postgres"
    assert wrapped["event"] == "output"
    assert "line" in wrapped


def test_no_log_grows_beyond_its_limit_and_one_generation_is_kept(tmp_path):
    line = b"x" * 60_000 + b"\n"
    count = 2 * LIMIT // len(line) + 100  # a bit more than twice the limit
    path = tmp_path / "broker-1.jsonl"
    Wrapper(io.BytesIO(line * count), path, "broker-1", CLOCK).run()
    assert {p.name for p in tmp_path.iterdir()} == {"broker-1.jsonl", "broker-1.jsonl.1"}
    assert all(0 < p.stat().st_size <= LIMIT for p in tmp_path.iterdir())
    for kept in tmp_path.iterdir():
        assert all(json.loads(entry)["line"] for entry in kept.read_text().splitlines())


def test_without_room_it_reads_on_and_says_how_many_lines_were_dropped(tmp_path):
    path, (out, into) = tmp_path / "broker-1.jsonl", os.pipe()
    wrapper = Wrapper(os.fdopen(out, "rb"), path, "broker-1", CLOCK)
    with os.fdopen(into, "wb", buffering=0) as process:
        wrapper.start()
        process.write(b"first\n")
        _until(lambda: path.exists() and path.stat().st_size)
        with room(path.stat().st_size + 10):  # also for the half of a line
            process.writelines([b"lost\n" * 100] * 100)  # more than a pipe holds: it is read
            _until(lambda: wrapper._dropped == 10_000)
        process.write(b"last\n")
    wrapper.join(10)
    lines = [json.loads(entry) for entry in path.read_text().splitlines()]
    assert [(e["event"], e.get("line") or e["count"]) for e in lines] == [
        ("output", "first"),
        ("output_dropped", 10_000),
        ("output", "last"),
    ]


def _until(done):
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_endless_line_is_cut_into_objects(tmp_path):
    path = tmp_path / "a.jsonl"
    Wrapper(io.BytesIO(b"y" * 200_000), path, "a", CLOCK).run()
    lines = [json.loads(entry)["line"] for entry in path.read_text().splitlines()]
    assert sum(map(len, lines)) == 200_000
    assert len(lines) > 1


def test_the_last_lines_of_a_log_are_found_and_of_none_there_are_none(tmp_path):
    path = tmp_path / "a.jsonl"
    assert last_lines(path) == ""
    path.write_text("".join(f"{n}\n" for n in range(10_000)))
    assert last_lines(path, 3) == "9997\n9998\n9999"
