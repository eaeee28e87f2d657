"""Plans of small real processes, and a stack in a process of its own."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import meldeweg
from meldeweg.kernel.errors import Unavailable
from meldeweg.local import description
from meldeweg.local.plan import ServicePlace, Stage, url_of
from meldeweg.local.probes import http_answers
from meldeweg.local.processes import ProcessSpec

CHILD = Path(__file__).parent / "child.py"


def spec(name, port, *words, **more):
    return ProcessSpec(
        name=name,
        argv=(sys.executable, str(CHILD), str(port), *map(str, words)),
        ready=partial(http_answers, f"http://127.0.0.1:{port}/readyz"),
        **{"stop_timeout": 20.0, "ready_timeout": 60.0, **more},
    )


class OneService:
    """Broker, database, and one service in the place of the audit."""

    district = "kreis-viersen"

    def __init__(self, *words):
        self._words = words

    def stages(self, backbone):
        self._place = ServicePlace(
            "audit", url_of(backbone, "audit"), backbone.pki.service("audit"), token="invented"
        )
        port = self._place.url.rsplit(":", 1)[1]
        yield Stage("Start the audit", (spec("audit", port, *self._words),))

    def agencies(self):
        return {}

    def services(self):
        return {"audit": self._place}


UP = """
import sys
from pathlib import Path
from integration.local.plans import OneService
from meldeweg.local import Options, up
directory, restart, *words = sys.argv[1:]
sys.exit(up(Options(directory=Path(directory), restart=restart == "restart"), OneService(*words)))
"""


def up_begun(directory, *words, restart="restart"):
    """Begin an `up` as a process of its own, as a person would."""
    roots = [Path(meldeweg.__file__).parents[1], Path(__file__).parents[2]]
    return subprocess.Popen(
        [sys.executable, "-c", UP, str(directory), restart, *map(str, words)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def up_elsewhere(directory, *words, restart="restart"):
    """The same; return it once all is ready."""
    process = up_begun(directory, *words, restart=restart)
    try:
        eventually(partial(described, directory), ended=process.poll, timeout=240)
    except BaseException as exc:
        process.kill()
        exc.add_note(process.communicate()[0])
        raise
    return process


def described(directory):
    try:
        return description.read(directory)
    except Unavailable:
        return None


def eventually(what, *, timeout=90.0, ended=lambda: None):
    """Return the first true answer of `what`; a failure says how long was waited."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        answer = what()
        if answer:
            return answer
        assert ended() is None, f"it ended with {ended()}"
        time.sleep(0.1)
    raise AssertionError(f"not within {timeout} s")
