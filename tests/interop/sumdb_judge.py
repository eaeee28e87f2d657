"""Starts the Go judge of `interop/sumdb` and asks it; skips visibly where Go or its modules are
not to be had."""

import base64
import functools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("sumdb")


class Judge:
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
def _binary():
    go = shutil.which("go")
    if go is None:
        return None, "Go is not installed"
    target = Path(tempfile.gettempdir()) / f"meldeweg-sumdb-judge-{os.getuid()}"
    built = subprocess.run(
        [go, "build", "-o", target, "."],
        cwd=_SOURCE,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if built.returncode:
        return None, "its modules are not to be had: " + built.stderr.strip()[-200:]
    return target, ""


@pytest.fixture(scope="module")
def judge():
    binary, why = _binary()
    if binary is None:
        pytest.skip(f"the Go judge did not start: {why}")
    running = Judge(binary)
    yield running
    running.close()


def _plain(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
