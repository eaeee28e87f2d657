import json
from datetime import UTC, datetime

from fulldisk import room
from meldeweg.kernel import logfile
from meldeweg.kernel.clock import FixedClock
from meldeweg.local.journal import Journal

CLOCK = FixedClock(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))


def test_the_supervisors_own_log_is_set_aside_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(logfile, "LIMIT", 1000)
    journal = Journal(tmp_path, CLOCK)
    for n in range(100):
        journal.write("process_restarted", process="audit", attempt=n)
    path = tmp_path / "supervisor.jsonl"
    kept = [logfile.aside(path), path]
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert all(each.stat().st_size < 1200 for each in kept)
    numbers = [
        json.loads(line)["attempt"] for each in kept for line in each.read_text().splitlines()
    ]
    assert numbers == list(range(numbers[0], 100))


def test_a_line_that_finds_no_room_is_lost_whole_and_raises_nothing(tmp_path):
    journal, path = Journal(tmp_path, CLOCK), tmp_path / "supervisor.jsonl"
    journal.write("process_started", process="audit")
    with room(path.stat().st_size + 10):
        journal.write("process_ended", process="audit")
    journal.write("process_restarted", process="audit")
    events = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    assert events == ["process_started", "process_restarted"]
