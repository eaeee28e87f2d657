"""A service's log is set aside while it runs, by the service itself, and no line is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

from meldeweg.kernel import logfile

# Four threads, and what writes to both descriptors without our logging, as a library in C does.
CHATTER = """
import itertools, logging, os, sys, threading
from meldeweg.kernel import logfile, logs
logfile.LIMIT = int(sys.argv[1])
logs.allow(nth=int)
logs.configure(service="x", strict=True)

def chat(start, count):
    for nth in range(start, start + count):
        logs.get().info("said", nth=nth)
        if nth % 50 == 0:
            os.write(1 + nth // 50 % 2, b'{"raw":%d}\\n' % nth)

count = int(sys.argv[2])
threads = [threading.Thread(target=chat, args=(n * count, count)) for n in range(4)]
[each.start() for each in threads]
[each.join() for each in threads]
"""


def start(path, limit, count, *, named=True, script=CHATTER):
    path.touch()
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": "services"}
    with path.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", script, str(limit), str(count)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=env | ({logfile.VARIABLE: str(path)} if named else {}),
        )


def lines(*paths):
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_no_line_is_lost_or_torn_when_a_running_log_is_set_aside(tmp_path):
    path = tmp_path / "x.jsonl"
    assert start(path, 30_000, 150).wait(60) == 0  # 600 lines of some 70 bytes: one turn
    written = lines(logfile.aside(path), path)
    assert sorted(each["nth"] for each in written if "nth" in each) == list(range(600))
    assert sorted(each["raw"] for each in written if "raw" in each) == list(range(0, 600, 50))


def test_a_log_of_a_service_that_runs_for_weeks_is_bounded(tmp_path):
    path = tmp_path / "x.jsonl"
    assert start(path, 100_000, 4000).wait(60) == 0
    assert {each.name for each in tmp_path.iterdir()} == {"x.jsonl", "x.jsonl.1"}
    for each in tmp_path.iterdir():
        assert each.stat().st_size < 200_000  # what others write while one turns goes on top
    assert path.stat().st_mode & 0o077 == 0
    newest = {each["nth"] for each in lines(logfile.aside(path), path) if "nth" in each}
    assert newest & {3999, 7999, 11999, 15999}


def test_killed_at_any_moment_it_leaves_whole_lines_and_the_next_start_goes_on(tmp_path):
    path = tmp_path / "x.jsonl"
    for pause in (0.001, 0.013, 0.037):
        logfile.aside(path).unlink(missing_ok=True)
        process = start(path, 5_000, 10_000_000)
        until = time.monotonic() + 30
        while not logfile.aside(path).exists() and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(path, 10**9, 1).wait(60) == 0
    assert {each.name for each in tmp_path.iterdir()} == {"x.jsonl", "x.jsonl.1"}
    assert lines(logfile.aside(path))
    assert {0, 1, 2, 3} <= {each["nth"] for each in lines(path) if "nth" in each}


@contextmanager
def stderr_at(tmp_path, monkeypatch):
    """Have descriptor 2 be a file (not in a fixture: pytest exchanges it before the test)."""
    path, kept = tmp_path / "x.jsonl", [os.dup(1), os.dup(2)]
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(file, 2)
    os.close(file)
    monkeypatch.setenv(logfile.VARIABLE, str(path))
    monkeypatch.setattr(logfile, "LIMIT", 10)

    def write(text):
        logfile.make_room()
        os.write(2, f"{text}\n".encode())

    try:
        yield path, write
    finally:
        for number, each in enumerate(kept, 1):
            os.dup2(each, number)
            os.close(each)


def test_a_turn_that_ended_halfway_is_ended_by_the_next_line(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with stderr_at(tmp_path, monkeypatch) as (path, write):
        write("first line of them")
        with monkeypatch.context() as broken:
            broken.setattr(os, "open", full)
            write("second")
        assert logfile.aside(path).read_text() == "first line of them\nsecond\n"
        write("third")
    assert path.read_text() == "third\n"
    assert logfile.aside(path).read_text() == "first line of them\nsecond\n"


def test_where_it_can_not_be_set_aside_the_lines_go_on(tmp_path, monkeypatch):
    with stderr_at(tmp_path, monkeypatch) as (path, write):
        logfile.aside(path).mkdir()
        for _ in range(3):
            write("a whole line")
    assert path.read_text() == "a whole line\n" * 3


def test_a_standard_error_that_is_another_file_is_not_touched(tmp_path, monkeypatch):
    other = tmp_path / "other.jsonl"
    other.write_text("of somebody else")
    with stderr_at(tmp_path, monkeypatch) as (path, write):
        monkeypatch.setenv(logfile.VARIABLE, str(other))
        for _ in range(3):
            write("a whole line")
    assert path.read_text() == "a whole line\n" * 3
    assert {each.name for each in tmp_path.iterdir()} == {"x.jsonl", "other.jsonl"}


def test_nothing_is_set_aside_where_nobody_named_a_file(tmp_path):
    path = tmp_path / "x.jsonl"
    assert start(path, 1_000, 100, named=False).wait(60) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["x.jsonl"]
