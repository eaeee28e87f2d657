"""Builds a Go program that stands beside this file, starts it and asks it; skips visibly where Go
or the program's modules are not to be had. A program that has all it needs must build."""

import base64
import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
BUILT = ROOT / ".cache"
HOLIDAYS = ROOT / "services/meldeweg/kernel/holidays.json"


class Judge:
    """One question per line to a running program, one answer per line."""

    def __init__(self, binary):
        self._process = subprocess.Popen(
            [binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, op, **fields):
        """Return the judge's answer; bytes travel as base64, as Go's encoding/json has them."""
        question = {"Op": op} | {name: _plain(value) for name, value in fields.items()}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@functools.cache
def _built(name):
    """The path of the program, or why there is none."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    go = shutil.which("go", path=beside)
    if go is None:
        return None, "Go is not installed"
    needs = _run(go, "list", "-deps", ".", folder=FOLDER / name)
    if needs.returncode:
        return None, "what it needs is not to be had here: " + needs.stderr.strip()[-200:]
    target = BUILT / f"{name}-judge"
    BUILT.mkdir(exist_ok=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}")  # others may be running the old one
    built = _run(go, "build", "-o", fresh, ".", folder=FOLDER / name)
    if built.returncode:
        pytest.fail(f"the Go judge {name} does not build:\n{built.stderr}")
    fresh.replace(target)
    return target, ""


def _run(*command, folder):
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )


def judging(name):
    """A fixture's work: the judge of the folder `name`, running, and closed afterwards."""
    binary, why = _built(name)
    if binary is None:
        pytest.skip(f"the Go judge {name} did not start: {why}")
    running = Judge(binary)
    yield running
    running.close()


def taught(judge):
    """Give the second implementation what § 12 and step 10 read beside the page."""
    schemas = [each.read_text(encoding="utf-8") for each in ROOT.glob("schemas/*.v*.json")]
    said = judge.ask("learn", Value=HOLIDAYS.read_bytes(), Schemas=schemas)
    assert said["ok"], said


def _plain(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
