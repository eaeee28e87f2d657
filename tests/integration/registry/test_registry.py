"""The registry on a real broker and a real database: the broker does what agreements say."""

import asyncio
import os
import signal
import time
from datetime import timedelta

import httpx2
import psycopg
import pytest

from integration.registry.stage import OFFICE, OTHER, POLICE, eventually
from meldeweg.kernel import keyfile, signing, topics
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.bus.admin import Acl, Operation, Pattern, Resource
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.topics import Topic
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.issue import change_status
from meldeweg.kernel.trust.objects import AgencyStatus, Snapshot
from meldeweg.registry.provisioning import trust_group

INBOX = topics.inbox(OFFICE, POLICE)
OTHERS_INBOX = topics.inbox(OTHER, POLICE)


async def test_from_nothing_to_what_the_agreement_says_and_not_a_record_twice(stage):
    stage.start()
    stage.hand_in_all()
    assert await stage.may_write(POLICE, INBOX)
    assert await stage.may_read(OFFICE, INBOX)
    assert not await stage.may_read(OTHER, INBOX)
    assert not await stage.may_write(OFFICE, INBOX)

    agencies = await stage.values(topics.REGISTRY_AGENCIES)
    agreements = await stage.values(topics.REGISTRY_AGREEMENTS)
    stage.hand_in_all()  # again: every object is known
    stage.kill()
    stage.start()
    await asyncio.sleep(1)  # two periods
    assert await stage.values(topics.REGISTRY_AGENCIES) == agencies
    assert await stage.values(topics.REGISTRY_AGREEMENTS) == agreements
    assert len(set(agencies)) == len(agencies)


async def test_a_restart_takes_no_right_away_for_a_moment(stage):
    stage.start()
    stage.hand_in_all()
    stage.kill()
    before = await stage.admin.acls()
    stage.start(ready=False)
    end = None
    while end is None or time.monotonic() < end:
        assert await stage.admin.acls() == before
        await asyncio.sleep(0.05)
        if end is None and stage.is_ready():
            end = time.monotonic() + 1  # a period more
    assert [each["deleted_acls"] for each in stage.logged("provisioned")[1:]].count(0) == len(
        stage.logged("provisioned")[1:]
    )


async def test_a_lost_database_takes_no_right_away(stage):
    stage.start()
    stage.hand_in_all()
    stage.kill()
    with psycopg.connect(stage.postgres.uri("registry"), autocommit=True) as database:
        database.execute("TRUNCATE record")
    before = await stage.admin.acls()
    stage.start()
    await asyncio.sleep(1)  # two periods
    assert await stage.admin.acls() == before


async def test_the_brake_returns_when_the_broker_refuses_and_its_release_when_it_lets_through(
    stage,
):
    stage.start()
    stage.hand_in_all()
    live = stage.producer(POLICE)
    (sent,) = await live.send([Outgoing(INBOX, None, b"before")])
    assert isinstance(sent, Ack)
    with stage.desk() as desk:
        began = time.monotonic()
        desk.set_status(OFFICE, AgencyStatus.SUSPENDED, "Übung")
        took = time.monotonic() - began
        (sent,) = await live.send([Outgoing(INBOX, None, b"while suspended")])
        assert isinstance(sent, Unavailable)
        assert took < 2
        assert not await stage.may_read(OFFICE, INBOX)
        assert await stage.may_read(OFFICE, topics.REGISTRY_AGENCIES), "so that it learns of it"

        desk.set_status(OFFICE, AgencyStatus.ACTIVE, "Übung")
        assert await stage.may_read(OFFICE, INBOX)
    await live.stop()
    assert await stage.may_write(POLICE, INBOX)


async def test_a_revoked_agency_can_only_learn_it_when_the_desk_answers(stage):
    stage.start()
    stage.hand_in_all()
    identity = keyfile.read_signing_key(stage.places.offline(f"identity-{OFFICE}.jwk"))
    now = SystemClock().now()
    with stage.desk() as desk:
        desk.submit(change_status(identity, OFFICE, AgencyStatus.REVOKED, 1, "Übung", now))
        left = {acl.name for acl in await stage.admin.acls() if acl.principal == f"gw-{OFFICE}"}
        assert left == {topics.REGISTRY_AGENCIES, trust_group(OFFICE)}
        assert not await stage.may_read(OFFICE, INBOX)
        assert not await stage.may_read(OFFICE, topics.REGISTRY_AGREEMENTS)
        assert await stage.may_read(OFFICE, topics.REGISTRY_AGENCIES), "so that it learns of it"
        with pytest.raises(Refused, match="agency-revoked"):
            desk.set_status(OFFICE, AgencyStatus.ACTIVE, "zurück")


async def test_a_suspension_survives_a_restart(stage):
    stage.start()
    stage.hand_in_all()
    with stage.desk() as desk:
        desk.set_status(OFFICE, AgencyStatus.SUSPENDED, "Übung")
    stage.kill()
    stage.start()
    await asyncio.sleep(0.6)  # a period
    assert not await stage.may_read(OFFICE, INBOX)
    with stage.desk() as desk:
        found = {each["agency"]: each["status"] for each in desk.agencies()}
    assert found[OFFICE] == "suspended"


async def test_killed_between_book_and_topic_it_publishes_at_the_next_start(stage):
    stage.start()
    stage.hand_in_all()
    stage.kill()
    stage.start(failpoints="registry.kept=kill@1")
    with stage.desk() as desk, pytest.raises(Unavailable):
        desk.set_status(OFFICE, AgencyStatus.SUSPENDED, "Übung")
    assert stage.ended_by() is signal.SIGKILL
    before = await stage.values(topics.REGISTRY_AGENCIES)
    assert not [value for value in before if signing.typ_of(value) is Typ.STATUS]
    stage.start()
    assert not await stage.may_read(OFFICE, INBOX)

    async def published():
        found = await stage.values(topics.REGISTRY_AGENCIES)
        return [value for value in found if signing.typ_of(value) is Typ.STATUS]

    assert len(await eventually(published)) == 1


async def test_killed_after_publishing_it_does_not_publish_again(stage):
    stage.start(ready=False, failpoints="registry.published=kill@1")
    stage.wait_ready()
    first = next(stage.places.issued().glob("1-*"))
    with stage.desk() as desk:
        desk.submit(first.read_bytes())
    assert stage.ended_by() is signal.SIGKILL
    stage.start()
    stage.hand_in_all()
    await asyncio.sleep(1)
    for topic in (topics.REGISTRY_AGENCIES, topics.REGISTRY_AGREEMENTS):
        values = await stage.values(topic)
        assert len(set(values)) == len(values)


async def test_an_empty_broker_is_filled_again(stage):
    stage.start()
    stage.hand_in_all()
    agreements = set(await stage.values(topics.REGISTRY_AGREEMENTS))
    stage.kill()
    await stage.lose_topics()
    stage.start()

    async def filled():
        return set(await stage.values(topics.REGISTRY_AGREEMENTS)) == agreements

    await eventually(filled)
    await eventually(lambda: stage.may_read(OFFICE, INBOX))


async def test_a_topic_whose_configuration_was_changed_is_repaired_and_the_dry_run_shows_it(stage):
    stage.start(reconcile_seconds=60)
    stage.hand_in_all()
    wanted = topics.described(INBOX).config["retention.ms"]
    await stage.admin.alter_configs([Topic(INBOX, {"retention.ms": "60000"})])

    async def planned():
        with stage.desk() as desk:
            return desk.plan()["alter_topics"]

    assert await eventually(planned) == [f"{INBOX} retention.ms={wanted}"]
    with stage.desk() as desk:  # any change compares everything
        desk.set_status(OTHER, AgencyStatus.SUSPENDED, "Übung")
    assert (await stage.admin.configs([INBOX]))[INBOX]["retention.ms"] == wanted
    assert not await planned()


async def test_what_no_agreement_gives_is_taken_back_and_the_rest_left_alone(stage):
    stage.start()
    stage.hand_in_all()
    stray = Acl(Resource.TOPIC, Pattern.LITERAL, INBOX, f"gw-{OTHER}", Operation.READ)
    foreign = Acl(Resource.TOPIC, Pattern.LITERAL, "x", "someone-else", Operation.READ)
    await stage.admin.create_acls([stray, foreign])

    async def gone():
        return stray not in await stage.admin.acls()

    await eventually(gone)
    assert foreign in await stage.admin.acls()
    await stage.admin.delete_acls([foreign])


@pytest.mark.parametrize(("days_after", "flows"), [(239, True), (241, False)])
async def test_rights_stay_through_the_run_off_and_end_with_it(stage, days_after, flows):
    stage.start()
    stage.hand_in_all()
    assert await stage.may_write(POLICE, INBOX)
    stage.kill()
    until = load_district("kreis-viersen").term.until
    ahead = (until - SystemClock().now().date()) + timedelta(days=days_after)
    stage.start(clock_offset=ahead.total_seconds())

    async def settled():
        with stage.desk() as desk:
            return not any((await asyncio.to_thread(desk.plan)).values())

    await eventually(settled)
    assert await stage.may_write(POLICE, INBOX) is flows
    with stage.desk() as desk:
        (known,) = desk.agreements()
    assert known["status"] == ("run-off" if flows else "ended")


async def test_snapshots_are_signed_and_say_what_a_reader_sees(stage):
    stage.start()
    stage.hand_in_all()

    async def complete():
        values = await stage.values(topics.REGISTRY_SNAPSHOTS)
        if not values:
            return None
        newest = signing.parse(values[-1], Typ.SNAPSHOT)
        signing.verify(
            newest, keyfile.read_signing_key(stage.places.service_key("registry")).public
        )
        snapshot = Snapshot.read_signed(newest.payload, "x")
        there = {
            topic: await stage.values(topic)
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


async def test_a_database_that_is_away_costs_a_503_and_nothing_is_acted_upon(parts, stage):
    _, postgres = parts
    stage.start()
    stage.hand_in_all()
    server = postgres.children[0].pid
    os.kill(server, signal.SIGSTOP)
    for child in children_of(server):
        os.kill(child, signal.SIGSTOP)
    try:
        with stage.desk() as desk, pytest.raises(Unavailable, match="database-unavailable"):
            desk.set_status(OFFICE, AgencyStatus.SUSPENDED, "Übung")
        assert await stage.may_read(OFFICE, INBOX), "not durable, so not acted upon"
    finally:
        for child in children_of(server):
            os.kill(child, signal.SIGCONT)
        os.kill(server, signal.SIGCONT)
    with stage.desk() as desk:
        desk.set_status(OFFICE, AgencyStatus.SUSPENDED, "Übung")
    assert not await stage.may_read(OFFICE, INBOX)
    stage.wait_ready()


async def test_sessions_that_the_database_ends_are_opened_again(stage):
    stage.start()
    stage.hand_in_all()
    with psycopg.connect(stage.postgres.uri(), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'registry'"
        )
    with stage.desk() as desk:
        for attempt in range(3):
            try:
                desk.set_status(OFFICE, AgencyStatus.SUSPENDED, "Übung")
            except Unavailable:
                assert attempt < 2
            else:
                break
    assert not stage.logged("service_failed")


def test_bad_input_gets_a_problem_each_with_its_code(stage):
    stage.start()
    ask = httpx2.Client(
        base_url=stage.url,
        headers={"Authorization": b"Bearer ein erfundenes Zeichen"},
        trust_env=False,
    )
    stranger = httpx2.Client(base_url=stage.url, trust_env=False)
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


def test_what_builds_on_something_not_handed_in_is_early_and_not_kept(stage):
    stage.start()
    signature = next(stage.places.issued().glob("4-*")).read_bytes()
    with stage.desk() as desk:
        with pytest.raises(Refused, match="agreement-unknown"):
            desk.submit(signature)
        enrolment = stage.places.issued(f"2-{OFFICE}").read_bytes()
        desk.submit(enrolment)
        with pytest.raises(Unavailable, match="registry-key"):
            desk.set_status(AgencyId(OFFICE), AgencyStatus.SUSPENDED, "Übung")
    with psycopg.connect(stage.postgres.uri("registry")) as database:
        kept = {row[0] for row in database.execute("SELECT digest FROM record").fetchall()}
    assert kept == {Digest.of(enrolment)}


def children_of(pid):
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]
