"""What `up` takes for its directory, and what `down` waits for."""

import json
import subprocess
import sys
import time

import pytest

from meldeweg.local import roster

_UNTIL_TOLD = "import time; print('ready', flush=True); time.sleep(600)"


def test_down_does_not_wait_for_a_supervisor_that_nobody_reaps(tmp_path):
    (tmp_path / "lock").touch()
    supervisor = subprocess.Popen([sys.executable, "-c", _UNTIL_TOLD], stdout=subprocess.PIPE)
    try:
        assert supervisor.stdout.readline()
        entry = roster.Entry.of("supervisor", supervisor.pid)
        roster.write(tmp_path, roster.Roster(supervisor=entry, children=()))
        began = time.monotonic()
        down = [sys.executable, "-m", "meldeweg.cli", "local", "down", "--dir", tmp_path]
        assert subprocess.run(down, check=False).returncode == 0
        assert time.monotonic() - began < 60
        assert supervisor.returncode is None, "not reaped meanwhile: that is the case"
    finally:
        supervisor.kill()
        supervisor.communicate()


def _json(command, directory):
    run = [sys.executable, "-m", "meldeweg.cli", "local", command, "--dir", directory, "--json"]
    done = subprocess.run(run, capture_output=True, check=False)
    return done.returncode, json.loads(done.stderr)["error"]


def test_up_leaves_a_directory_of_somebody_else_as_it_is(tmp_path):
    (tmp_path / "photo").touch()
    tmp_path.chmod(0o755)
    run = [sys.executable, "-m", "meldeweg.cli", "local", "up", "--dir", tmp_path]
    done = subprocess.run(run, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"directory-foreign" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["photo"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("command", ["down", "status"])
@pytest.mark.parametrize("damaged", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_a_damaged_list_of_processes_is_named(tmp_path, command, damaged):
    (tmp_path / "lock").touch()
    (tmp_path / "processes.json").write_bytes(damaged)
    assert _json(command, tmp_path) == (10, "stack-file-malformed")
