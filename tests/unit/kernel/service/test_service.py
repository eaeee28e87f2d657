"""The life of a service, each as a process of its own: start, readiness, drain, crash."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from meldeweg.kernel.service import lifecycle
from unit.kernel.service.process import BASIC, events


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


@pytest.mark.parametrize("slow", [0.0, 60.0])
def test_without_room_for_its_log_it_serves_and_drains_and_counts_the_lines(service, slow):
    process = service(
        f"""
import os
os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
from meldeweg.kernel.service import lifecycle
lifecycle.DRAIN = 3.0
{BASIC}
service.part("a", Part("a", fails=1, slow={slow}))
"""
    )
    process.until("/readyz", 200)
    counted = re.search(
        r"^meldeweg_log_lines_unwritten_total (.+)$", process.get("/metrics")[1], re.MULTILINE
    )
    assert float(counted[1]) >= 2
    assert process.end()[0] == (10 if slow else 0)


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
