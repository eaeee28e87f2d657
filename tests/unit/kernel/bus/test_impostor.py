"""Who is not the broker that was meant is told nothing, by either of the two clients.

The server here shows the broker's own certificate. So the CA is right, and what is refused is
refused for its name, or for its version of TLS.
"""

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest

from meldeweg.kernel import logs
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.local.pki import DemoPki

NAMED, UNNAMED = "127.0.0.1", "127.0.0.2"  # in the broker's certificate, and not
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(autouse=True)
def _logs():
    logs.configure(service="test", strict=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return DemoPki(tmp_path_factory.mktemp("pki"))


async def producer(connection):
    """Connect as aiokafka does for every producer and consumer."""
    client = Producer(connection)
    await client.start()
    await client.stop()
    assert client.missing() == "broker-unreachable"


async def admin(connection):
    """Connect as librdkafka does for every look and every right."""
    client = Admin(connection, timeout=0.3)
    with pytest.raises(Unavailable, match="broker-unreachable"):
        await client.topics()
    await client.close()


def told(listening, context):
    """Let one client in; return its version of TLS if it began to speak, else None."""
    accepted, _ = listening.accept()
    with accepted:
        accepted.settimeout(10)
        try:
            with context.wrap_socket(accepted, server_side=True) as tls:
                return tls.version() if tls.recv(1) else None
        except (ssl.SSLError, ConnectionResetError):
            return None


@pytest.mark.parametrize("client", [producer, admin])
@pytest.mark.parametrize(
    ("host", "version", "spoken"),
    [(NAMED, TLS_1_3, "TLSv1.3"), (UNNAMED, TLS_1_3, None), (NAMED, TLS_1_2, None)],
    ids=["the-broker", "another-name", "an-older-tls"],
)
async def test_only_the_broker_that_was_meant_is_spoken_to(pki, client, host, version, spoken):
    shown, mine = pki.broker(1), pki.gateway(AgencyId("polizei-viersen"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=shown.ca)
    context.load_cert_chain(shown.cert, shown.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    with socket.create_server((host, 0)) as listening, ThreadPoolExecutor(1) as thread:
        heard = thread.submit(told, listening, context)
        bootstrap = f"{host}:{listening.getsockname()[1]}"
        await client(Connection(bootstrap, mine.ca, mine.cert, mine.key, "test"))
        assert heard.result(10) == spoken
