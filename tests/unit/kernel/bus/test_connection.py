"""TLS towards the broker: a renewed certificate is used from the next handshake on."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest
import uvloop
from cryptography import x509

from meldeweg.kernel import logs
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.ids import AgencyId
from meldeweg.local.pki import DemoPki


@pytest.fixture(autouse=True)
def _logs():
    logs.configure(service="test", strict=True)


@pytest.fixture
def pki(tmp_path):
    return DemoPki(tmp_path / "pki")


@pytest.fixture
def connection(pki, tmp_path):
    files = pki.gateway(AgencyId("polizei-viersen"))
    cert, key = tmp_path / "cert", tmp_path / "key"
    cert.write_bytes(files.cert.read_bytes())
    key.write_bytes(files.key.read_bytes())
    return Connection("127.0.0.1:1", files.ca, cert, key, "test")


def renew(connection, pki, *, cert=True, key=True):
    files = pki.gateway(AgencyId("jugendamt-nettetal"))
    for wanted, source, target in (
        (cert, files.cert, connection.cert),
        (key, files.key, connection.key),
    ):
        if wanted:
            target.write_bytes(source.read_bytes())
            stat = target.stat()
            os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))


async def shown(connection, tls, pki):
    """Handshake with a server as the broker's, and return the client names it was shown."""
    server_files = pki.broker(1)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=server_files.ca)
    context.load_cert_chain(server_files.cert, server_files.key)
    context.verify_mode = ssl.CERT_REQUIRED
    name = asyncio.get_running_loop().create_future()

    async def accept(reader, writer):
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        name.set_result(x509.load_der_x509_certificate(der).subject.rfc4514_string())
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        version = writer.get_extra_info("ssl_object").version()
        subject = await asyncio.wait_for(name, 10)
        writer.close()
    return subject.split(",")[0], version


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_renewed_certificate_is_used_from_the_next_connection_on(connection, pki, loop):
    async def story():
        tls = connection.tls()
        assert await shown(connection, tls, pki) == ("CN=polizei-viersen", "TLSv1.3")
        renew(connection, pki)
        assert await shown(connection, tls, pki) == ("CN=jugendamt-nettetal", "TLSv1.3")
        assert tls.handshakes == 2

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(story())


@pytest.mark.parametrize("half", [{"cert": False}, {"key": False}])
async def test_a_half_written_pair_is_not_used_and_the_old_one_goes_on(connection, pki, half):
    tls = connection.tls()
    renew(connection, pki, **half)
    assert (await shown(connection, tls, pki))[0] == "CN=polizei-viersen"
    renew(connection, pki)
    assert (await shown(connection, tls, pki))[0] == "CN=jugendamt-nettetal"


async def test_a_pair_that_is_being_replaced_is_not_used_and_the_old_one_goes_on(connection, pki):
    tls = connection.tls()
    kept = connection.key.read_bytes()
    connection.key.unlink()
    assert (await shown(connection, tls, pki))[0] == "CN=polizei-viersen"
    connection.key.write_bytes(kept)
    assert (await shown(connection, tls, pki))[0] == "CN=polizei-viersen"


async def test_a_broker_of_another_ca_is_refused(connection, tmp_path):
    with pytest.raises(ssl.SSLError):
        await shown(connection, connection.tls(), DemoPki(tmp_path / "other"))


@pytest.mark.parametrize("missing", ["ca", "cert", "key"])
def test_a_missing_file_is_fatal_and_named(connection, missing):
    files = {name: getattr(connection, name) for name in ("ca", "cert", "key")}
    broken = Connection("b", **(files | {missing: Path("/nowhere/x.pem")}), client_id="t")
    with pytest.raises(Fatal) as fatal:
        broken.tls()
    assert (fatal.value.code, fatal.value.detail) == (
        "kafka-certificate-unreadable",
        "/nowhere/x.pem",
    )
