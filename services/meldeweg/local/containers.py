"""Broker and database from containers instead of child processes, where Docker is there.

Guarantees: the same settings as the processes get: mTLS 1.3, the same principals, the same ACLs,
a role per service; published on loopback alone; data in named volumes, so that a second `up` of a
directory goes on with its state. Chosen by `MELDEWEG_LOCAL=containers`.
Trusts the images; should this process be killed, testcontainers' own reaper ends the containers.
One broker only: what three do is tested with processes.
"""

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

from meldeweg.kernel.errors import Unavailable
from meldeweg.local.broker_config import Node, server_properties
from meldeweg.local.description import NodeEntry
from meldeweg.local.files import private_directory, write_private
from meldeweg.local.identity import kafka_uuid
from meldeweg.local.jars import KAFKA
from meldeweg.local.pki import Credential, DemoPki, ServiceName
from meldeweg.local.ports import LOOPBACK, Ports
from meldeweg.local.probes import kafka_answers
from meldeweg.local.processes import ProcessSpec, wait_until
from meldeweg.local.roles import ADMIN, DATABASE, QUIET_LOG, Roles
from meldeweg.local.tools import Tools

BROKER_IMAGE = f"apache/kafka:{KAFKA}"
DATABASE_IMAGE = "postgres:18"
_READY_TIMEOUT = 120.0  # seconds; without the pull of the image
_STOP_TIMEOUT = 30  # seconds
_CONFIG = "/opt/kafka/config/meldeweg"
_KAFKA_DATA = "/var/lib/kafka/data"  # a volume of the image, owned by the user it runs as
# The image's own start script makes its own settings; ours are written already.
_START_KAFKA = (
    f"/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --standalone -t {{identity}}"
    f" -c {_CONFIG}/server.properties"
    f" && exec /opt/kafka/bin/kafka-server-start.sh {_CONFIG}/server.properties"
)


def docker_is_there() -> bool:
    """Tell whether a Docker daemon listens where `DOCKER_HOST` says, or at its usual place."""
    where = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    tcp = where.hostname is not None
    with socket.socket(socket.AF_INET if tcp else socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect((where.hostname, where.port or 2375) if tcp else where.path)
        except OSError:
            return False
    return True


class _Container:
    """One container with its named volume."""

    def __init__(self, image: str, directory: Path, data: str) -> None:
        digest = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
        self._volume = f"meldeweg-{digest}-{image.split(':', 1)[0].replace('/', '-')}"
        if not docker_is_there():  # the client itself would leave a socket open when it fails
            raise Unavailable("docker-unreachable", "MELDEWEG_LOCAL=containers needs Docker")
        try:
            self.made = DockerContainer(image)
        except DockerException as exc:
            raise Unavailable("docker-unreachable", str(exc)) from exc
        self.made.with_volume_mapping(self._volume, data, "rw")

    def publish(self, port: int, inside: int) -> None:
        """On loopback alone: `with_bind_ports` knows all interfaces only."""
        self.made.ports[f"{inside}/tcp"] = (LOOPBACK, port)  # type: ignore[assignment]  # docker takes a pair

    def start(self) -> None:
        try:
            self.made.start()
        except DockerException as exc:
            raise Unavailable("container-not-started", str(exc)) from exc

    def stop(self) -> None:
        """End it in an orderly way; the volume stays."""
        running = self.made.get_wrapped_container()
        running.stop(timeout=_STOP_TIMEOUT)
        self.made.stop(delete_volume=False)

    @property
    def pid(self) -> int:
        """The process id of its first process, as the host sees it."""
        running = self.made.get_wrapped_container()
        running.reload()
        return int(running.attrs["State"]["Pid"])

    @property
    def data(self) -> Path:
        """Where the host keeps the volume."""
        volume = self.made.get_docker_client().client.volumes.get(self._volume)
        return Path(volume.attrs["Mountpoint"])


class ContainerBroker:
    """The `apache/kafka` image with our settings."""

    def __init__(self, directory: Path, pki: DemoPki, ports: Ports) -> None:
        self._directory = private_directory(directory / "broker")
        self._pki = pki
        self._port = ports.of("broker-1")
        self._controller_port = ports.of("broker-1-controller")
        self._container: _Container | None = None

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    @property
    def super_user(self) -> Credential:
        return self._pki.broker(1)

    @property
    def data(self) -> Path:
        return self._container.data if self._container else self._directory

    def prepare(self, tools: Tools | None = None) -> tuple[ProcessSpec, ...]:
        """Start the container and wait until it answers over mTLS; nothing is left to start."""
        container = _Container(BROKER_IMAGE, self._directory, _KAFKA_DATA)
        self._configure(container.made)
        container.publish(self._port, self._port)
        container.start()
        self._container = container
        wait_until(lambda: kafka_answers(self._port, self.super_user), "broker", _READY_TIMEOUT)
        return ()

    def addresses(self, running: Mapping[str, int]) -> tuple[NodeEntry, ...]:
        assert self._container is not None
        return (NodeEntry(address=self.bootstrap, pid=self._container.pid, data=self.data),)

    def release(self) -> None:
        if self._container is not None:
            self._container.stop()
            self._container = None

    def _configure(self, made: DockerContainer) -> None:
        node = Node(
            id=1,
            port=self._port,
            controller_port=self._controller_port,
            directory=Path(_CONFIG),
            keystore=Path(_CONFIG) / "keystore.pem",
        )
        text = server_properties(
            node,
            (node,),
            truststore=Path(_CONFIG) / "ca.pem",
            data=Path(_KAFKA_DATA),
            listen="0.0.0.0",  # noqa: S104 - inside the container; published on loopback alone
        )
        # Readable by the one user there is inside.
        made.with_copy_into_container(text.encode(), f"{_CONFIG}/server.properties")
        made.with_copy_into_container(self._pki.keystore(1), f"{_CONFIG}/keystore.pem")
        made.with_copy_into_container(self._pki.ca, f"{_CONFIG}/ca.pem")
        made.with_env("KAFKA_HEAP_OPTS", "-Xmx512m")
        made.with_command(["sh", "-c", _START_KAFKA.format(identity=self._identity())])

    def _identity(self) -> str:
        path = self._directory / "cluster.json"
        if not path.exists():
            write_private(path, json.dumps({"nodes": 1, "id": kafka_uuid()}).encode())
        return str(json.loads(path.read_text(encoding="utf-8"))["id"])


class ContainerPostgres:
    """The `postgres` image; on a loopback port, because a socket can't leave its container."""

    def __init__(self, directory: Path, ports: Ports) -> None:
        self._directory = private_directory(directory / "postgres")
        port = ports.of("postgres")
        self._port = port
        where = {"host": LOOPBACK, "port": str(port)}
        self._roles = Roles(directory / "secrets", lambda: where)
        self._container: _Container | None = None

    @property
    def data(self) -> Path:
        return self._container.data if self._container else self._directory

    def uri(self, role: str = ADMIN, database: str = DATABASE) -> str:
        return self._roles.uri(role, database)

    def uri_file(self, role: ServiceName) -> Path:
        return self._roles.uri_file(role)

    def prepare(self, tools: Tools | None = None) -> tuple[ProcessSpec, ...]:
        """Start the container and wait until it answers; nothing is left to start."""
        container = _Container(DATABASE_IMAGE, self._directory, "/var/lib/postgresql")
        password = "/run/initial-password"  # noqa: S105 - the name of a file inside
        made = container.made
        made.with_copy_into_container(self._roles.password(ADMIN).encode(), password)
        made.with_env("POSTGRES_PASSWORD_FILE", password)
        made.with_env(
            "POSTGRES_INITDB_ARGS",
            "--auth=scram-sha-256 --encoding=UTF8 --locale-provider=builtin --locale=C.UTF-8",
        )
        options = [part for item in QUIET_LOG.items() for part in ("-c", "=".join(item))]
        made.with_command(["postgres", *options])
        container.publish(self._port, 5432)
        container.start()
        self._container = container
        wait_until(self._roles.answers, "postgres", _READY_TIMEOUT)
        return ()

    def provision(self) -> None:
        self._roles.provision()

    def pid(self, running: Mapping[str, int]) -> int:
        assert self._container is not None
        return self._container.pid

    def release(self) -> None:
        if self._container is not None:
            self._container.stop()
            self._container = None
