"""Broker, database, certificates and ports of one directory: what every service stands on.

Guarantees: which kind of broker and database (child processes, containers) is decided here and seen
nowhere else. Trusts the directory to be locked for this stack.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.kernel.settings import refuse_any
from meldeweg.local.bootstrap import bootstrap
from meldeweg.local.broker import Broker, Nodes
from meldeweg.local.description import BrokerEntry, NodeEntry, PostgresEntry
from meldeweg.local.pki import Credential, DemoPki, ServiceName
from meldeweg.local.ports import Ports
from meldeweg.local.postgres import Postgres
from meldeweg.local.processes import ProcessSpec
from meldeweg.local.tools import Tools

KIND_VARIABLE = "MELDEWEG_LOCAL"
PROCESSES, CONTAINERS = "processes", "containers"


class BrokerParts(Protocol):
    """A broker: processes to be started (`prepare` names them), or one that `prepare` started."""

    @property
    def data(self) -> Path: ...
    @property
    def bootstrap(self) -> str: ...
    @property
    def super_user(self) -> Credential: ...
    def prepare(self, tools: Tools | None = None) -> tuple[ProcessSpec, ...]: ...
    def addresses(self, running: Mapping[str, int]) -> tuple[NodeEntry, ...]: ...
    def release(self) -> None: ...


class DatabaseParts(Protocol):
    """A database, likewise."""

    @property
    def data(self) -> Path: ...
    def uri(self) -> str: ...
    def uri_file(self, role: ServiceName) -> Path: ...
    def prepare(self, tools: Tools | None = None) -> tuple[ProcessSpec, ...]: ...
    def provision(self) -> None: ...
    def pid(self, running: Mapping[str, int]) -> int: ...
    def release(self) -> None: ...


class Backbone:
    """What services are given. Everything in it lies below `directory`."""

    def __init__(self, directory: Path, *, brokers: Nodes = 1) -> None:
        self.directory = directory
        self.pki = DemoPki(directory / "pki")
        self.ports = Ports(directory / "ports.json")
        self.broker: BrokerParts
        self.postgres: DatabaseParts
        refuse_any()
        kind = os.environ.get(KIND_VARIABLE) or PROCESSES
        if kind not in (PROCESSES, CONTAINERS):  # who misspells it would believe to test the other
            raise Fatal("setting-invalid", f"{KIND_VARIABLE}: {PROCESSES} or {CONTAINERS}")
        if kind == CONTAINERS:
            from meldeweg.local import containers  # noqa: PLC0415 - testcontainers: not everywhere

            if brokers != 1:
                raise Refused("containers-one-broker", "three brokers run as processes only")
            self.broker = containers.ContainerBroker(directory, self.pki, self.ports)
            self.postgres = containers.ContainerPostgres(directory, self.ports)
        else:
            self.broker = Broker(directory, nodes=brokers, pki=self.pki, ports=self.ports)
            self.postgres = Postgres(directory)

    def prepare(self, tools: Tools) -> tuple[ProcessSpec, ...]:
        """Write, format, initialise what is not there yet; return what is to be started."""
        return (*self.postgres.prepare(tools), *self.broker.prepare(tools))

    def provision(self) -> None:
        """Once both answer: roles and schemas, and the rights of the registry. Idempotent."""
        self.postgres.provision()
        bootstrap(self.broker.bootstrap, self.broker.super_user, self.pki.service("registry"))

    def release(self) -> None:
        """Once both have ended: remove what only a running one needs."""
        self.broker.release()
        self.postgres.release()

    def describe_broker(self, running: Mapping[str, int]) -> BrokerEntry:
        nodes = self.broker.addresses(running)
        return BrokerEntry(
            bootstrap=self.broker.bootstrap,
            ca=self.pki.ca,
            pid=nodes[0].pid,
            data=self.broker.data,
            nodes=nodes if len(nodes) > 1 else (),
        )

    def describe_postgres(self, running: Mapping[str, int]) -> PostgresEntry:
        return PostgresEntry(
            uri=self.postgres.uri(), data=self.postgres.data, pid=self.postgres.pid(running)
        )
