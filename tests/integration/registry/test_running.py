"""A registry that runs, with the whole district handed in: what it does for those who ask."""

import os
import signal
import time

import httpx2
import psycopg
import pytest

from integration.registry.stage import OFFICE, OTHER, POLICE, eventually
from meldeweg.kernel import keyfile, signing, topics
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.bus.rights import EVERYBODY, Acl, Operation, Pattern, Resource
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.topics import Topic
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.objects import AgencyStatus, Snapshot

INBOX = topics.inbox(OFFICE, POLICE)


@pytest.fixture(autouse=True)
def _nobody_stays_suspended(running):
    yield
    with running.desk() as desk:
        if any(each["status"] != "active" for each in desk.agencies()):
            desk.set_status(OFFICE, AgencyStatus.ACTIVE, "Übung zu Ende")


async def test_the_brake_returns_when_the_broker_refuses_and_its_release_when_it_lets_through(
    running,
):
    live = running.producer(POLICE)
    (sent,) = await live.send([Outgoing(INBOX, None, b"before")])
    assert isinstance(sent, Ack)
    with running.desk() as desk:
        began = time.monotonic()
        desk.set_status(OFFICE, AgencyStatus.SUSPENDED, "Übung")
        took = time.monotonic() - began
        (sent,) = await live.send([Outgoing(INBOX, None, b"while suspended")])
        assert isinstance(sent, Unavailable)
        assert took < 2
        assert not await running.may_read(OFFICE, INBOX)
        assert await running.may_read(OFFICE, topics.REGISTRY_AGENCIES), "so that it learns of it"

        desk.set_status(OFFICE, AgencyStatus.ACTIVE, "Übung")
        assert await running.may_read(OFFICE, INBOX)
    await live.stop()
    assert await running.may_write(POLICE, INBOX)


async def test_a_topic_whose_configuration_was_changed_is_repaired(running):
    wanted = topics.described(INBOX).config["retention.ms"]
    before = len(running.logged("provisioned"))
    await running.admin.alter_configs([Topic(INBOX, {"retention.ms": "60000"})])

    async def repaired():
        return (await running.admin.configs([INBOX]))[INBOX]["retention.ms"] == wanted

    async def said():  # after the broker's answer, so a moment after others can see it
        return [each["altered_topics"] for each in running.logged("provisioned")[before:]]

    await eventually(repaired)
    assert await eventually(said) == [1]


async def test_what_no_agreement_gives_is_taken_back_and_the_rest_left_alone(running):
    read, write = Operation.READ, Operation.WRITE
    strays = {
        Acl(Resource.TOPIC, Pattern.LITERAL, INBOX, f"gw-{OTHER}", read),
        Acl(Resource.TOPIC, Pattern.LITERAL, INBOX, f"gw-{OTHER}", read, host="127.0.0.1"),
        Acl(Resource.TOPIC, Pattern.PREFIX, "inbox.", EVERYBODY, read),
        Acl(Resource.TOPIC, Pattern.LITERAL, INBOX, f"gw-{POLICE}", write, denies=True),
    }
    foreign = Acl(Resource.TOPIC, Pattern.LITERAL, "x", "someone-else", Operation.READ)
    await running.admin.create_acls([*strays, foreign])

    async def gone():
        return strays.isdisjoint(await running.admin.acls())

    await eventually(gone)
    assert foreign in await running.admin.acls()
    await running.admin.delete_acls([foreign])


async def test_snapshots_are_signed_and_say_what_a_reader_sees(running):

    async def complete():
        values = await running.values(topics.REGISTRY_SNAPSHOTS)
        if not values:
            return None
        newest = signing.parse(values[-1], Typ.SNAPSHOT)
        signing.verify(
            newest, keyfile.read_signing_key(running.places.service_key("registry")).public
        )
        snapshot = Snapshot.read_signed(newest.payload, "x")
        there = {
            topic: await running.values(topic)
            for topic in (topics.REGISTRY_AGENCIES, topics.REGISTRY_AGREEMENTS)
        }
        ends = {topic: end.end for topic, end in snapshot.topics.items()}
        if any(ends.get(topic) != len(found) for topic, found in there.items()):
            return None
        return snapshot, there, values

    snapshot, there, values = await eventually(complete)
    own = Chains()
    for topic, found in there.items():
        for value in found:
            own.extend(topic, value)
        assert snapshot.topics[topic].digest == own.end(topic)[1]
    numbers = [
        Snapshot.read_signed(signing.parse(value, Typ.SNAPSHOT).payload, "x").n for value in values
    ]
    assert numbers == sorted(set(numbers))


async def test_a_database_that_is_away_costs_a_503_and_nothing_is_acted_upon(parts, running):
    _, postgres = parts
    server = postgres.children[0].pid
    os.kill(server, signal.SIGSTOP)
    for child in children_of(server):
        os.kill(child, signal.SIGSTOP)
    try:
        with running.desk() as desk, pytest.raises(Unavailable, match="database-unavailable"):
            desk.set_status(OFFICE, AgencyStatus.SUSPENDED, "Übung")
        assert await running.may_read(OFFICE, INBOX), "not durable, so not acted upon"
    finally:
        for child in children_of(server):
            os.kill(child, signal.SIGCONT)
        os.kill(server, signal.SIGCONT)
    with running.desk() as desk:
        desk.set_status(OFFICE, AgencyStatus.SUSPENDED, "Übung")
    assert not await running.may_read(OFFICE, INBOX)
    running.wait_ready()


async def test_sessions_that_the_database_ends_are_opened_again(running):
    with psycopg.connect(running.postgres.uri(), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'registry'"
        )
    with running.desk() as desk:
        for attempt in range(3):
            try:
                desk.set_status(OFFICE, AgencyStatus.SUSPENDED, "Übung")
            except Unavailable:
                assert attempt < 2
            else:
                break
    assert not running.logged("service_failed")


def test_bad_input_gets_a_problem_each_with_its_code(running):
    ask = httpx2.Client(
        base_url=running.url,
        headers={"Authorization": b"Bearer ein erfundenes Zeichen"},
        trust_env=False,
    )
    stranger = httpx2.Client(base_url=running.url, trust_env=False)
    cases = [
        (stranger.get("/v1/agencies"), 401, "token-refused"),
        (ask.get("/v1/nothing"), 404, "not-found"),
        (ask.delete("/v1/agencies"), 405, "method-not-allowed"),
        (ask.post("/v1/records", content=b"x" * (513 * 1024)), 413, "body-too-large"),
        (ask.post("/v1/records", content=b"nonsense"), 400, None),
        (ask.post("/v1/records", content=b"{}"), 400, "agreement-malformed"),
        (ask.post("/v1/records", content=b""), 400, None),
        (ask.post("/v1/agencies/nobody/status", content=b"{"), 400, "body-malformed"),
        (
            ask.post("/v1/agencies/nobody/status", content=b'{"status":"suspended","reason":"x"}'),
            404,
            "agency-unknown",
        ),
        (
            ask.post(
                "/v1/agencies/NO%20BODY/status", content=b'{"status":"suspended","reason":"x"}'
            ),
            404,
            "agency-unknown",
        ),
    ]
    ask.close()
    stranger.close()
    for answer, status, code in cases:
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        if code:
            assert answer.json()["code"] == code


def children_of(pid):
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]
