"""Kreis Viersen on a real broker, with real gateway processes and no other service.

The registry's part is played here with the broker's super user: its own plan (`provisioning`), and
the objects of the ceremony written to its topics. So a test of gateways fails for gateways.
"""

import asyncio
import copy
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import httpx2

import meldeweg
from meldeweg.ceremony import district as ceremony
from meldeweg.gateway import tokens
from meldeweg.gateway.api.ports import Scope
from meldeweg.kernel import keyfile, topics
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.trust.register import Register
from meldeweg.local.bootstrap import registry_rights
from meldeweg.local.broker import Broker
from meldeweg.registry.apply import Provisioner

SERVICES = Path(meldeweg.__file__).parents[1]
POLICE = AgencyId("polizei-viersen")
KREIS = AgencyId("jugendamt-kreis-viersen")
NETTETAL = AgencyId("jugendamt-nettetal")
FAST = {
    "MELDEWEG_KEYS_LOOK_EVERY": "0.5",
    "MELDEWEG_WATCH__LOOK_EVERY": "0.3",
    "MELDEWEG_PARKING__LOOK_EVERY": "1",
    "MELDEWEG_OUTBOX__LOOK_EVERY": "0.5",
    "MELDEWEG_OUTBOX__FREE_MIN": "0",
}


async def _sees_rights(admin):
    """Say whether the first right is in force: none at all looks as if one might not look."""
    try:
        return bool(await admin.acls())
    except Refused:
        return False


class District:
    """A broker with a district's topics, rights and trust; gateways are started one by one."""

    def __init__(self, directory):
        self.directory = directory
        self.places = ceremony.Places(directory / "district")
        self.clock = SystemClock()
        self.config = load_district("kreis-viersen")
        self.places.root.mkdir(mode=0o700)
        ceremony.prepare(self.places, self.config, self.clock)
        self.broker = Broker(directory / "stack")
        self.gateways = []

    def __enter__(self):
        self.broker.start()
        asyncio.run(self.publish())
        return self

    def __exit__(self, *exc):
        for gateway in self.gateways:
            gateway.kill()
        self.broker.stop()

    def connection(self):
        credential = self.broker.super_user
        return Connection(
            self.broker.bootstrap, credential.ca, credential.cert, credential.key, "test"
        )

    async def publish(self):
        """Create topics, give rights, write the issued objects: what the registry would do."""
        issued = [path.read_bytes() for path in sorted(self.places.issued().iterdir())]
        self.register = Register(keyfile.read_public_key(self.places.anchor))
        for value in issued:
            self.register.apply(_topic(value), value)
        admin = Admin(self.connection())
        provisioner = Provisioner(self.register, admin, self.clock, replication=1, period=60)
        try:
            await admin.create_acls(registry_rights("service-registry"))
            async with asyncio.timeout(60):
                while not await _sees_rights(admin):  # noqa: ASYNC110 - the broker tells nobody
                    await asyncio.sleep(0.1)
            await provisioner.reconcile()
        finally:
            await admin.close()
        await self.write(*(Outgoing(_topic(value), None, value) for value in issued))

    async def write(self, *records):
        """Write with every right there is."""
        producer = Producer(self.connection())
        try:
            async with asyncio.timeout(60):
                while not all(isinstance(each, Ack) for each in await producer.send(records)):  # noqa: ASYNC110 - ACLs take a moment
                    await asyncio.sleep(0.2)
        finally:
            await producer.stop()

    def gateway(self, agency, name="store", **environment):
        """Start a gateway of `agency` on the store called `name`; one that still runs is ended.

        Two instances of one agency would take the membership of the group from each other.
        """
        for earlier in self.gateways:
            if earlier.agency == agency:
                earlier.kill()
        gateway = Gateway(self, agency, self.directory / f"{agency}-{name}", environment)
        self.gateways.append(gateway)
        return gateway.start()


def _topic(value):
    if value[:1] == b"{":
        return topics.REGISTRY_AGREEMENTS
    from meldeweg.kernel import signing

    typ = signing.typ_of(value)
    agreed = typ is signing.Typ.AGREEMENT_SIGNATURE
    return topics.REGISTRY_AGREEMENTS if agreed else topics.REGISTRY_AGENCIES


class Gateway:
    """One process; the same store and the same token after a restart."""

    def __init__(self, district, agency, store, environment):
        self.district, self.agency, self.store = district, agency, store
        self.environment = environment
        self.log = store.with_suffix(".log")
        self.process = None
        self.faults = None  # failpoints of the present process
        self.token = tokens.create(store, "test", list(Scope), district.clock.now())

    def twin(self):
        """Return another instance for the same store, with a log of its own."""
        twin = copy.copy(self)
        twin.log = self.store.with_suffix(".twin.log")
        self.district.gateways.append(twin)
        return twin

    def start(self, **environment):
        self.faults = environment.get("MELDEWEG_FAILPOINTS")
        credential = self.district.broker.pki.gateway(self.agency)
        settings = {
            "PYTHONPATH": str(SERVICES),
            "MELDEWEG_MODE": "demo",
            "MELDEWEG_AGENCY": self.agency,
            "MELDEWEG_STORE": str(self.store),
            "MELDEWEG_KEYS": str(self.district.places.keys(self.agency)),
            "MELDEWEG_ANCHOR": str(self.district.places.anchor),
            "MELDEWEG_AUDIT__URL": "http://127.0.0.1:9",  # there is none here: nobody waits for it
            "MELDEWEG_KAFKA__BOOTSTRAP": self.district.broker.bootstrap,
            "MELDEWEG_KAFKA__CA": str(credential.ca),
            "MELDEWEG_KAFKA__CERT": str(credential.cert),
            "MELDEWEG_KAFKA__KEY": str(credential.key),
        }
        clean = {name: value for name, value in os.environ.items() if "MELDEWEG" not in name}
        with self.log.open("ab") as log:
            self._seen = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "meldeweg.gateway"],
                env=clean | settings | FAST | self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self.url = self._wait(self._url, 90)
        self.http = httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
            trust_env=False,
        )
        return self

    def ready(self, seconds=90):
        """Wait until `/readyz` says so."""
        self._wait(lambda: self.http.get("/readyz").status_code == 200, seconds)
        return self

    def kill(self):
        """As a power cut would."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        if self.process:
            self.process.wait()
            self.http.close()

    def terminate(self, seconds=20):
        self.process.terminate()
        code = self.process.wait(seconds)
        self.http.close()
        return code

    def lines(self):
        """Return what the present process logged."""
        data = self.log.read_bytes()[self._seen :]
        return [json.loads(line) for line in data.splitlines() if line.startswith(b"{")]

    def knows(self, *partners, seconds=60):
        """Wait until it knows what the partners read."""

        def known():
            items = self.http.get("/v1/agencies").json()["items"]
            return {each["id"] for each in items if each["reads"]} >= set(partners)

        self._wait(known, seconds)
        return self

    def send(self, key=None, **changes):
        """POST a message; returns the response."""
        body = {
            "type": "notification",
            "to": {"place": "Grefrath"},
            "acting_person": "P-4711",
            "labels": {
                "collected_by": "Wache Beispielstadt",
                "means": "offen",
                "category_of_person": "Geschädigte",
                "offence": "Körperverletzung",
            },
            "content": copy.deepcopy(examples.NOTIFICATION),
        } | changes
        return self.http.post(
            "/v1/messages", json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())}
        )

    def state(self, message):
        return self.http.get(f"/v1/messages/{message}").json()["state"]

    def becomes(self, message, state, seconds=60):
        """Wait until a sent message is in `state`."""
        self._wait(lambda: self.state(message) == state, seconds, lambda: self.state(message))

    def inbox(self):
        """Return everything that arrived."""
        items, after = [], None
        while True:
            query = {"limit": 200} | ({"after": after} if after else {})
            page = self.http.get("/v1/inbox", params=query).json()
            items += page["items"]
            if not page["items"]:
                return items
            after = page["next"]

    def rss(self):
        """Return resident memory in MB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmRSS")

    def _url(self):
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        for line in self.lines():
            if line["event"] == "service_listening":
                return line["url"]
        return None

    def _wait(self, done, seconds, shown=lambda: ""):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            if found := done():
                return found
            time.sleep(0.05)
        missing = self.http.get("/readyz").text if hasattr(self, "http") else ""
        raise AssertionError(f"not within {seconds} s: {shown()} {missing}\n{self.tail()}")

    def tail(self):
        return self.log.read_text()[-4000:]
