"""The supervisor and its keeper, on small real processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

import meldeweg
from integration.local.plans import eventually, spec
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.local import keeper_process, roster
from meldeweg.local.keeper import Keeper
from meldeweg.local.output import log_path
from meldeweg.local.ports import Ports
from meldeweg.local.processes import Child, Held
from meldeweg.local.supervisor import Supervisor


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "logs").mkdir()
    return tmp_path


@pytest.fixture
def port(directory):
    ports = Ports(directory / "ports.json")
    return ports.of


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Running:
    """A supervisor that a failing test does not leave behind."""

    def __init__(self, directory, **options):
        self.changes = 0
        self.keeper = Keeper(grace=2.0)
        self.supervisor = Supervisor(directory, self.keeper, changed=self.note, **options)

    def note(self):
        self.changes += 1

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.supervisor.stop()


def events(directory, name="supervisor"):
    return [
        json.loads(line) for line in log_path(directory / "logs", name).read_text().splitlines()
    ]


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


SUPERVISE = """
import sys, time
from pathlib import Path
from integration.local.plans import spec
from meldeweg.local.keeper import Keeper
from meldeweg.local.supervisor import Supervisor
directory, port, family = sys.argv[1:]
keeper = Keeper(grace=2.0)
supervisor = Supervisor(Path(directory), keeper)
supervisor.start_stage([spec("service", port, "stubborn", "family", family)])
supervisor.tend()
print(keeper.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def supervised(directory, port, tmp_path):
    """A supervisor in a process of its own, whose child has a family that ignores SIGTERM."""
    family = tmp_path / "family"
    roots = [Path(meldeweg.__file__).parents[1], Path(__file__).parents[2]]
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, str(directory), str(port("s")), str(family)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        keeper = int(process.stdout.readline())
        pids = [int(pid) for pid in family.read_text().split()]
        assert all(alive(pid) for pid in (*pids, keeper))
        yield process, keeper, pids
        process.kill()


def test_after_kill_9_of_the_supervisor_nothing_is_left(supervised):
    process, keeper, pids = supervised
    process.kill()
    process.wait()
    eventually(lambda: not any(alive(pid) for pid in (*pids, keeper)), timeout=60)


def test_a_keeper_that_is_killed_is_replaced_and_the_promise_holds(supervised):
    process, keeper, pids = supervised
    os.kill(keeper, signal.SIGKILL)

    def replacement():
        for child in psutil.Process(process.pid).children():
            if (
                child.pid != keeper
                and alive(child.pid)
                and "keeper_process" in str(child.cmdline())
            ):
                return child.pid
        return None

    new = eventually(replacement)
    process.kill()
    process.wait()
    eventually(lambda: not any(alive(pid) for pid in (*pids, new)), timeout=60)


@pytest.fixture
def keepers_that_end(monkeypatch, tmp_path):
    """Let as many helpers as told end before they read their first line; then sound ones come."""
    sound, left, broken = keeper_process.__file__, tmp_path / "left", tmp_path / "keeper.py"
    broken.write_text(
        "import pathlib, runpy, sys\n"
        f"left = pathlib.Path({str(left)!r})\n"
        "n = int(left.read_text())\n"
        "if n:\n"
        "    left.write_text(str(n - 1))\n"
        "    sys.exit(1)\n"
        f"runpy.run_path({sound!r}, run_name='__main__')\n"
    )
    left.write_text("0")
    monkeypatch.setattr(keeper_process, "__file__", str(broken))
    return lambda count: left.write_text(str(count))


@contextmanager
def slow_lines(monkeypatch):
    """Write to a helper only once it has ended, or has had a second to listen."""
    write = Keeper._write

    def late(keeper, line):
        with suppress(subprocess.TimeoutExpired):
            keeper._process.wait(1.0)
        write(keeper, line)

    with monkeypatch.context() as patched:
        patched.setattr(Keeper, "_write", late)
        yield


def test_a_keeper_that_ends_before_its_first_line_is_replaced(
    directory, port, keepers_that_end, monkeypatch
):
    with Running(directory) as it, slow_lines(monkeypatch):
        it.supervisor.start_stage([spec("service", port("service"))])
        it.supervisor.tend()
        keepers_that_end(2)
        before = it.keeper.pid
        os.kill(before, signal.SIGKILL)
        eventually(lambda: it.keeper.pid != before and alive(it.keeper.pid), timeout=20)
        os.kill(it.supervisor.pids["service"], signal.SIGKILL)
        eventually(lambda: events(directory)[-1]["event"] == "process_restarted", timeout=20)


def test_without_any_keeper_nothing_new_is_started_and_it_goes_on_once_there_is_one(
    directory, port, keepers_that_end, monkeypatch
):
    with Running(directory) as it, slow_lines(monkeypatch):
        it.supervisor.start_stage([spec("service", port("service"))])
        it.supervisor.tend()
        keepers_that_end(4)
        os.kill(it.keeper.pid, signal.SIGKILL)

        def said(event):
            return any(each["event"] == event for each in events(directory))

        eventually(lambda: said("keeper_not_started"), timeout=20)
        os.kill(it.supervisor.pids["service"], signal.SIGKILL)
        eventually(lambda: said("process_restarted"), timeout=30)
        assert alive(it.keeper.pid)


def test_a_keeper_that_never_listens_is_a_clear_error_and_leaves_no_process(
    directory, port, keepers_that_end, monkeypatch
):
    keepers_that_end(9)
    with Running(directory) as it, slow_lines(monkeypatch), pytest.raises(Unavailable) as failed:
        it.supervisor.start_stage([spec("service", port("service"), "stubborn")])
    assert failed.value.code == "keeper-not-running"
    mark = it.keeper.environment[keeper_process.MARK_VARIABLE]
    assert [each for each in keeper_process.marked(mark) if alive(each.pid)] == []


def test_what_was_left_when_both_were_killed_is_ended_by_the_next_start(supervised, directory):
    process, keeper, pids = supervised
    os.kill(process.pid, signal.SIGSTOP)  # it must not replace the keeper meanwhile
    os.kill(keeper, signal.SIGKILL)
    process.kill()
    process.wait()
    head, plain, _ = pids
    assert alive(head)
    assert alive(plain)
    try:
        assert roster.end_leftovers(directory) == ["service"]
        assert not alive(head)
        assert not alive(plain)
    finally:
        for pid in pids:  # the one that hid in a session of its own is beyond any roster
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_a_process_that_has_a_known_number_by_chance_is_left_alone(directory):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        me = roster.Entry.of("supervisor", os.getpid())
        impostor = roster.Entry(name="service", pid=other.pid, started=1.0)
        roster.write(directory, roster.Roster(supervisor=me, children=(impostor,)))
        assert roster.end_leftovers(directory) == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
