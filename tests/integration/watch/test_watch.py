"""Watch as a process on a real broker: reads, verifies, and knows the same after a kill -9."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

import meldeweg
import plain
from integration.bus.stage import until_acked
from meldeweg.kernel import event, statement, topics
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.records import Outgoing
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.event import Heartbeat
from meldeweg.kernel.ids import AgencyId, new_message_id
from meldeweg.kernel.statement import ReceiptKind
from meldeweg.local.bootstrap import connection
from meldeweg.local.ports import Ports
from meldeweg.registry.provisioning import WATCH, desired
from meldeweg.registry.submit import topic_of
from unit.conftest import NOW, places, register  # noqa: F401 - fixtures
from unit.watch.test_feed import OFFICE, POLICE, context, receipt, signing_key

INBOX = topics.inbox(OFFICE, POLICE)


class Watch:
    """The process, told that it is the time at which the district was made."""

    def __init__(self, broker, anchor, directory):
        self.url = f"http://127.0.0.1:{Ports(directory / 'ports.json').of('watch')}"
        self._log = directory / "watch.log"
        (directory / "token").write_text("an invented token\n")
        own = broker.pki.service("watch")
        given = {
            "MODE": "demo",
            "HTTP__PORT": self.url.rpartition(":")[2],
            "KAFKA__BOOTSTRAP": broker.bootstrap,
            "KAFKA__CA": own.ca,
            "KAFKA__CERT": own.cert,
            "KAFKA__KEY": own.key,
            "ANCHOR": anchor,
            "OPERATOR_TOKEN": directory / "token",
            "REFRESH_SECONDS": 0.2,
            "CLOCK_OFFSET": (NOW - SystemClock().now()).total_seconds() + 60,
        }
        self._env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(meldeweg.__file__).parents[1]),
        } | {f"MELDEWEG_{name}": str(value) for name, value in given.items()}

    def start(self):
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "meldeweg.watch"], env=self._env, stdout=log, stderr=log
            )

    def kill(self):
        self._process.kill()
        self._process.wait(60)

    def ask(self, path):
        try:
            return plain.get(
                self.url + path,
                headers={"Authorization": "Bearer an invented token"},
            )
        except httpx2.HTTPError:
            assert self._process.poll() is None, self._log.read_text()
            return None

    def overview(self):
        answer = self.ask("/v1/overview")
        return answer.json() if answer and answer.status_code == 200 else {}

    def shows(self, **wanted):
        """Wait until the overview has these members; return it."""
        until = time.monotonic() + 60
        while True:
            found = self.overview()
            if wanted.items() <= found.items():
                return found
            assert time.monotonic() < until, (wanted, found)
            time.sleep(0.1)


@pytest.fixture
def watch(broker, places, tmp_path):  # noqa: F811 - the fixture
    made = Watch(broker, places.anchor, tmp_path)
    made.start()
    yield made
    made.kill()


def trust(places):  # noqa: F811 - what the fixture made
    for path in sorted(places.issued().iterdir()):
        value = path.read_bytes()
        yield Outgoing(topic_of(value), None, value)
    for agency in (POLICE, OFFICE):
        for path in sorted(places.keys(agency).glob("*.jws")):
            yield Outgoing(topics.keys(AgencyId(agency)), None, path.read_bytes().strip())


def on_inbox(body, key):
    token = statement.sign(body.bytes(), b"{}", key)
    headers = (("statement", token), *statement.cloud_events(body))
    return Outgoing(topics.inbox(body.to, body.sender), body.id.encode(), b"{}", headers)


def first_counted(watch):
    """Return the first overview that says it has caught up; until then nothing is counted."""
    until = time.monotonic() + 60
    while not (found := watch.overview()).get("caught_up"):
        assert found.get("open") is None
        assert found.get("silent") is None
        ready = watch.ask("/readyz")
        assert ready is None or ready.status_code == 503 or watch.overview()["caught_up"]
        assert time.monotonic() < until, (found, ready and ready.json())
    assert watch.ask("/readyz").status_code == 200
    assert watch.ask("/v1/messages").json()["caught_up"]
    assert "meldeweg_watch_caught_up" in watch.ask("/metrics").text
    return found


async def test_what_is_open_is_known_again_after_a_kill(broker, places, register, watch):  # noqa: F811
    super_user = connection(broker.bootstrap, broker.super_user)
    admin, producer = Admin(super_user), Producer(super_user)
    plan = desired(register, NOW)
    await admin.create_topics([topics.described(name) for name in plan.topics], replication=1)
    await admin.create_acls([acl for acl in plan.acls if acl.principal == WATCH])
    police, office = signing_key(places, POLICE), signing_key(places, OFFICE)
    message, other = context(), context()
    sent = on_inbox(message, police)
    digest = statement.parse(sent.headers[0][1]).digest
    beat = Heartbeat(
        v=1,
        id=new_message_id(),
        agency=POLICE,
        at=NOW,
        sent={},
        received={},
        parked=2,
        quarantined=1,
        waiting=0,
    )
    headers = event.headers(beat, event.sign(beat, police))
    told = Outgoing(topics.events(POLICE), beat.id.encode(), event.EVENT_VALUE, headers)
    await until_acked(
        producer,
        [
            *trust(places),
            sent,
            on_inbox(other, office),  # not the sender's key
            Outgoing(INBOX, None, b"poison"),
            on_inbox(receipt(digest, ReceiptKind.DELIVERED), office),
            told,
        ],
    )
    # The others were never heard: nothing is said of them until they could have been.
    expected = {"open": 1, "undelivered": 0, "silent": []}
    before = watch.shows(**expected)
    assert before["gateways"][POLICE]["parked"] == 2
    assert before["not_understood"], "what cannot be verified is counted"
    watch.kill()
    watch.start()
    after = first_counted(watch)
    assert expected.items() <= after.items(), "the first that is counted is of all that lies there"
    assert after["not_understood"].keys() == before["not_understood"].keys()
    await until_acked(producer, [on_inbox(receipt(digest, ReceiptKind.ACKNOWLEDGED), office)])
    watch.shows(open=0)
    await producer.stop()
    await admin.close()
