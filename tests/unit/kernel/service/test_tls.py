"""TLS by setting, and plain HTTP only where somebody said so."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.service.http import Server
from meldeweg.kernel.settings import HttpSettings, Mode, Settings, load


@pytest.fixture
def pair(tmp_path):
    """A self-signed certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    cert, secret = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(certificate.public_bytes(pem))
    secret.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, secret


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def ask(port, context):
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    return line


async def test_with_certificate_and_key_it_speaks_tls_1_3_alone(pair):
    cert, key = pair
    server = Server(hello, HttpSettings(cert=cert, key=key))
    assert server.url.startswith("https://")
    task = asyncio.create_task(server.run_until_stopped())
    port = int(server.url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=cert)
    try:
        assert (await ask(port, context)).startswith(b"HTTP/1.1 204")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await ask(port, context)
    finally:
        server.stop()
        await asyncio.wait_for(task, 10)


def test_a_certificate_that_is_none_is_refused_at_start(pair, tmp_path):
    cert, key = pair
    (tmp_path / "broken.pem").write_text("nothing")
    for settings in (
        HttpSettings(cert=tmp_path / "broken.pem", key=key),
        HttpSettings(cert=cert, key=tmp_path / "absent.pem"),
    ):
        with pytest.raises(Fatal) as refused:
            Server(hello, settings)
        assert refused.value.code == "setting-invalid"
        assert "http.cert" in refused.value.detail


def test_production_refuses_http_even_on_loopback_unless_told(pair):
    with pytest.raises(Fatal) as refused:
        Settings()
    assert refused.value.code == "setting-http-plain"
    assert Settings(http=HttpSettings(plain=True)).mode is Mode.PRODUCTION
    assert Settings(http=HttpSettings(cert=pair[0], key=pair[1])).mode is Mode.PRODUCTION
    assert Settings(mode=Mode.DEMO).http.cert is None


def test_demo_refuses_http_beyond_loopback(monkeypatch):
    monkeypatch.setenv("MELDEWEG_MODE", "demo")
    monkeypatch.setenv("MELDEWEG_HTTP__HOST", "0.0.0.0")
    with pytest.raises(Fatal) as refused:
        load(Settings)
    assert refused.value.code == "setting-http-plain"
