"""`down` waits for what runs, and for nobody to reap what has ended."""

import subprocess
import sys
import time

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
