"""Who cannot listen says why: the port is another's, or the setting is wrong."""

import errno
import socket

import pytest

from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.service.http import Server
from meldeweg.kernel.settings import HttpSettings


async def nothing(scope, receive, send):
    raise AssertionError("nobody asks")


def refusal(**changes):
    with pytest.raises(Fatal) as fatal:
        Server(nothing, HttpSettings(plain=True, **changes))
    return fatal.value.code, fatal.value.detail


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "no.such.host.invalid", "2001:db8::1", "x" * 200, "not:an:address"]
)
def test_a_host_that_is_not_this_machine_is_a_wrong_setting(host):
    code, detail = refusal(host=host)
    assert code == "setting-invalid"
    assert detail.startswith(f"http.host (MELDEWEG_HTTP__HOST): cannot listen on {host}:0: ")


def test_a_port_that_another_has_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal(port=port) == ("port-taken", f"cannot listen on 127.0.0.1:{port}")


def test_a_port_that_needs_a_right_is_a_wrong_setting(monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    assert refusal(port=443) == (
        "setting-invalid",
        "http.port (MELDEWEG_HTTP__PORT): cannot listen on 127.0.0.1:443: Permission denied",
    )
