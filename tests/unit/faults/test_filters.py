"""Packets really are lost, below TCP, and counted; and come through again when it is over."""

import socket
import sys

import pytest

from faults.nemesis.filters import lose, lost

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="filters of the Linux kernel")


@pytest.fixture
def pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    with near, far:
        yield near, far


def test_nothing_arrives_in_a_partition_and_all_of_it_afterwards(pair):
    near, far = pair
    lose(far, 1.0)
    near.sendall("Übung".encode())
    far.settimeout(0.05)
    with pytest.raises(TimeoutError):
        far.recv(100)
    assert lost(far) >= 1
    lose(far, 0.0)
    far.settimeout(10)
    assert far.recv(100) == "Übung".encode()  # sent again by TCP itself


def test_a_share_is_lost_and_tcp_makes_up_for_it(pair):
    near, far = pair
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lose(far, 0.3)
    for _ in range(60):
        near.sendall(b"x")
    near.shutdown(socket.SHUT_WR)
    far.settimeout(20)
    got = b""
    while piece := far.recv(100):
        got += piece
    assert got == b"x" * 60
    assert 0 < lost(far) < 60


def test_to_lose_nothing_takes_no_filter_away_that_is_not_there(pair):
    _, far = pair
    lose(far, 0.0)
    assert lost(far) == 0
