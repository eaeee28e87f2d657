"""Faults at named points: only where declared, only when armed."""

import asyncio
import json
import subprocess
import sys
import time

import pytest

from meldeweg.kernel import failpoints, logs
from meldeweg.kernel.errors import Fatal, Unavailable

failpoints.declare("test.before", "test.after")


@pytest.fixture(autouse=True)
def _disarmed():
    logs.configure(service="test", strict=True)
    yield
    failpoints.arm("")


async def test_a_point_that_is_not_armed_is_passed():
    await failpoints.reach("test.before")
    failpoints.arm("test.after=error")
    await failpoints.reach("test.before")


async def test_error_raises_unavailable_each_time():
    failpoints.arm("test.before=error")
    for _ in range(2):
        with pytest.raises(Unavailable) as fault:
            await failpoints.reach("test.before")
        assert fault.value.code == "failpoint"
    with pytest.raises(Unavailable):
        failpoints.reach_sync("test.before")


async def test_a_number_lets_it_fire_once_at_that_time():
    failpoints.arm("test.before=error@3")
    fired = []
    for n in range(1, 6):
        try:
            await failpoints.reach("test.before")
        except Unavailable:
            fired.append(n)
    assert fired == [3]


async def test_sleep_delays():
    failpoints.arm("test.before=sleep:0.1, test.after=sleep:0.1")
    began = time.monotonic()
    await failpoints.reach("test.before")
    await asyncio.to_thread(failpoints.reach_sync, "test.after")
    assert time.monotonic() - began >= 0.2


def test_kill_ends_the_process_at_once_and_says_so_before():
    script = (
        "from meldeweg.kernel import failpoints, logs\n"
        "logs.configure(service='x', strict=True)\n"
        "failpoints.declare('a.b')\nfailpoints.arm('a.b=kill@2')\n"
        "failpoints.reach_sync('a.b')\nprint('once', flush=True)\n"
        "failpoints.reach_sync('a.b')\nprint('twice', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": "services"},
    )
    assert (done.returncode, done.stdout) == (-9, "once\n")
    assert json.loads(done.stderr)["failpoint"] == "a.b"


@pytest.mark.parametrize(
    "spec",
    [
        "test.before",
        "test.before=",
        "test.before=explode",
        "test.before=sleep",
        "=kill",
        "test.before=sleep:1e300",
        "test.before=sleep:" + "9" * 400,
        "test.before=kill@" + "9" * 5000,
        "x y=kill",
        "test.before=kill@",
        "test.before=kill@x",
        "test.before=sleep:-1",
        "test.unknown=kill",
    ],
)
def test_a_misspelt_fault_is_refused(spec):
    with pytest.raises(Fatal) as fatal:
        failpoints.arm(spec)
    assert fatal.value.code == "setting-failpoints"


async def test_a_refused_specification_leaves_what_was_armed():
    failpoints.arm("test.before=error")
    with pytest.raises(Fatal):
        failpoints.arm("test.after=error,nonsense")
    with pytest.raises(Unavailable):
        await failpoints.reach("test.before")


async def test_reaching_a_point_that_nobody_declared_is_a_mistake_once_anything_is_armed():
    failpoints.arm("test.before=error")
    with pytest.raises(Fatal) as fatal:
        await failpoints.reach("test.forgotten")
    assert fatal.value.code == "failpoint-undeclared"


def test_points_can_be_listed_for_a_campaign():
    assert {"test.before", "test.after"} <= set(failpoints.declared())
