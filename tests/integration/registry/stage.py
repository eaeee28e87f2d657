"""The registry as a process on real parts, and a look at the broker as its gateways have it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx2
import psycopg
from aiokafka.client import AIOKafkaClient, CoordinationType  # noqa: TID251 - ends a session
from aiokafka.protocol.group import LeaveGroupRequest  # noqa: TID251 - as above
from confluent_kafka import KafkaError, KafkaException  # noqa: TID251 - as below
from confluent_kafka.admin import AdminClient  # noqa: TID251 - deletes what only a test may delete

import meldeweg
import plain
from meldeweg.ceremony import district as ceremony
from meldeweg.ceremony.desk import Desk
from meldeweg.ceremony.district import Places
from meldeweg.kernel import signing
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import client_options
from meldeweg.kernel.bus.probe import read_is_allowed
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust.objects import Enrolment
from meldeweg.local.bootstrap import bootstrap, connection, registry_rights
from meldeweg.local.ports import Ports

POLICE, OFFICE, OTHER = (
    AgencyId(each) for each in ("polizei-viersen", "jugendamt-kreis-viersen", "jugendamt-kempen")
)
GROUP = "registry.trust"


class Stage:
    def __init__(self, broker, postgres, directory):
        self.broker, self.postgres, self.directory = broker, postgres, directory
        self.places = Places(directory / "trust")
        self.admin = Admin(self.connection(broker.super_user))
        self.url = f"http://127.0.0.1:{Ports(directory / 'ports.json').of('registry')}"
        self._process = None
        (directory / "token").write_text("ein erfundenes Zeichen\n")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        self.kill()
        await self.admin.close()

    def connection(self, credential):
        return connection(self.broker.bootstrap, credential)

    async def clean(self):
        """Nothing is on the broker but the registry's own rights, nothing in its book."""
        await self.lose_topics()
        with psycopg.connect(self.postgres.uri(), autocommit=True) as admin:
            admin.execute("DROP SCHEMA registry CASCADE")
            admin.execute("CREATE SCHEMA registry AUTHORIZATION registry")
        ceremony.prepare(self.places, load_district("kreis-viersen"), SystemClock())

    async def lose_topics(self):
        """As a broker that lost its disk: no topic, no right but what was bootstrapped."""
        raw = AdminClient(self.connection(self.broker.super_user).admin_options())
        names = list(await self.admin.topics())
        for future in raw.delete_topics(names).values() if names else ():
            await asyncio.to_thread(future.result, 60)
        if names:  # a fresh broker has no coordinator yet that could be asked
            await self._dismiss(raw)
            await eventually(lambda: self._forget_group(raw))
        own = set(registry_rights("service-registry"))
        with suppress(Refused):  # a fresh broker: it has none at all
            await self.admin.delete_acls(await self.admin.acls() - own)
        await asyncio.to_thread(
            bootstrap,
            self.broker.bootstrap,
            self.broker.super_user,
            self.broker.pki.service("registry"),
        )
        await eventually(self._no_topics)

    async def _dismiss(self, raw):
        """Take the killed process out of its group: by itself the broker waits for its session."""
        (described,) = raw.describe_consumer_groups([GROUP]).values()
        members = (await asyncio.to_thread(described.result, 60)).members
        connection = self.connection(self.broker.super_user)
        client = AIOKafkaClient(**client_options(connection, connection.tls()))
        try:
            await client.bootstrap()
            node = await client.coordinator_lookup(CoordinationType.GROUP, GROUP)
            await client.ready(node)
            for each in members:
                await client.send(node, LeaveGroupRequest(GROUP, each.member_id))
        finally:
            await client.close()

    async def _forget_group(self, raw):
        """A static member's last assignment would name topics that are no more."""
        (future,) = raw.delete_consumer_groups([GROUP]).values()
        try:
            await asyncio.to_thread(future.result, 60)
        except KafkaException as exc:
            return exc.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND
        return True

    async def _no_topics(self):
        return not await self.admin.topics()

    # -- the registry's process --------------------------------------------------------------

    def start(self, *, ready=True, **settings):
        credential = self.broker.pki.service("registry")
        given = {
            "mode": "demo",
            "http.port": self.url.rpartition(":")[2],
            "kafka.bootstrap": self.broker.bootstrap,
            "kafka.ca": credential.ca,
            "kafka.cert": credential.cert,
            "kafka.key": credential.key,
            "database": self.postgres.uri_file("registry"),
            "anchor": self.places.anchor,
            "signing_key": self.places.service_key("registry"),
            "operator_token": self.directory / "token",
            "replication": 1,
            "reconcile_seconds": 0.5,
            "snapshot_seconds": 0.5,
        } | settings
        env = {f"MELDEWEG_{name.upper().replace('.', '__')}": str(v) for name, v in given.items()}
        log = (self.directory / "registry.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "meldeweg.registry"],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path(meldeweg.__file__).parents[1]),
                **env,
            },
            stdout=log,
            stderr=log,
        )
        log.close()
        if ready:
            self.wait_ready()

    def wait_ready(self, seconds=90):
        end = time.monotonic() + seconds
        while not self.is_ready():
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)

    def is_ready(self):
        try:
            return plain.get(f"{self.url}/readyz").status_code == 200
        except httpx2.HTTPError:
            assert self._process.poll() is None, self.log()
            return False

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def ended_by(self):
        """Wait for the process to die by itself; return the signal."""
        code = self._process.wait(60)
        self._process = None
        return signal.Signals(-code)

    def log(self):
        return (self.directory / "registry.log").read_text()

    def logged(self, event):
        found = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [each for each in found if each.get("event") == event]

    def desk(self):
        return Desk(self.url, "ein erfundenes Zeichen")

    def hand_in_all(self):
        """Hand in the whole district and wait until every topic and right is there."""
        with self.desk() as desk:
            ceremony.publish(self.places, desk)
            end = time.monotonic() + 60
            while any(desk.plan().values()):
                assert time.monotonic() < end, desk.plan()
                time.sleep(0.05)

    def enrolment(self, agency):
        """Return the enrolment with which the district was set up."""
        value = self.places.issued(f"2-{agency}").read_bytes()
        return Enrolment.read_signed(signing.parse(value, Typ.ENROLMENT).payload, "made-here")

    # -- what a gateway finds at the broker -----------------------------------------------------

    async def values(self, topic):
        found = await read_all(self.connection(self.broker.super_user), (topic,))
        return [record.value for record in found]

    async def may_read(self, agency, topic):
        gateway = self.connection(self.broker.pki.gateway(agency))
        try:
            await read_is_allowed(gateway, topic)
        except Refused:
            return False
        return True

    def producer(self, agency):
        return Producer(self.connection(self.broker.pki.gateway(agency)))

    async def may_write(self, agency, topic):
        producer = self.producer(agency)
        try:
            (sent,) = await producer.send([Outgoing(topic, None, b"invented")])
        except Unavailable:
            return False
        finally:
            await producer.stop()
        return isinstance(sent, Ack)


async def eventually(look, within=60.0):
    end = time.monotonic() + within
    while not (found := await look()):
        assert time.monotonic() < end, "did not happen in time"
        await asyncio.sleep(0.05)
    return found
