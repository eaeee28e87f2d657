"""How every client reaches the broker: mutual TLS 1.3, with a certificate that may be renewed.

Guarantees, for both clients (aiokafka, librdkafka): the broker's name is checked, and no older TLS
is spoken; a renewed certificate is used from the next connection on, without a restart; a
half-written one is not. Trusts: the CA file names the broker's CA alone.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meldeweg.kernel import logs
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.settings import KafkaSettings, said

# librdkafka knows no lowest version. This is what it may offer of TLS 1.2, and without a pre-shared
# key it offers none of it; those of TLS 1.3 are not in this list's power.
_NONE_BELOW_TLS_1_3 = "PSK-AES256-GCM-SHA384"
FETCH_WAIT = 200  # milliseconds; what else a client asks for waits behind an idle fetch as long

log = logs.get()


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the broker is and who we are there; each client gets its own TLS context."""

    bootstrap: str
    ca: Path
    cert: Path
    key: Path
    client_id: str

    @classmethod
    def of(cls, settings: KafkaSettings, client_id: str) -> "Connection":
        """Return the connection of a service, whose files can be used now.

        Raises Fatal `setting-invalid` with the setting of the file that can't: later it would be
        one of three, and at some reader of many.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(settings.ca)
        except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
            raise Fatal("setting-invalid", f"{said('kafka.ca')}: no readable certificate") from exc
        try:
            context.load_cert_chain(settings.cert, settings.key)
        except (OSError, ValueError) as exc:
            which = f"{said('kafka.cert')} or {said('kafka.key')}"
            raise Fatal("setting-invalid", f"{which}: not a readable pair") from exc
        return cls(settings.bootstrap, settings.ca, settings.cert, settings.key, client_id)

    def tls(self) -> "RenewingContext":
        """Return a context for aiokafka. Raises Fatal `kafka-certificate-unreadable`."""
        return RenewingContext.of(self)

    def admin_options(self) -> dict[str, Any]:
        """Return options for librdkafka, which reads the files once, when a client is made."""
        return {
            "bootstrap.servers": self.bootstrap,
            "client.id": self.client_id,
            "security.protocol": "ssl",
            "ssl.ca.location": str(self.ca),
            "ssl.certificate.location": str(self.cert),
            "ssl.key.location": str(self.key),
            "ssl.cipher.suites": _NONE_BELOW_TLS_1_3,
            "log_level": 2,  # what matters comes back as an error of a call
        }

    def stamp(self) -> tuple[int, ...]:
        """Return what changes when certificate, key or CA file change."""
        try:
            return tuple(path.stat().st_mtime_ns for path in (self.ca, self.cert, self.key))
        except OSError as exc:
            raise Fatal("kafka-certificate-unreadable", str(exc.filename)) from exc


class RenewingContext(ssl.SSLContext):
    """Looks at its files before each handshake, and counts handshakes.

    The count tells readers that a connection was made anew, perhaps to a broker that lost its disk.
    """

    handshakes: int
    _connection: Connection
    _stamp: tuple[int, ...]

    @classmethod
    def of(cls, connection: Connection) -> "RenewingContext":
        context = cls(ssl.PROTOCOL_TLS_CLIENT)  # checks host name and chain
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.handshakes = 0
        context._connection = connection
        context._stamp = connection.stamp()
        try:
            context._load()
        except (OSError, ssl.SSLError) as exc:
            raise Fatal("kafka-certificate-unreadable", str(connection.cert)) from exc
        return context

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        self.handshakes += 1
        self._renew()
        return super().wrap_bio(*args, **kwargs)

    def _renew(self) -> None:
        try:
            stamp = self._connection.stamp()
            if stamp == self._stamp:
                return
            # A mismatched pair would leave this context without any key: try it elsewhere first.
            trial = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trial.load_cert_chain(self._connection.cert, self._connection.key)
            self._load()
        except (OSError, Fatal):  # SSLError is an OSError; being written: the next handshake looks
            log.warning("certificate_not_renewed")
            return
        self._stamp = stamp
        log.info("certificate_renewed")

    def _load(self) -> None:
        self.load_verify_locations(self._connection.ca)
        self.load_cert_chain(self._connection.cert, self._connection.key)


def client_options(connection: Connection, tls: ssl.SSLContext) -> dict[str, Any]:
    """Return what aiokafka's producer and consumer have in common.

    The times are measured: a leader lost pauses acknowledgements for about three seconds, and a
    frozen broker is waited for without an error.
    """
    return {
        "bootstrap_servers": connection.bootstrap,
        "client_id": connection.client_id,
        "security_protocol": "SSL",
        "ssl_context": tls,
        "request_timeout_ms": 10_000,
        "retry_backoff_ms": 100,
    }


def fetch_min_bytes(*, patient: bool) -> int:
    """Return how much there must be before the broker answers, within FETCH_WAIT.

    Each answer, and the next question, cost the broker and the reader more than the one record that
    is in it: who is `patient` gets several at once, a fifth of a second later at most.
    """
    return 1024 * 1024 if patient else 1
