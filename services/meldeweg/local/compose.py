"""The one-shot steps of docker-compose.yml, each a container that runs once and ends.

    volumes    (when the image is built) the empty directory of each container's volume
    prepare    certificates, keys, passwords and the broker's settings: a directory per container
    provision  once broker and database answer: roles and schemas, and the rights of the registry
    enrol      once the registry answers: hand in enrolments, agreement and signatures

Guarantees: idempotent, so `up` again changes nothing; each directory is one container's volume and
holds that container's secrets alone; anchor, identity and oversight keys lie in `ceremony`, which
no service mounts. Trusts whoever runs it with the keys of all agencies: for trying out and for
exercises. In production each agency makes its own keys on its own machine (`meldeweg keys`).
"""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from meldeweg.ceremony import district as ceremony
from meldeweg.ceremony.desk import Desk
from meldeweg.ceremony.district import Places
from meldeweg.kernel.agreement import DistrictConfig, districts, load_district
from meldeweg.kernel.clock import Clock, SystemClock
from meldeweg.kernel.errors import Fatal, MeldewegError, Unavailable
from meldeweg.local.bootstrap import bootstrap
from meldeweg.local.broker_config import (
    behaviour,
    log4j_properties,
    render,
    replication,
    security,
)
from meldeweg.local.files import private_directory, secret, write_private
from meldeweg.local.identity import kafka_uuid
from meldeweg.local.pki import Credential, DemoPki, ServiceName
from meldeweg.local.processes import wait_until
from meldeweg.local.roles import ADMIN, Roles

SERVICES: tuple[ServiceName, ...] = ("registry", "audit", "watch")
CENTRAL = ("ceremony", "broker", "broker-data", "postgres", "postgres-data", *SERVICES)
BROKER_PORT, CONTROLLER_PORT, DATABASE_PORT, HTTP_PORT = 9092, 9093, 5432, 8443
_ACCESS = b"hostssl all all all scram-sha-256\nlocal all all scram-sha-256\n"
_PATIENCE = 120.0  # seconds until broker and database must answer


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the volumes are here (`root`), and where a container sees its own (`mount`)."""

    root: Path = Path("/setup")
    mount: Path = Path("/etc/meldeweg")
    broker_data: Path = Path("/var/lib/kafka-data")
    hosts: Mapping[str, str] = field(default_factory=dict)  # a container's name, unless its own

    def of(self, container: str) -> Path:
        """Return the directory that becomes this container's volume."""
        return self.root / container

    def host(self, container: str) -> str:
        return self.hosts.get(container, container)

    def places(self) -> Places:
        return Places(self.of("ceremony"))

    def secret(self, name: str) -> str:
        return secret(private_directory(self.of("ceremony") / "secrets") / name)

    def pki(self, clock: Clock) -> DemoPki:
        return DemoPki(self.of("ceremony") / "pki", clock, broker_names=("broker",))

    def bootstrap(self) -> str:
        return f"{self.host('broker')}:{BROKER_PORT}"

    def roles(self) -> Roles:
        """Return the database's roles, as seen from here."""
        where = self._database(self.of("ceremony") / "pki" / "ca.pem")
        return Roles(self.of("ceremony") / "secrets", lambda: where)

    def uri(self, role: ServiceName) -> str:
        """Return the URI that the container of `role` uses."""
        where = self._database(self.mount / "ca.pem") | {"passfile": str(self.mount / "pgpass")}
        return f"postgresql://{role}@/meldeweg?" + "&".join(
            f"{name}={value}" for name, value in where.items()
        )

    def _database(self, ca: Path) -> dict[str, str]:
        return {
            "host": self.host("postgres"),
            "port": str(DATABASE_PORT),
            "sslmode": "verify-full",
            "sslrootcert": str(ca),
        }


def volumes(layout: Layout) -> None:
    """Make every directory, for every district there is: a volume takes its owner from it."""
    agencies = {partner.agency for name in districts() for partner in load_district(name).parties}
    for name in (*CENTRAL, *(f"gateway-{agency}" for agency in sorted(agencies))):
        private_directory(layout.of(name))


def prepare(layout: Layout, district: DistrictConfig, clock: Clock) -> None:
    """Fill every container's directory. Touches nothing that is still good."""
    private_directory(layout.of("ceremony"))
    places, pki = layout.places(), layout.pki(clock)
    ceremony.prepare(places, district, clock)
    _broker(layout, pki)
    _database(layout, pki)
    for service in SERVICES:
        _fill(layout, service, _common(layout, pki, service, pki.service(service)))
    _fill(
        layout,
        "registry",
        {
            "signing.jwk": places.service_key("registry").read_bytes(),
            "operator-token": layout.secret("operator-token").encode(),
            **_database_of(layout, "registry"),
        },
    )
    auditor = hashlib.sha256(layout.secret("auditor-token").encode()).hexdigest()
    _fill(
        layout,
        "audit",
        {
            "checkpoints.jwk": places.service_key("audit").read_bytes(),
            "auditors": f"datenschutz {auditor}\n".encode(),
            **_database_of(layout, "audit"),
        },
    )
    _fill(layout, "watch", {"operator-token": layout.secret("operator-token").encode()})
    for partner in district.parties:
        name = f"gateway-{partner.agency}"
        files = _common(layout, pki, name, pki.gateway(partner.agency))
        for path in places.keys(partner.agency).iterdir():
            if path.suffix in (".jwk", ".jws"):
                files[f"keys/{path.name}"] = path.read_bytes()
        _fill(layout, name, files)


def provision(layout: Layout, clock: Clock) -> None:
    """Bring database and broker to what the services need. Waits until both answer."""
    roles, pki = layout.roles(), layout.pki(clock)
    wait_until(roles.answers, "postgres", _PATIENCE)
    roles.provision()
    super_user, registry = pki.broker(1), pki.service("registry")
    wait_until(lambda: bootstrap(layout.bootstrap(), super_user, registry), "broker", _PATIENCE)


def enrol(layout: Layout) -> int:
    """Hand everything in at the registry; returns how many objects."""
    url = f"https://{layout.host('registry')}:{HTTP_PORT}"
    ca = layout.of("ceremony") / "pki" / "ca.pem"
    with Desk(url, layout.secret("operator-token"), ca) as desk:
        return ceremony.publish(layout.places(), desk)


def server_properties(layout: Layout) -> str:
    """Return the broker's settings: one node, reached by its name, its controller by itself."""
    own = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"localhost:{CONTROLLER_PORT}",
        "listeners": f"MTLS://0.0.0.0:{BROKER_PORT},CONTROLLER://127.0.0.1:{CONTROLLER_PORT}",
        "advertised.listeners": (
            f"MTLS://{layout.bootstrap()},CONTROLLER://localhost:{CONTROLLER_PORT}"
        ),
        "ssl.keystore.location": str(layout.mount / "keystore.pem"),
        "ssl.truststore.location": str(layout.mount / "ca.pem"),
        "super.users": "User:broker-1",
        "log.dirs": str(layout.broker_data),
    }
    return render(own | security() | replication(1) | behaviour())


def _broker(layout: Layout, pki: DemoPki) -> None:
    cluster = layout.of("broker") / "cluster-id"
    _fill(
        layout,
        "broker",
        {
            "ca.pem": pki.ca.read_bytes(),
            "keystore.pem": pki.keystore(1).read_bytes(),
            "server.properties": server_properties(layout).encode(),
            "log4j2.properties": log4j_properties().encode(),
            "cluster-id": cluster.read_bytes() if cluster.exists() else kafka_uuid().encode(),
        },
    )


def _database(layout: Layout, pki: DemoPki) -> None:
    server = pki.server("postgres")
    _fill(
        layout,
        "postgres",
        {
            "server.crt": server.cert.read_bytes(),
            "server.key": server.key.read_bytes(),
            "admin-password": layout.roles().password(ADMIN).encode(),
            "pg_hba.conf": _ACCESS,
        },
    )


def _common(layout: Layout, pki: DemoPki, name: str, kafka: Credential) -> dict[str, bytes]:
    """Return what every service of ours has: who it is at the broker, and to its callers."""
    http = pki.server(name)
    return {
        "ca.pem": pki.ca.read_bytes(),
        "kafka.crt": kafka.cert.read_bytes(),
        "kafka.key": kafka.key.read_bytes(),
        "http.crt": http.cert.read_bytes(),
        "http.key": http.key.read_bytes(),
        "anchor.pub.jwk": layout.places().anchor.read_bytes(),
    }


def _database_of(layout: Layout, role: ServiceName) -> dict[str, bytes]:
    password = layout.roles().password(role)
    return {
        "database.uri": layout.uri(role).encode(),
        "pgpass": f"*:*:*:{role}:{password}\n".encode(),
    }


def _fill(layout: Layout, container: str, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = layout.of(container) / name
        private_directory(path.parent)
        if not path.exists() or path.read_bytes() != content:
            write_private(path, content)


def main(arguments: list[str]) -> int:
    """Run one step; exit codes as of the command line."""
    layout, clock = Layout(), SystemClock()
    try:
        match arguments:
            case ["volumes"]:
                volumes(layout)
            case ["prepare", district]:
                prepare(layout, load_district(district), clock)
            case ["provision"]:
                provision(layout, clock)
            case ["enrol"]:
                print(f"{enrol(layout)} objects handed in")  # noqa: T201 - a command
            case _:
                print(__doc__, file=sys.stderr)  # noqa: T201 - a command
                return 2
    except (Fatal, Unavailable) as exc:
        print(exc, file=sys.stderr)  # noqa: T201 - a command
        return 10
    except MeldewegError as exc:
        print(exc, file=sys.stderr)  # noqa: T201 - a command
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
