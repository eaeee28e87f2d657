"""doctor on a real broker: each thing that is really broken is found, and nothing else is."""

import asyncio
import os
import shutil
import signal
from dataclasses import replace
from datetime import timedelta

import pytest

from meldeweg.ceremony import district
from meldeweg.ceremony.district import Places
from meldeweg.doctor.examining import Subject, clocks, examine
from meldeweg.kernel import event, keyfile, topics
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.bus.rights import Acl, Operation, Pattern, Resource
from meldeweg.kernel.clock import FixedClock, SystemClock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.event import EVENT_VALUE, Event, EventKind
from meldeweg.kernel.ids import AgencyId, new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.settings import KafkaSettings
from meldeweg.kernel.topics import described
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.issue import change_status, signed
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.kernel.trust.register import Register
from meldeweg.local.bootstrap import connection
from meldeweg.local.broker import Broker
from meldeweg.local.pki import DemoPki
from meldeweg.registry.provisioning import desired
from meldeweg.registry.snapshots import snapshot
from meldeweg.registry.submit import topic_of

POLICE, OFFICE = AgencyId("polizei-viersen"), AgencyId("jugendamt-kreis-viersen")
INBOX = topics.inbox(OFFICE, POLICE)
CLOCK = SystemClock()


async def given(admin):
    """The rights that a fresh broker has; none at all looks as if one might not look."""
    try:
        return await admin.acls()
    except Refused:
        return set()


class Town:
    """A broker with everything that the registry would have made for Kreis Viersen."""

    def __init__(self, broker, directory):
        self.broker, self.places = broker, Places(directory / "trust")
        self.store = directory / "store"
        self.store.mkdir()
        district.prepare(self.places, load_district("kreis-viersen"), CLOCK)

    async def fill(self):
        values = [p.read_bytes() for p in sorted(self.places.issued().iterdir())]
        register = Register(keyfile.read_public_key(self.places.anchor))
        for value in values:
            register.apply(topic_of(value), value)
        plan = desired(register, CLOCK.now())
        admin = Admin(self.connection)
        await admin.create_topics([described(name) for name in plan.topics], replication=1)
        await admin.create_acls(plan.acls)
        await self.write(*((topic_of(value), value) for value in values))
        while not (  # noqa: ASYNC110 - a fresh broker lags behind its controller
            plan.topics <= await admin.topics() and plan.acls <= await given(admin)
        ):
            await asyncio.sleep(0.1)

    @property
    def connection(self):
        return connection(self.broker.bootstrap, self.broker.super_user)

    async def write(self, *records, headers=(), key=None):
        producer = Producer(self.connection)
        batch = [Outgoing(topic, key, value, headers) for topic, value in records]
        for _ in range(100):
            sent = await producer.send(batch)
            batch = [r for r, each in zip(batch, sent, strict=True) if not isinstance(each, Ack)]
            if not batch:
                break
        await producer.stop()
        assert not batch

    async def say(self, at):
        key = keyfile.read_signing_key(self.places.service_key("registry"))
        body = snapshot(Chains(), 1, FixedClock(at))
        await self.write((topics.REGISTRY_SNAPSHOTS, signed(body, key)))

    def kafka(self, credential=None, **changes):
        own = credential or self.broker.pki.gateway(POLICE)
        given = {"ca": own.ca, "cert": own.cert, "key": own.key} | changes
        return KafkaSettings(bootstrap=self.broker.bootstrap, **given)

    def subject(self, kafka=None):
        return Subject(
            name="gateway-polizei-viersen",
            principal="gw-polizei-viersen",
            kafka=kafka or self.kafka(),
            agency=POLICE,
            anchor=self.places.anchor,
            store=self.store,
            free_min=0.0,
            keys=self.places.keys(POLICE),
        )

    def found(self, kafka=None):
        report = examine(self.subject(kafka), CLOCK)
        return [(each.code, each.detail) for each in report.findings], report


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    directory = tmp_path_factory.mktemp("doctor")
    with Broker(directory) as broker:
        made = Town(broker, directory)
        asyncio.run(made.fill())
        yield made


def codes(town, kafka=None):
    return [code for code, _ in town.found(kafka)[0]]


def test_a_registry_that_never_spoke_then_spoke_long_ago_then_just_now(town):
    assert codes(town) == ["snapshot-missing"]
    asyncio.run(town.say(CLOCK.now() - timedelta(minutes=10)))
    assert codes(town) == ["snapshot-stale"]
    asyncio.run(town.say(CLOCK.now()))
    found, report = town.found()
    assert found == []
    assert report.reached


def test_a_right_that_was_taken_is_missed_by_a_real_fetch_and_by_metadata(town):
    reads = Acl(Resource.TOPIC, Pattern.PREFIX, f"inbox.{POLICE}.", f"gw-{POLICE}", Operation.READ)
    writes = Acl(Resource.TOPIC, Pattern.LITERAL, INBOX, f"gw-{POLICE}", Operation.WRITE)
    asyncio.run(town.say(CLOCK.now()))
    asyncio.run(Admin(town.connection).delete_acls([reads, writes]))
    found, _ = town.found()
    asyncio.run(Admin(town.connection).create_acls([reads, writes]))
    assert {code for code, _ in found} == {"acl-missing"}
    assert ("acl-missing", f"WRITE {INBOX}") in found
    assert ("acl-missing", f"READ {topics.inbox(POLICE, OFFICE)}") in found


def test_a_certificate_of_another_ca_is_refused_by_the_broker_and_said_so(town, tmp_path):
    foreign = DemoPki(tmp_path).gateway(POLICE)
    found, report = town.found(town.kafka(foreign, ca=town.broker.pki.ca))
    ((code, detail),) = found
    assert code == "certificate-wrong-ca"
    assert "refused by the broker" in detail
    assert not report.reached


def test_a_key_of_another_is_one_finding_with_one_fix(town, tmp_path):
    (own, other) = (town.broker.pki.gateway(each) for each in (POLICE, OFFICE))
    assert codes(town, town.kafka(replace(own, key=other.key))) == ["certificate-key-mismatch"]
    assert codes(town, town.kafka(replace(own, key=tmp_path))) == ["certificate-unreadable"]


def test_another_agencys_certificate_is_one_finding_and_its_rights_are_not_ours(town):
    asyncio.run(town.say(CLOCK.now()))
    assert codes(town, town.kafka(town.broker.pki.gateway(OFFICE))) == ["certificate-wrong-name"]


def test_a_clock_of_ours_that_is_slow_is_one_finding(town, tmp_path):
    asyncio.run(town.say(CLOCK.now()))
    shutil.copytree(town.broker.pki.ca.parent, tmp_path / "pki")
    for file in (tmp_path / "pki").glob(f"*{POLICE}*"):
        file.unlink()  # those are of a minute ago: to a slow clock, of tomorrow
    aged = DemoPki(tmp_path / "pki", FixedClock(CLOCK.now() - timedelta(days=1))).gateway(POLICE)
    report = examine(town.subject(town.kafka(aged)), FixedClock(CLOCK.now() - timedelta(hours=1)))
    assert [each.code for each in report.findings] == ["clock-differs"]


def test_a_broker_of_another_ca_is_not_trusted(town, tmp_path):
    other = DemoPki(tmp_path).ca
    assert codes(town, town.kafka(ca=other)) == ["broker-not-trusted"]


def test_an_ended_certificate_is_refused_by_the_broker_and_said_so(town):
    past = FixedClock(CLOCK.now() - timedelta(days=200))
    ended = DemoPki(town.broker.pki.ca.parent, past).gateway(AgencyId("jugendamt-xanten"))
    found = dict(town.found(town.kafka(ended))[0])
    assert set(found) == {"certificate-expired", "certificate-wrong-name"}
    assert "refused by the broker" in found["certificate-expired"]


def test_a_frozen_broker_is_unreachable_within_seconds(town):
    pid = town.broker.children[0].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert codes(town) == ["broker-unreachable"]
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_gateway_whose_clock_is_wrong_is_found_by_its_last_event(town):
    odd = AgencyId("jugendamt-kempen")
    for agency, off in ((POLICE, 0), (OFFICE, 2), (odd, 2)):
        told = Event(
            v=1,
            id=new_message_id(),
            agency=agency,
            kind=EventKind.STARTED,
            at=CLOCK.now() + timedelta(hours=off),
        )
        token = event.sign(told, SigningKey.generate())
        headers = event.headers(told, token)
        # What has not an event's form says nothing of a clock either.
        key = None if agency == odd else told.id.encode()
        await town.write((topics.events(agency), EVENT_VALUE), headers=headers, key=key)
    watch = town.broker.pki.service("watch")
    kafka = town.kafka(watch)
    found = await clocks(kafka, [POLICE, OFFICE, odd])
    assert [(each.subject, each.code) for each in found] == [(f"gateway-{OFFICE}", "clock-differs")]


def test_the_brake_explains_why_rights_are_missing(town):
    key = keyfile.read_signing_key(town.places.service_key("registry"))
    token = change_status(key, POLICE, AgencyStatus.SUSPENDED, 1, "Übung", CLOCK.now())
    asyncio.run(town.say(CLOCK.now()))
    asyncio.run(town.write((topics.REGISTRY_AGENCIES, token)))
    assert codes(town) == ["agency-suspended"]
