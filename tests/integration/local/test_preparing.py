"""What runs while a stack is prepared ends with it; a `sleep` stands for initdb."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import meldeweg
from integration.local.plans import eventually
from integration.local.supervising import alive
from meldeweg.kernel.errors import Fatal
from meldeweg.local import down
from meldeweg.local.keeper import Keeper
from meldeweg.local.lock import StackLock
from meldeweg.local.tools import Tools

UP = """
import sys
from pathlib import Path
from meldeweg.local import BackboneAlone, Options, up
from meldeweg.local.postgres import Postgres
directory, pids = sys.argv[1:]
said = f'sleep 600 & echo $$ $! > {pids}; wait'
Postgres._command = lambda self, program: ("/bin/sh", "-c", said, program)
sys.exit(up(Options(directory=Path(directory)), BackboneAlone()))
"""


@pytest.fixture
def preparing(tmp_path):
    """An `up` of a terminal's own, while its database is being initialised; and who does that."""
    pids = tmp_path / "pids"
    with subprocess.Popen(
        [sys.executable, "-c", UP, str(tmp_path / "stack"), str(pids)],
        env={**os.environ, "PYTHONPATH": str(Path(meldeweg.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2, ended=process.poll)
        yield process, [int(pid) for pid in pids.read_text().split()]
        process.kill()


def test_after_kill_9_of_the_supervisor_nothing_is_left_and_till_then_the_directory_is_in_use(
    preparing, tmp_path
):
    process, pids = preparing
    process.kill()
    process.wait()
    lock = StackLock.take(tmp_path / "stack", patience=60)
    try:
        assert [pid for pid in pids if alive(pid)] == []
    finally:
        lock.release()


@pytest.mark.parametrize("end", ["Ctrl-C", "SIGTERM", "down"])
def test_who_asks_for_the_end_gets_it_at_once_and_is_told_so(preparing, tmp_path, end):
    process, pids = preparing
    began = time.monotonic()
    if end == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)  # a terminal's: to all of its group
    elif end == "SIGTERM":
        process.terminate()
    else:
        assert down(tmp_path / "stack") == 0
    assert "Beim Start abgebrochen" in process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert time.monotonic() - began < 30
    assert [pid for pid in pids if alive(pid)] == []


@pytest.mark.parametrize("stacks_own", [True, False])
def test_one_that_fails_or_takes_too_long_is_an_error_with_its_last_words(stacks_own):
    keeper = Keeper() if stacks_own else None
    tools = Tools(keeper)
    try:
        tools.run(("sh", "-c", "exit 0"), code="some-code")
        with pytest.raises(Fatal) as failed:
            tools.run(("sh", "-c", "echo first; echo last >&2; exit 3"), code="some-code")
        assert (failed.value.code, failed.value.detail) == ("some-code", "first\nlast\n")
        with pytest.raises(Fatal) as late:
            tools.run(("sleep", "600"), code="some-code", timeout=0.3)
        assert (late.value.code, late.value.detail) == ("some-code", "not in 0.3 s")
    finally:
        if keeper:
            keeper.close()
