import socket

import pytest

from meldeweg.kernel.errors import Fatal
from meldeweg.local.ports import LOOPBACK, Ports, _ephemeral_start


def test_a_port_stays_the_same_from_one_start_to_the_next(tmp_path):
    first = Ports(tmp_path / "ports.json").of("broker-1")
    assert Ports(tmp_path / "ports.json").of("broker-1") == first


def test_names_get_different_ports_outside_the_ephemeral_range(tmp_path):
    ports = Ports(tmp_path / "ports.json")
    chosen = {ports.of(f"service-{n}") for n in range(50)}
    assert len(chosen) == 50
    assert max(chosen) < _ephemeral_start()


def test_a_kept_port_that_is_now_anothers_is_a_refusal_that_names_it(tmp_path):
    port = Ports(tmp_path / "ports.json").of("audit")
    with socket.create_server((LOOPBACK, port)), pytest.raises(Fatal) as refused:
        Ports(tmp_path / "ports.json").of("audit")
    assert refused.value.code == "port-taken"
    assert str(port) in refused.value.detail
    assert "audit" in refused.value.detail


@pytest.mark.parametrize("damaged", [b"", b"[]", b'{"audit": "x"}', b"\xff", b"[" * 100_000])
def test_a_damaged_list_of_ports_is_named(tmp_path, damaged):
    (tmp_path / "ports.json").write_bytes(damaged)
    with pytest.raises(Fatal) as refused:
        Ports(tmp_path / "ports.json")
    assert (refused.value.code, refused.value.detail) == (
        "stack-file-malformed",
        str(tmp_path / "ports.json"),
    )
