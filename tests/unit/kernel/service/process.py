"""A service as a process of its own, asked and ended from outside."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request

PRELUDE = """
import asyncio, threading, time
from fastapi import FastAPI
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.kernel.service import Service, run
from meldeweg.kernel.settings import Settings, load

class Part:
    def __init__(self, name, fails=0, slow=0.0):
        self.name, self.fails, self.slow = name, fails, slow
    async def start(self):
        if self.fails:
            self.fails -= 1
            raise Unavailable("broker-unreachable")
        print("started", self.name, flush=True)
    async def stop(self):
        await asyncio.sleep(self.slow)
        print("stopped", self.name, flush=True)

async def forever():
    await asyncio.Event().wait()
"""


class Process:
    """A service started from the body of its `wire`."""

    def __init__(self, tmp_path, body, **env):
        script = tmp_path / "service.py"
        wire = textwrap.indent(textwrap.dedent(body).strip(), "    ")
        script.write_text(f"{PRELUDE}\ndef wire():\n{wire}\n    return service\n\nrun('x', wire)\n")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=kept
            | {"PYTHONPATH": "services", "MELDEWEG_HTTP__PORT": str(self.port)}
            | {"MELDEWEG_MODE": "demo"}
            | env,
        )

    def get(self, path, seconds=15.0, scheme="http", context=None):
        """Return (status, body), trying again until it listens."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                url = f"{scheme}://127.0.0.1:{self.port}{path}"
                with urllib.request.urlopen(url, timeout=5, context=context) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as answer:
                with answer:
                    return answer.code, answer.read().decode()
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < deadline, self.end(signal.SIGKILL)
                time.sleep(0.05)

    def until(self, path, status, seconds=15.0):
        deadline = time.monotonic() + seconds
        while (answer := self.get(path))[0] != status:
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)
        return answer[1]

    def end(self, sig=signal.SIGTERM, seconds=25.0):
        """Send `sig` (None: wait for it to end by itself); returns (exit code, out, log lines)."""
        if sig is not None:
            self.process.send_signal(sig)
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out.split(), [json.loads(line) for line in err.splitlines()]


def events(lines):
    return [line["event"] for line in lines]


BASIC = 'service = Service("x", load(Settings))'
