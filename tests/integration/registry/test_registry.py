"""The registry on a real broker and a real database: the broker does what agreements say."""

import asyncio
import signal
import time
from datetime import timedelta

import psycopg
import pytest

from integration.registry.stage import OFFICE, OTHER, POLICE, eventually
from meldeweg.kernel import keyfile, signing, topics
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust.issue import change_status, signed
from meldeweg.kernel.trust.objects import AgencyStatus, ServiceKey
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


def test_an_enrolment_or_a_services_key_that_changes_nothing_is_refused(stage):
    stage.start()
    stage.hand_in_all()
    anchor = keyfile.read_signing_key(stage.places.offline("anchor.jwk"))
    now = SystemClock().now()
    jwk = SigningKey.generate().public.public_jwk()
    before = stage.enrolment(OFFICE)

    def renamed(name, at):
        return signed(before.model_copy(update={"name": name, "at": at}), anchor)

    def certified(verify_until, at):
        body = ServiceKey(
            v=1, service="audit", key=jwk, not_before=now, verify_until=verify_until, at=at
        )
        return signed(body, anchor)

    with stage.desk() as desk:
        newer, older = renamed("Neu", now), renamed("Alt", now - timedelta(days=400))
        desk.submit(newer)
        desk.submit(newer)  # the same again is the same
        with pytest.raises(Refused, match="record-superseded"):
            desk.submit(older)
        (name,) = (each["name"] for each in desk.agencies() if each["agency"] == OFFICE)
        assert name == "Neu"
        long, short = now + timedelta(days=90), now + timedelta(days=60)
        desk.submit(certified(long, now))
        with pytest.raises(Refused, match="record-superseded"):
            desk.submit(certified(short, now - timedelta(seconds=1)))
        desk.submit(certified(short, now + timedelta(seconds=1)))
        desk.submit(certified(long, now))  # known: nothing is asked of it


def test_a_change_of_status_that_changes_nothing_is_refused(stage):
    stage.start()
    stage.hand_in_all()
    anchor = keyfile.read_signing_key(stage.places.offline("anchor.jwk"))
    now = SystemClock().now()

    def change(status, n):
        return change_status(anchor, OFFICE, status, n, "Übung", now)

    with stage.desk() as desk:
        suspended = change(AgencyStatus.SUSPENDED, 4)
        desk.submit(suspended)
        desk.submit(suspended)  # the same again is the same
        for n in (3, 4):
            with pytest.raises(Refused, match="status-superseded"):
                desk.submit(change(AgencyStatus.ACTIVE, n))
        with pytest.raises(Refused, match="status-number-jumps"):
            desk.submit(change(AgencyStatus.ACTIVE, 2**53 - 1))  # none could ever follow it
        with pytest.raises(Refused, match="reason-malformed"):
            desk.set_status(OFFICE, AgencyStatus.ACTIVE, "zurück\0")
        assert desk.status(OFFICE)[1] == 4
        desk.submit(change(AgencyStatus.ACTIVE, 5))
        desk.submit(change(AgencyStatus.REVOKED, 1))  # counts with any number
        with pytest.raises(Refused, match="agency-revoked"):
            desk.submit(change(AgencyStatus.ACTIVE, 6))


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


async def test_rights_stay_until_the_last_that_was_sent_in_the_run_off_may_have_arrived(stage):
    stage.start()
    stage.hand_in_all()
    assert await stage.may_write(POLICE, INBOX)
    until = load_district("kreis-viersen").term.until
    for days_after, flows, status in (
        (239, True, "run-off"),
        (239 + 7 * 31, True, "ended"),
        (242 + 7 * 31, False, "ended"),
    ):
        stage.kill()
        ahead = (until - SystemClock().now().date()) + timedelta(days=days_after)
        stage.start(clock_offset=ahead.total_seconds())
        with stage.desk() as desk:
            await eventually(lambda desk=desk: settled(desk))
            (known,) = desk.agreements()
        assert await stage.may_write(POLICE, INBOX) is flows
        assert known["status"] == status


async def settled(desk):
    return not any((await asyncio.to_thread(desk.plan)).values())


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
