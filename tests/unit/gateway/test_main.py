"""What a gateway's process is set to before it begins."""

import runpy
import sys

import pytest

from meldeweg.kernel import service


@pytest.fixture
def interval():
    before = sys.getswitchinterval()
    yield before
    sys.setswitchinterval(before)


def test_a_busy_thread_keeps_the_loop_waiting_for_less_than_a_millisecond(interval, monkeypatch):
    """With Python's own 5 ms a message beside the look into the log waits a quarter second."""
    started = []
    monkeypatch.setattr(service, "run", lambda name, wire: started.append(name))
    sys.modules.pop("meldeweg.gateway.__main__", None)  # where another test imported it
    runpy.run_module("meldeweg.gateway", run_name="__main__")
    assert started == ["gateway"]
    assert sys.getswitchinterval() <= 0.001 < interval
