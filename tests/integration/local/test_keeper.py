"""The keeper: whatever is killed, nothing is left behind, and nothing foreign is ended."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

import meldeweg
from integration.local.plans import eventually, spec
from integration.local.supervising import Running, alive, events
from meldeweg.kernel.errors import Unavailable
from meldeweg.local import keeper_process, roster
from meldeweg.local.keeper import Keeper

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
