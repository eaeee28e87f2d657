"""Readiness, asked the way a client would ask.

Guarantees: a probe returns only after a true answer of the service itself, within two seconds, and
raises `Unavailable(not-ready)` otherwise. Trusts the certificates it is given.
"""

import http.client
import socket
import ssl
import struct
from functools import cache
from urllib.parse import urlsplit

from meldeweg.kernel.errors import Unavailable
from meldeweg.local.pki import Credential
from meldeweg.local.ports import LOOPBACK

_TIMEOUT = 2.0  # seconds
_READ = 8192  # bytes of an answer
_SHOWN = 400
# ApiVersions, version 0, correlation 7, client "probe" (Kafka protocol guide). The answer comes
# only when the handshake with our certificate went through and the broker handles requests.
_API_VERSIONS = struct.pack(">ihhih5s", 15, 18, 0, 7, 5, b"probe")


def http_answers(url: str) -> None:
    """Return when `GET url` gives 200."""
    demand_ok(url, *http_get(url))


def demand_ok(url: str, status: int, body: bytes) -> None:
    """Raise `Unavailable(not-ready)`, saying what was answered, unless that was 200."""
    if status != http.client.OK:
        shown = body[:_SHOWN].decode(errors="replace")
        raise Unavailable("not-ready", f"{url}: {status} {shown}")


def http_get(url: str) -> tuple[int, bytes]:
    """Return status and body of `GET url`; `Unavailable(not-ready)` where nothing answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT)
    try:
        connection.request("GET", parts.path)
        response = connection.getresponse()
        return response.status, response.read(_READ)
    except (OSError, http.client.HTTPException) as exc:
        raise Unavailable("not-ready", f"{url}: {exc}") from exc
    finally:
        connection.close()


def kafka_answers(port: int, credential: Credential) -> None:
    """Return when the broker on `port` answers a request of this client."""
    try:
        with (
            socket.create_connection((LOOPBACK, port), timeout=_TIMEOUT) as plain,
            _context(credential).wrap_socket(plain, server_hostname=LOOPBACK) as secured,
        ):
            secured.sendall(_API_VERSIONS)
            answer = secured.recv(8)
    except OSError as exc:  # ssl.SSLError is one
        raise Unavailable("not-ready", f"{LOOPBACK}:{port}: {exc}") from exc
    if answer[4:8] != struct.pack(">i", 7):
        raise Unavailable("not-ready", f"{LOOPBACK}:{port}: no answer")


@cache
def _context(credential: Credential) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(credential.ca))
    context.load_cert_chain(credential.cert, credential.key)
    return context
