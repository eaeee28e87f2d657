"""Facts from the broker, the database and the services, asked as a client asks. Thin."""

import http.client
import socket
import ssl
import struct
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import psycopg

from meldeweg.doctor.facts import BrokerFacts, ClockFacts, ServiceFacts
from meldeweg.kernel import strictjson
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Refused, foreign_code, foreign_detail
from meldeweg.kernel.settings import KafkaSettings

_TIMEOUT = 5.0  # seconds
# ApiVersions, version 0, correlation 7 (Kafka protocol guide): with TLS 1.3 a refused client
# certificate shows only when the first answer is read.
_API_VERSIONS = struct.pack(">ihhih6s", 16, 18, 0, 7, 6, b"doctor")


def broker(settings: KafkaSettings) -> BrokerFacts:
    """Connect to the first broker that takes a connection, and let it answer one request."""
    found = BrokerFacts(settings.bootstrap, "broker-unreachable", "")
    for address in settings.bootstrap.split(","):
        found = _ask(address.strip(), settings)
        if found.code != "broker-unreachable":
            return found
    return found


def _ask(address: str, settings: KafkaSettings) -> BrokerFacts:
    host, _, port = address.rpartition(":")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(settings.ca)
        context.load_cert_chain(settings.cert, settings.key)
    except OSError as exc:  # ssl.SSLError too
        return BrokerFacts(address, "certificate-unreadable", _reason(exc))
    try:
        plain = socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT)
    except (OSError, ValueError, OverflowError) as exc:
        return BrokerFacts(address, "broker-unreachable", _reason(exc))
    with plain:
        return BrokerFacts(address, *_talk(plain, context, host.strip("[]")))


def _talk(plain: socket.socket, context: ssl.SSLContext, host: str) -> tuple[str, str]:
    """Return (code, detail) of what came of the handshake and one request."""
    try:
        with context.wrap_socket(plain, server_hostname=host) as secured:
            secured.sendall(_API_VERSIONS)
            answer = secured.recv(8)
    except ssl.SSLCertVerificationError as exc:
        return "broker-not-trusted", exc.verify_message
    except TimeoutError as exc:
        return "broker-unreachable", _reason(exc)
    except OSError as exc:
        return "certificate-refused", _reason(exc)
    if not answer:  # closed without a word, which is what some versions do instead of an alert
        return "certificate-refused", "closed after the handshake"
    return "", ""


def database(uri: str) -> str:
    """Connect and ask for nothing; returns "" or what is wrong, free of the password."""
    try:
        with psycopg.connect(uri, connect_timeout=int(_TIMEOUT)) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as exc:
        return exc.sqlstate or type(exc).__name__
    return ""


def service(url: str, clock: Clock) -> tuple[ServiceFacts, ClockFacts | None]:
    """Ask `/readyz`, and compare the Date of its answer with our clock."""
    # Who it is does not matter for these facts, and nothing secret is sent.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001 - see above
    try:
        parts = urlsplit(url)
        connection = (
            http.client.HTTPSConnection(parts.netloc, timeout=_TIMEOUT, context=context)
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT)
        )
        with closing(connection):
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            body = answer.read(64 * 1024)
    except (OSError, ValueError, http.client.HTTPException):  # the second: no address at all
        return ServiceFacts(url, reached=False), None
    facts = ServiceFacts(url, True, missing(body), called(body))
    return facts, date(url, answer.getheader("date"), clock)


def missing(body: bytes) -> tuple[tuple[str, str], ...]:
    """Return (part, code) of what a service's `/readyz` says that it lacks."""
    try:
        parts = strictjson.loads(body)["missing"]
        return tuple(
            sorted(
                (foreign_detail(part) or "unknown", foreign_code(code, "unknown"))
                for part, code in parts.items()
            )
        )
    except (Refused, KeyError, TypeError, AttributeError):
        return (("http", "not-meldeweg"),)


def called(body: bytes) -> str:
    """Return which service says this; nothing where it does not say."""
    try:
        return foreign_detail(strictjson.loads(body)["service"])
    except (Refused, KeyError, TypeError):
        return ""


def date(url: str, header: str | None, clock: Clock) -> ClockFacts | None:
    """Return what a service's Date says; nothing of one that is none."""
    try:
        theirs = parsedate_to_datetime(header or "")
    except (ValueError, OverflowError):
        return None
    return ClockFacts(url, clock.now(), theirs.replace(tzinfo=UTC))


def at(milliseconds: int) -> datetime:
    """Return the time of a broker's timestamp."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _reason(exc: OSError | ValueError | OverflowError) -> str:
    if isinstance(exc, ssl.SSLError):
        return str(exc.reason or "TLS")
    return getattr(exc, "strerror", None) or type(exc).__name__
