"""The supervisor, on small real processes."""

import os
import signal
import threading
import time
from dataclasses import replace

import psutil
import pytest

from fulldisk import room
from integration.local.plans import eventually, spec
from integration.local.supervising import Running, alive, events
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.local import roster
from meldeweg.local.keeper import Keeper
from meldeweg.local.processes import Child, Held, ProcessSpec


def test_a_stage_starts_only_when_the_one_before_is_ready(directory, port):
    with Running(directory) as it:
        it.supervisor.start_stage([spec("first", port("first"), "late", 1.5)])
        began = time.monotonic()
        took = it.supervisor.start_stage([spec("second", port("second"))])
        assert took["second"] <= time.monotonic() - began  # of its own stage, not of all
    order = [e for e in events(directory) if e["event"] == "process_started"]
    assert [e["process"] for e in order] == ["first", "second"]
    first, second = (from_rfc3339(e["timestamp"]) for e in order)
    assert (second - first).total_seconds() >= 1.5


def test_all_of_a_stage_stop_before_those_they_need(directory, port):
    with Running(directory) as it:
        it.supervisor.start_stage([spec("needed", port("needed"))])
        it.supervisor.start_stage([spec("needing", port("needing"))])
    order = [e["process"] for e in events(directory) if e["event"] == "process_stopped"]
    assert order == ["needing", "needed"]


def test_sigterm_is_passed_on_and_waited_for(directory, port):
    with Running(directory) as it:
        it.supervisor.start_stage([spec("service", port("service"))])
    # Once: a second signal would cut a service short that is still draining.
    assert [e["event"] for e in events(directory, "service")] == ["started", "stopping"]
    last = events(directory)[-1]
    assert (last["event"], last["code"]) == ("process_stopped", 0)


def test_one_that_does_not_stop_is_killed_with_all_it_started(directory, port, tmp_path):
    family = tmp_path / "family"
    with Running(directory) as it:
        it.supervisor.start_stage(
            [spec("stubborn", port("s"), "stubborn", "family", family, stop_timeout=0.5)]
        )
        pids = [int(pid) for pid in family.read_text().split()]
        assert all(alive(pid) for pid in pids)
    assert [pid for pid in pids if alive(pid)] == []


def test_what_a_process_started_has_ended_when_it_is_stopped_also_if_it_dies_slowly(
    directory, port, tmp_path, monkeypatch
):
    """On a busy machine a killed process runs on for a moment."""
    kill, family, keeper = psutil.Process.kill, tmp_path / "family", Keeper(grace=0.5)
    later = lambda process: threading.Timer(0.5, kill, (process,)).start()  # noqa: E731 - patched in
    child = Child(
        spec("stubborn", port("s"), "stubborn", "family", family, stop_timeout=0.5),
        directory / "logs",
        keeper,
    )
    try:
        child.wait_ready()
        head, plain, _ = (int(pid) for pid in family.read_text().split())
        monkeypatch.setattr(psutil.Process, "kill", later)
        child.stop()
        assert not alive(head)
        assert not alive(plain)
    finally:
        keeper.close()


def test_one_that_ends_is_started_again_and_its_new_pid_is_told(directory, port):
    with Running(directory) as it:
        it.supervisor.start_stage([spec("service", port("service"))])
        it.supervisor.tend()
        before = it.supervisor.pids["service"]
        os.kill(before, signal.SIGKILL)
        after = eventually(lambda: (p := it.supervisor.pids["service"]) != before and p)
        eventually(lambda: it.changes == 1)
        assert [e.pid for e in roster.read(directory).children] == [after]
        eventually(lambda: events(directory, "service")[-1]["pid"] == after)
    assert not alive(after)


def test_on_a_full_disk_one_that_ends_is_started_again_and_told_of_once_there_is_room(directory):
    sleep = ProcessSpec(name="service", argv=("sleep", "600"), ready=lambda: None)
    with Running(directory) as it:
        it.supervisor.start_stage([sleep])
        it.supervisor.tend()
        before = it.supervisor.pids["service"]
        with room(0):
            os.kill(before, signal.SIGKILL)
            after = eventually(lambda: (p := it.supervisor.pids["service"]) != before and p)
            time.sleep(0.5)  # some more looks: it goes on trying
            assert [e.pid for e in roster.read(directory).children] == [before]
        eventually(lambda: it.changes == 1)
        assert [e.pid for e in roster.read(directory).children] == [after]
        os.kill(after, signal.SIGKILL)
        eventually(lambda: it.supervisor.pids["service"] != after)


def test_what_is_started_again_is_looked_at_anew_and_not_started_while_it_is_refused(directory):
    looks = []

    def again():
        looks.append(time.monotonic())
        if len(looks) == 1:
            raise Fatal("broker-jar-changed", "a.jar")
        return ("sleep", "601")

    with Running(directory) as it:
        it.supervisor.start_stage(
            [ProcessSpec(name="b", argv=("sleep", "600"), ready=lambda: None, again=again)]
        )
        it.supervisor.tend()
        assert looks == []
        before = it.supervisor.pids["b"]
        os.kill(before, signal.SIGKILL)
        after = eventually(lambda: (p := it.supervisor.pids["b"]) != before and p)
        assert psutil.Process(after).cmdline() == ["sleep", "601"]
    refused = [e["why"] for e in events(directory) if e["event"] == "process_not_started"]
    assert refused == ["broker-jar-changed: a.jar"]
    assert len(looks) == 2


def test_restarts_of_one_that_keeps_ending_come_slower_and_slower(directory, port):
    with Running(directory) as it:
        target = spec("service", port("service"))
        it.supervisor.start_stage([target])
        it.supervisor.tend()
        for _ in range(3):
            pid = it.supervisor.pids["service"]
            os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: it.supervisor.pids["service"] != pid)
    said = events(directory)
    ended = [e for e in said if e["event"] == "process_ended"]
    restarted = [e for e in said if e["event"] == "process_restarted"]
    assert [e["again_in"] for e in ended] == [0.5, 1.0, 2.0]
    for before, after in zip(ended, restarted, strict=True):
        waited = from_rfc3339(after["timestamp"]) - from_rfc3339(before["timestamp"])
        assert waited.total_seconds() >= before["again_in"] - 0.01


def test_without_restart_one_that_ends_is_left_alone(directory, port):
    with Running(directory, restart=False) as it:
        it.supervisor.start_stage([spec("service", port("service"))])
        it.supervisor.tend()
        pid = it.supervisor.pids["service"]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: any(e["event"] == "process_ended" for e in events(directory)))
        time.sleep(1.5)
        assert it.supervisor.pids["service"] == pid
        assert it.changes == 0
    assert sum(e["event"] == "process_ended" for e in events(directory)) == 1


def test_one_that_ends_while_starting_is_named_with_its_last_words(directory, port):
    with Running(directory) as it, pytest.raises(Fatal) as failed:
        it.supervisor.start_stage([spec("broken", port("broken"), "crash")])
    assert failed.value.code == "process-ended"
    assert "broken: exit code 3" in failed.value.detail
    assert "not a line of JSON" in failed.value.detail


def test_one_that_never_gets_ready_is_named_with_what_is_missing(directory, port):
    with Running(directory) as it, pytest.raises(Unavailable) as failed:
        it.supervisor.start_stage([spec("slow", port("slow"), "late", 60, ready_timeout=1.0)])
    assert failed.value.code == "process-not-ready"
    assert "slow" in failed.value.detail
    assert "503" in failed.value.detail


def test_one_that_is_held_back_is_not_waited_for_but_tended(directory, port):
    def ready():
        raise Held("agency-suspended", "invented")

    with Running(directory) as it:
        waits = replace(spec("waits", port("waits")), ready=ready)
        took = it.supervisor.start_stage([waits, spec("well", port("well"))])
        assert took.keys() == {"well"}
        assert {name: why.detail for name, why in it.supervisor.held.items()} == {
            "waits": "invented"
        }
        it.supervisor.tend()
        before = it.supervisor.pids["waits"]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: it.supervisor.pids["waits"] != before)
    held = [e for e in events(directory) if e["event"] == "process_held"]
    assert [(e["process"], e["why"]) for e in held] == [("waits", "agency-suspended: invented")]


def test_foreign_output_becomes_json_lines_and_json_lines_stay(directory, port):
    with Running(directory) as it:
        it.supervisor.start_stage([spec("mine", port("mine"), foreign_output=True)])
        with pytest.raises(Fatal):
            it.supervisor.start_stage(
                [spec("broken", port("broken"), "crash", foreign_output=True)]
            )
    assert events(directory, "mine")[0]["event"] == "started"
    last = events(directory, "broken")[-1]
    assert last["event"] == "output"
    assert last["line"] == "Traceback: not a line of JSON"


def test_children_do_not_inherit_the_callers_environment(directory, port, monkeypatch):
    monkeypatch.setenv("SOMEBODYS_SECRET", "geheim")
    with Running(directory) as it:
        it.supervisor.start_stage([spec("service", port("service"), env={"GIVEN": "yes"})])
        environment = psutil.Process(it.supervisor.pids["service"]).environ()
    assert "SOMEBODYS_SECRET" not in environment
    assert environment["GIVEN"] == "yes"
