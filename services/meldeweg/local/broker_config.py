"""What the broker is told: `server.properties` and its logging, from a few numbers.

Guarantees: mTLS 1.3 on every listener, an authorizer that denies by default, only brokers are super
users, nothing creates topics by writing to them, everything listens on loopback. Pure: text out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from meldeweg.local.pki import ORGANIZATION
from meldeweg.local.ports import LOOPBACK


@dataclass(frozen=True, slots=True)
class Node:
    """One combined broker and controller."""

    id: int
    port: int
    controller_port: int
    directory: Path
    keystore: Path

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def controller(self) -> str:
        return f"{LOOPBACK}:{self.controller_port}"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def properties(self) -> Path:
        return self.directory / "server.properties"


# The certificate's subject as Java prints it (RFC 2253: reversed). A subject that matches neither
# rule keeps its whole name as principal, and nothing is ever granted to that.
PRINCIPAL_RULES = (
    f"RULE:^CN=([a-z0-9-]+),OU=gateway,O={ORGANIZATION}$/gw-$1/,"
    f"RULE:^CN=([a-z0-9-]+),OU=(service|broker),O={ORGANIZATION}$/$2-$1/,"
    "DEFAULT"
)


def security() -> dict[str, str]:
    """Return what holds for every broker, here and in a container: TLS, names, rights."""
    return {
        "listener.security.protocol.map": "MTLS:SSL,CONTROLLER:SSL",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "MTLS",
        "ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.truststore.type": "PEM",
        "ssl.enabled.protocols": "TLSv1.3",
        "ssl.principal.mapping.rules": PRINCIPAL_RULES,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "auto.create.topics.enable": "false",
    }


def replication(brokers: int) -> dict[str, str]:
    """Return replication for `brokers` nodes: with three, one may be lost at any moment."""
    factor, minimum = ("3", "2") if brokers >= 3 else ("1", "1")
    return {
        "default.replication.factor": factor,
        "min.insync.replicas": minimum,
        "offsets.topic.replication.factor": factor,
        "transaction.state.log.replication.factor": factor,
        "transaction.state.log.min.isr": minimum,
        "share.coordinator.state.topic.replication.factor": factor,
        "share.coordinator.state.topic.min.isr": minimum,
    }


def behaviour() -> dict[str, str]:
    """Return what makes it small and quick to come back; nothing here weakens a promise."""
    return {
        "log.message.timestamp.type": "LogAppendTime",
        "compression.type": "uncompressed",  # consumers lack codecs
        "group.initial.rebalance.delay.ms": "0",
        # After kill -9 the controller must forget the old session before the node may come back.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.num.partitions": "1",  # nobody is granted transactions
        "share.coordinator.state.topic.num.partitions": "1",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": "16777216",
    }


def server_properties(
    node: Node,
    cluster: tuple[Node, ...],
    truststore: Path,
    *,
    data: Path | None = None,
    listen: str = LOOPBACK,
) -> str:
    """Return the file for one node of the cluster.

    `data`: where it is not the node's own. `listen`: what clients reach under the node's address,
    where that is not loopback itself (inside a container).
    """
    advertised = f"MTLS://{node.address},CONTROLLER://{node.controller}"
    listeners = f"MTLS://{listen}:{node.port},CONTROLLER://{node.controller}"
    own = {
        "process.roles": "broker,controller",
        "node.id": str(node.id),
        "controller.quorum.bootstrap.servers": ",".join(each.controller for each in cluster),
        "listeners": listeners,
        "advertised.listeners": advertised,
        "ssl.keystore.location": str(node.keystore),
        "ssl.truststore.location": str(truststore),
        "super.users": ";".join(f"User:broker-{each.id}" for each in cluster),
        "log.dirs": str(data or node.data),
    }
    return render(own | security() | replication(len(cluster)) | behaviour())


def render(settings: Mapping[str, str]) -> str:
    """Write Java properties: Latin-1, where a backslash in a value (a path, a pattern) escapes."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in settings.items())


def _escaped(value: str) -> str:
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = (int.from_bytes(units[n : n + 2]) for n in range(0, len(units), 2))
    return "".join(chr(code) if code < 0x80 else f"\\u{code:04x}" for code in codes)


def log4j_properties() -> str:
    """Return log4j's configuration: JSON lines on standard output, warnings and the milestones.

    The supervisor bounds and rotates the file. No request logging: it would name who reads what.
    """
    line = (
        r'{"timestamp":"%d{yyyy-MM-dd}{UTC}T%d{HH:mm:ss.SSS}{UTC}Z","level":"%p{lowerCase=true}",'
        r'"service":"broker","logger":"%c","event":"%enc{%m}{JSON}","exception":"%enc{%xEx}{JSON}"}'
    )
    return "\n".join(
        (
            "status=error",
            "appender.out.type=Console",
            "appender.out.name=out",
            "appender.out.layout.type=PatternLayout",
            "appender.out.layout.alwaysWriteExceptions=false",
            f"appender.out.layout.pattern={line}%n",
            "rootLogger.level=warn",
            "rootLogger.appenderRef.out.ref=out",
            "logger.server.name=kafka.server.KafkaRaftServer",
            "logger.server.level=info",
            "logger.lifecycle.name=org.apache.kafka.server.BrokerLifecycleManager",
            "logger.lifecycle.level=info",
            # Denials are expected in the demo and counted; at info it would log each of them.
            "logger.authorizer.name=kafka.authorizer.logger",
            "logger.authorizer.level=warn",
            "",
        )
    )
