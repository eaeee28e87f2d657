"""The life of a service, each as a process of its own: start, readiness, drain, crash."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request

import pytest

from meldeweg.kernel.service import lifecycle
from meldeweg.local.pki import DemoPki

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


@pytest.fixture
def service(tmp_path):
    running = []

    def start(body, **env):
        running.append(Process(tmp_path, body, **env))
        return running[-1]

    yield start
    for each in running:
        each.process.kill()
        each.process.communicate()


def events(lines):
    return [line["event"] for line in lines]


BASIC = 'service = Service("x", load(Settings))'


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_parts_start_in_order_and_a_signal_stops_them_in_reverse(service, sig):
    process = service(
        BASIC
        + """
        service.part("a", Part("a"))
        service.part("b", Part("b"))
        service.task("forever", forever)
        """.replace("\n        ", "\n")
    )
    process.until("/readyz", 200)
    code, out, lines = process.end(sig)
    assert code == 0
    assert out == ["started", "a", "started", "b", "stopped", "b", "stopped", "a"]
    assert events(lines)[-2:] == ["service_signalled", "service_drained"]


def test_the_four_endpoints_answer(service):
    process = service(BASIC)
    process.until("/readyz", 200)
    assert process.get("/healthz") == (200, '{"status":"ok"}')
    assert json.loads(process.get("/version")[1]).keys() == {"name", "version"}
    status, metrics = process.get("/metrics")
    assert status == 200
    assert "meldeweg_build_info" in metrics
    assert "process_resident_memory_bytes" in metrics
    assert process.get("/nothing")[0] == 404


def test_readyz_names_what_is_missing_and_the_api_waits_for_it(service):
    process = service(
        """
        app = FastAPI()
        app.get("/v1/things")(lambda: {"things": []})
        service = Service("x", load(Settings), app=app)
        service.part("broker", Part("broker", fails=4))
        """
    )
    status, body = process.get("/v1/things")
    assert (status, json.loads(body)["code"]) == (503, "starting")
    missing = json.loads(process.until("/readyz", 503))["missing"]
    assert missing == {"broker": "broker-unreachable", "service": "starting"}
    process.until("/readyz", 200)
    assert process.get("/v1/things")[0] == 200


def test_a_check_makes_it_unready_and_ready_again_without_stopping_the_api(service):
    process = service(
        """
        app = FastAPI()
        trouble = ["audit-behind"]
        app.get("/v1/mend")(lambda: trouble.clear())
        service = Service("x", load(Settings), app=app)
        service.check("audit", lambda: trouble[0] if trouble else None)
        """
    )
    body = process.until("/readyz", 503)
    while "service" in json.loads(body)["missing"]:
        body = process.until("/readyz", 503)
    said = {"service": "x", "ready": False, "missing": {"audit": "audit-behind"}}
    assert json.loads(body) == said
    assert process.get("/v1/mend")[0] == 200
    process.until("/readyz", 200)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("async def t(): raise ValueError('Erika Beispiel')", "ValueError"),
        ("async def t(): raise Fatal('log-forked')", "log-forked"),
        ("async def t(): return", "task-ended"),
    ],
)
def test_a_task_that_crashes_or_ends_stops_the_service_loudly(service, body, code):
    process = service(f"{BASIC}\n{body}\nservice.part('a', Part('a'))\nservice.task('t', t)")
    exit_code, out, lines = process.end(None)
    assert exit_code == 10
    assert out == ["started", "a", "stopped", "a"]
    (line,) = [line for line in lines if line["event"] == "service_failed"]
    assert code in json.dumps(line)
    assert line["part"] == "t"
    assert "Erika" not in json.dumps(lines)


def test_a_part_that_can_not_start_stops_the_service_and_is_stopped_itself(service):
    process = service(
        BASIC
        + """
class Broken(Part):
    async def start(self): raise Fatal("store-locked")
service.part("a", Part("a"))
service.part("b", Broken("b"))
"""
    )
    exit_code, out, _ = process.end(None)
    assert exit_code == 10
    assert out == ["started", "a", "stopped", "b", "stopped", "a"]


def test_a_part_that_fails_to_stop_does_not_keep_the_others_from_it(service):
    process = service(
        BASIC
        + """
class Broken(Part):
    async def stop(self): raise ValueError("Erika Beispiel")
service.part("a", Part("a"))
service.part("b", Broken("b"))
"""
    )
    process.until("/readyz", 200)
    code, out, lines = process.end()
    assert code == 0
    assert out[-2:] == ["stopped", "a"]
    assert "part_stop_failed" in events(lines)
    assert "Erika" not in json.dumps(lines)


@pytest.mark.parametrize("hang", ["await asyncio.Event().wait()", "time.sleep(60)"])
def test_a_drain_that_hangs_ends_in_time(service, hang):
    assert lifecycle.DRAIN == 20.0  # the promise; shorter here
    process = service(
        BASIC
        + f"""
from meldeweg.kernel.service import lifecycle
lifecycle.DRAIN = 3.0
class Hanging(Part):
    async def stop(self): {hang}
service.part("a", Hanging("a"))
"""
    )
    process.until("/readyz", 200)
    began = time.monotonic()
    process.end()
    assert time.monotonic() - began < 5


def test_a_thread_that_hangs_does_not_keep_the_process(service):
    process = service(
        BASIC
        + """
async def t(): await asyncio.to_thread(time.sleep, 60)
service.task("t", t)
"""
    )
    process.until("/readyz", 200)
    began = time.monotonic()
    assert process.end()[0] == 0
    assert time.monotonic() - began < 10


def test_a_signal_while_starting_ends_it(service):
    process = service(f"{BASIC}\nservice.part('a', Part('a', fails=10**6))")
    process.until("/readyz", 503)
    code, out, _ = process.end()
    assert (code, out) == (0, ["stopped", "a"])


def test_a_request_under_way_gets_its_answer(service):
    process = service(
        """
        app = FastAPI()
        @app.get("/v1/slow")
        async def slow():
            print("slow", flush=True)
            await asyncio.sleep(2)
            return "done"
        service = Service("x", load(Settings), app=app)
        """
    )
    process.until("/readyz", 200)
    script = (
        "import urllib.request as u; "
        f"print(u.urlopen('http://127.0.0.1:{process.port}/v1/slow').read().decode())"
    )
    client = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.process.stdout.readline() == "slow\n"
    assert process.end()[0] == 0
    assert client.communicate()[0] == '"done"\n'


def test_a_stalled_part_is_restarted_and_if_that_does_not_help_the_process_ends(service):
    process = service(
        BASIC
        + """
async def restart(): print("restarted", flush=True)
service.watchdog("bus", age=lambda: 99.0, limit=1.0, restart=restart)
"""
    )
    code, out, lines = process.end(None)
    assert (code, out) == (10, ["restarted"])
    assert "part_stalled" in events(lines)
    assert "stalled" in json.dumps(lines[-3:])


def test_a_process_that_was_frozen_does_not_take_its_absence_for_a_stall(service):
    process = service(
        BASIC
        + """
last = time.monotonic()
async def beats():
    nonlocal last
    while True:
        last = time.monotonic()
        await asyncio.sleep(0.3)
async def restart(): print("restarted", flush=True)
service.task("beats", beats)
service.watchdog("bus", age=lambda: time.monotonic() - last, limit=2.0, restart=restart)
"""
    )
    process.until("/readyz", 200)
    os.kill(process.process.pid, signal.SIGSTOP)
    time.sleep(4)
    os.kill(process.process.pid, signal.SIGCONT)
    time.sleep(4)
    assert process.end()[:2] == (0, [])


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({"MELDEWEG_MOD": "demo"}, "setting-unknown"),
        (
            {
                "MELDEWEG_MODE": "production",
                "MELDEWEG_HTTP__PLAIN": "true",
                "MELDEWEG_FAILPOINTS": "a=kill",
            },
            "setting-seam",
        ),
        ({"MELDEWEG_FAILPOINTS": "a=kill"}, "setting-failpoints"),
        ({"MELDEWEG_CLOCK_OFFSET": "1e300"}, "setting-invalid"),
    ],
)
def test_a_wrong_setting_exits_with_2_and_names_it(service, env, code):
    exit_code, _, lines = service(BASIC, **env).end(None)
    assert exit_code == 2
    assert lines[-1]["event"] == "service_refused"
    assert lines[-1]["error"][0]["code"].startswith(code)


def test_a_host_of_another_machine_exits_with_2_as_any_wrong_setting(service):
    env = {"MELDEWEG_HTTP__HOST": "192.0.2.1", "MELDEWEG_HTTP__PLAIN": "true"}
    exit_code, _, lines = service(BASIC, **env).end(None)
    assert exit_code == 2
    assert "(MELDEWEG_HTTP__HOST)" in lines[-1]["error"][0]["detail"]


def test_a_file_that_a_setting_names_exits_with_2_whatever_its_code(service):
    refusal = 'raise Fatal("key-file-open", "key (MELDEWEG_KEY): chmod 600")'
    exit_code, _, lines = service(refusal).end(None)
    assert exit_code == 2
    assert lines[-1]["error"][0]["code"] == "key-file-open"


def test_a_setting_that_shows_to_be_wrong_at_the_start_exits_with_2_and_is_named(service):
    process = service(
        BASIC
        + """
from meldeweg.kernel.errors import WrongSetting
from meldeweg.kernel.settings import said
class Custody(Part):
    async def start(self): raise WrongSetting("vault-key-wrong", said("vault_key"))
service.part("custody", Custody("custody"))
"""
    )
    exit_code, _, lines = process.end(None)
    assert exit_code == 2
    assert "MELDEWEG_VAULT_KEY" in json.dumps(lines)


def test_a_taken_port_is_named(service):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        exit_code, _, lines = service(BASIC, MELDEWEG_HTTP__PORT=port).end(None)
    assert exit_code == 10
    assert lines[-1]["error"][0]["detail"] == f"cannot listen on 127.0.0.1:{port}"


def test_query_strings_never_reach_the_log(service):
    process = service(BASIC)
    process.until("/readyz", 200)
    process.get("/healthz?q=Grefrath")
    process.get("/nothing?q=Grefrath")
    assert "Grefrath" not in json.dumps(process.end()[2])


def test_https_by_setting(service, tmp_path):
    files = DemoPki(tmp_path / "pki").broker(1)
    process = service(BASIC, MELDEWEG_HTTP__CERT=str(files.cert), MELDEWEG_HTTP__KEY=str(files.key))
    context = ssl.create_default_context(cafile=files.ca)
    assert process.get("/healthz", scheme="https", context=context)[0] == 200


def test_the_clock_is_bent_by_its_setting(service):
    process = service(BASIC, MELDEWEG_CLOCK_OFFSET="86400000")
    process.until("/readyz", 200)
    lines = process.end()[2]
    assert lines[0]["at"] > time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_000_000))  # noqa: TID251 - against the real one
