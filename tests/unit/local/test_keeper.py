"""The helper that ends a stack's processes is there again, however its predecessors died."""

import signal
import subprocess
import sys
import threading

import psutil
import pytest

from meldeweg.kernel.errors import Unavailable
from meldeweg.local import keeper, keeper_process
from meldeweg.local.keeper import Keeper


@pytest.fixture
def child():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def _dying(monkeypatch, count):
    """Let the next `count` helpers end before anything is said to them."""
    made = []
    real = Keeper._spawned

    def started(self):
        process = real(self)
        made.append(process)
        if len(made) <= count:
            process.kill()
            process.wait()
        return process

    monkeypatch.setattr(keeper.Keeper, "_spawned", started)
    return made


def test_a_helper_that_dies_before_its_first_line_is_replaced(child, monkeypatch):
    made = _dying(monkeypatch, 2)
    kept = Keeper(grace=1.0)
    kept.watch(child.pid, signal.SIGTERM)
    assert len(made) == 3
    assert kept.pid == made[-1].pid
    kept.close()
    assert child.wait(10) == -signal.SIGTERM


def test_helpers_that_all_die_are_an_error_with_a_name(child, monkeypatch):
    made = _dying(monkeypatch, 100)
    kept = Keeper(grace=1.0)
    with pytest.raises(Unavailable) as gone:
        kept.watch(child.pid, signal.SIGTERM)
    assert gone.value.code == "keeper-not-running"
    assert len(made) == keeper._TRIES


def test_the_killed_are_waited_for_and_one_that_nobody_collected_has_ended():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    process = psutil.Process(child.pid)
    killing = threading.Timer(0.5, child.kill)
    killing.start()
    try:
        keeper_process.await_end([process], 60)
        assert process.status() == psutil.STATUS_ZOMBIE
    finally:
        killing.join()
        child.wait()
    keeper_process.await_end([process], 60)  # gone altogether: at once
