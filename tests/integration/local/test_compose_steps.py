"""The steps of docker-compose.yml and the environments it gives, with processes for containers.

There is no Docker where this project is built. So here the broker runs on the very properties that
`prepare` writes, registry and gateway run on the very variables of the file over TLS, `provision`
and `enrol` do their work, and the file's own health checks say when all is well. Changed are only
paths, addresses and ports; and the database listens on a socket, for the wheel's server lacks TLS.
"""

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from meldeweg.ceremony.desk import Desk
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.clock import SystemClock
from meldeweg.local import broker as brokers
from meldeweg.local import compose
from meldeweg.local.bootstrap import bootstrap
from meldeweg.local.compose import Layout
from meldeweg.local.files import write_private
from meldeweg.local.jars import broker_jars
from meldeweg.local.postgres import Postgres
from meldeweg.local.probes import kafka_answers
from meldeweg.local.processes import wait_until

ROOT = Path(__file__).parents[3]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
GATEWAY = "gateway-jugendamt-nettetal"
pytestmark = pytest.mark.timeout(300)


class Machine:
    """Stands for Docker: starts what a service of the file says, with its volume where it lies."""

    def __init__(self, layout):
        self.layout = layout
        self.ports = {}
        self.running = {}

    def translated(self, name, text):
        """Return text of the file as it is true here."""
        text = text.replace("/etc/meldeweg", str(self.layout.of(name)))
        text = text.replace("/var/lib/meldeweg", str(self.layout.of(f"store-{name}")))
        return text.replace("broker:9092", f"localhost:{compose.BROKER_PORT}")

    def start(self, name):
        self.ports[name] = free_port()
        given = {
            variable: self.translated(name, value)
            for variable, value in SERVICES[name]["environment"].items()
        }
        given["MELDEWEG_HTTP__HOST"] = "127.0.0.1"
        given["MELDEWEG_HTTP__PORT"] = str(self.ports[name])
        (module,) = SERVICES[name]["command"]
        self._spawn(name, [sys.executable, "-m", module], given)

    def start_broker(self):
        directory = self.layout.of("broker")
        properties = directory / "here.properties"
        text = (directory / "server.properties").read_text()
        write_private(properties, self.translated("broker", text).encode())
        java = brokers._java(broker_jars(), "-Xmx512m")
        identity = (directory / "cluster-id").read_text()
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "--standalone"]
        subprocess.run(
            [*java, *tool, "-t", identity, "-c", str(properties)], check=True, capture_output=True
        )
        self._spawn("broker", [*java, "kafka.Kafka", str(properties)], {})

    def healthy(self, name):
        """Run the file's own health check."""
        *_, code = SERVICES[name]["healthcheck"]["test"]
        code = self.translated(name, code).replace(":8443", f":{self.ports[name]}")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        return done.returncode == 0

    def wait(self, name, seconds=90):
        until = time.monotonic() + seconds
        while not self.healthy(name):
            assert self.running[name].poll() is None, self.log(name)
            assert time.monotonic() < until, self.log(name)
            time.sleep(0.3)

    def log(self, name):
        return (self.layout.root / f"{name}.log").read_text()[-3000:]

    def stop(self):
        for process in reversed(self.running.values()):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.running.values()):
            process.wait(60)

    def _spawn(self, name, command, given):
        own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "services"), **given}
        with (self.layout.root / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                command, env=own, cwd=self.layout.root, stdout=log, stderr=log
            )


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "BROKER_PORT", free_port())
        patch.setattr(compose, "CONTROLLER_PORT", free_port())
        root = tmp_path_factory.mktemp("compose")
        layout = Layout(root, root, root / "kafka-data", {"broker": "localhost"})
        compose.volumes(layout)
        for name in ("registry", GATEWAY):
            layout.of(f"store-{name}").mkdir(mode=0o700)
        compose.prepare(layout, load_district("kreis-viersen"), SystemClock())
        # `server.properties` names the container's mount; here each volume has its own place.
        text = compose.server_properties(dataclasses.replace(layout, mount=Path("/etc/meldeweg")))
        write_private(layout.of("broker") / "server.properties", text.encode())
        made = Machine(layout)
        with Postgres(root / "database") as postgres:
            uri = postgres.uri("registry")
            write_private(layout.of("registry") / "database.uri", uri.encode())
            try:
                yield made
            finally:
                made.stop()


def test_the_steps_bring_a_district_up(machine):
    layout = machine.layout
    pki = layout.pki(SystemClock())
    machine.start_broker()
    super_user = pki.broker(1)
    wait_until(lambda: kafka_answers(compose.BROKER_PORT, super_user), "broker", 90)

    bootstrap(
        layout.bootstrap(), super_user, pki.service("registry")
    )  # `provision`, its second half
    machine.start("registry")
    machine.wait("registry")

    here = dataclasses.replace(layout, hosts={"registry": "localhost"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "HTTP_PORT", machine.ports["registry"])
        handed_in = compose.enrol(here)
        assert compose.enrol(here) == handed_in == 2 + 6 + 1 + 6

    machine.start(GATEWAY)
    machine.wait(GATEWAY)
    with Desk(
        f"https://localhost:{machine.ports['registry']}",
        layout.secret("operator-token"),
        layout.of("ceremony") / "pki" / "ca.pem",
    ) as desk:
        assert {each["status"] for each in desk.agreements()} == {"in-force"}
        until = time.monotonic() + 30
        while not _published(desk):
            assert time.monotonic() < until, machine.log(GATEWAY)
            time.sleep(0.3)


def _published(desk):
    """Whether the gateway's certificates went over the broker to the registry."""
    (nettetal,) = [each for each in desk.agencies() if each["agency"] == GATEWAY[8:]]
    return len(nettetal["keys"]) == 3


def test_nothing_of_it_listens_beyond_what_the_file_says(machine):
    properties = (machine.layout.of("broker") / "server.properties").read_text()
    assert re.search(r"^listeners=MTLS://0\.0\.0\.0:\d+,CONTROLLER://127\.0\.0\.1:\d+$",
                     properties, re.MULTILINE)  # fmt: skip
