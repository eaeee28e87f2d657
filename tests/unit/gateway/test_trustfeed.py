"""The trust feed: verified, kept, survives a restart; contradictions stop sealing."""

import math
from datetime import timedelta
from uuid import UUID

import pytest

from meldeweg.gateway.store import outbox, quarantine, trust
from meldeweg.gateway.trustfeed import TrustFeed
from meldeweg.kernel import event, failpoints, metrics, topics
from meldeweg.kernel.bus.positions import Position, Reset, ResetKind
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.objects import AgencyStatus, KeyUse, ServiceKey, Snapshot, TopicEnd
from meldeweg.kernel.trust.register import Register
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE, World

ID = UUID(int=1)
KEYS = topics.keys(NETTETAL)


@pytest.fixture(scope="module")
def world():
    made = World()
    made.registry = SigningKey.generate()
    body = ServiceKey(
        v=1,
        service="registry",
        key=made.registry.public_jwk(),
        not_before=NOW - timedelta(days=30),
        verify_until=NOW + timedelta(days=300),
        at=NOW - timedelta(days=30),
    )
    made.records.insert(0, (topics.REGISTRY_AGENCIES, issue.signed(body, made.anchor)))
    return made


class Topics:
    """The topics of trust on a broker that a test writes to."""

    def __init__(self, records):
        self.ends = {}
        self.log = [self.add(topic, value) for topic, value in records]

    def add(self, topic, value, topic_id=ID):
        offset = self.ends.get(topic, 0)
        self.ends[topic] = offset + 1
        return Record(topic, 0, offset, 1, None, value, (), topic_id)

    def forget(self, topic):
        self.ends.pop(topic)


def _feed(store, world, signer=None):
    office = world.offices[POLICE]
    return TrustFeed(
        POLICE,
        Register(world.anchor.public),
        store,
        FixedClock(NOW),
        signer or (lambda: office.signing),
        timedelta(minutes=5),
    )


@pytest.fixture
async def feed(store, world):
    feed = _feed(store, world)
    feed.topics = Topics(world.records)
    await feed.start()
    await feed.handle(feed.topics.log)
    return feed


def _snapshot(world, feed, n=1, lie=None, at=NOW):
    chains = Chains()
    for record in feed.topics.log:
        chains.extend(record.topic, record.value)
    ends = {}
    for topic in chains.topics():
        end, digest = chains.end(topic)
        ends[topic] = TopicEnd(end=end, digest="0" * 64 if topic == lie else digest)
    token = issue.signed(Snapshot(v=1, n=n, at=at, topics=ends), world.registry)
    return feed.topics.add(topics.REGISTRY_SNAPSHOTS, token)


def _events(store):
    rows = store.peek(lambda db: outbox.unproduced(db, 1000, 10**9))
    return [event.parse(dict(row.headers)["statement"]).body for row in rows]


async def test_everything_verified_is_known_and_this_agency_is_ready(feed):
    assert set(feed.register.agencies()) >= {POLICE, KREIS, NETTETAL}
    assert feed.missing() is None
    assert feed.register.pending() == 0


async def test_before_anything_was_read_it_says_what_is_missing(store, world):
    assert _feed(store, world).missing() == "not-enrolled"


async def test_without_an_agreement_that_counts_it_says_so(store, world):
    feed = _feed(store, world)
    await feed.handle(
        Topics([each for each in world.records if each[0] != topics.REGISTRY_AGREEMENTS]).log
    )
    assert feed.missing() == "no-agreement"


async def test_any_order_of_topics_comes_to_the_same(store, world):
    feed = _feed(store, world)
    by_topic = sorted(Topics(world.records).log, key=lambda record: record.topic, reverse=True)
    for record in by_topic:
        await feed.handle([record])
    assert feed.missing() is None
    assert feed.register.pending() == 0


async def test_after_a_restart_without_the_broker_everything_is_known(store, world, feed):
    again = _feed(store, world)
    await again.start()
    assert again.missing() is None
    assert again.own == feed.own


async def test_a_cache_that_was_tampered_with_convinces_nobody(store, world):
    other = World()
    await store.write(lambda db: [trust.add(db, *each) for each in other.records])
    feed = _feed(store, world)
    await feed.start()
    assert feed.register.agencies() == {}


async def test_the_same_records_again_change_nothing(store, feed):
    before = len(store.peek(lambda db: list(trust.load(db))))
    await feed.handle(feed.topics.log)
    assert len(store.peek(lambda db: list(trust.load(db)))) == before
    assert await feed.positions([(KEYS, 0)]) == {(KEYS, 0): Position(feed.topics.ends[KEYS], ID)}


async def test_each_process_reads_the_topics_from_their_start_but_not_the_snapshots(
    store, world, feed
):
    await feed.handle([_snapshot(world, feed)])
    again = _feed(store, world)
    await again.start()
    assert await again.positions([(KEYS, 0), (topics.REGISTRY_SNAPSHOTS, 0)]) == {
        (KEYS, 0): None,
        (topics.REGISTRY_SNAPSHOTS, 0): Position(1, ID),
    }


async def test_a_failed_commit_is_tried_again_with_the_same_records(store, world):
    feed = _feed(store, world)
    log = Topics(world.records).log
    failpoints.arm("store.before_commit=error@1")
    with pytest.raises(Unavailable):
        await feed.handle(log)
    await feed.handle(log)
    again = _feed(store, world)
    await again.start()
    assert again.missing() is None


async def test_a_true_snapshot_is_fine_and_its_age_is_a_warning(world, feed):
    assert feed.is_stale(NOW)
    await feed.handle([_snapshot(world, feed)])
    feed.check_sealing()
    assert not feed.is_stale(NOW + timedelta(minutes=5))
    assert feed.is_stale(NOW + timedelta(minutes=5, seconds=1))
    assert feed.is_stale(NOW - timedelta(minutes=5, seconds=1)), "the registry's clock is ahead"


async def test_the_age_of_the_snapshot_is_told_whether_or_not_anybody_sends(store, world, feed):
    age = "meldeweg_snapshot_age_seconds"
    assert metrics.REGISTRY.get_sample_value(age) == math.inf
    await feed.handle([_snapshot(world, feed, at=NOW - timedelta(minutes=7))])
    assert metrics.REGISTRY.get_sample_value(age) == 420


async def test_a_contradicting_snapshot_stops_sealing_until_one_agrees(store, world, feed):
    await feed.handle([_snapshot(world, feed, 1, lie=KEYS)])
    with pytest.raises(Unavailable) as stopped:
        feed.check_sealing()
    assert stopped.value.code == "register-contradicts"
    await feed.handle([_snapshot(world, feed, 2, lie=KEYS, at=NOW + timedelta(minutes=1))])
    (told,) = _events(store)
    assert (told.kind, told.topic) == (EventKind.REGISTER_CONTRADICTS, KEYS)
    await feed.handle([_snapshot(world, feed, 3, at=NOW + timedelta(minutes=2))])
    feed.check_sealing()


async def test_a_key_that_was_withheld_from_us_contradicts(store, world):
    feed = _feed(store, world)
    feed.topics = Topics(world.records)
    newer = world.certificate(NETTETAL, SigningKey.generate().public, KeyUse.SIGN)
    feed.topics.log.append(feed.topics.add(*newer))
    shown = [record for record in feed.topics.log if record.value != newer[1]]
    _, other = world.certificate(NETTETAL, SigningKey.generate().public, KeyUse.SIGN)
    swapped = Record(KEYS, 0, feed.topics.ends[KEYS] - 1, 1, None, other, (), ID)
    await feed.handle([*shown, swapped])
    await feed.handle([_snapshot(world, feed)])
    with pytest.raises(Unavailable):
        feed.check_sealing()


async def test_of_many_snapshots_the_newest_counts_and_a_forged_one_is_kept_apart(
    store, world, feed
):
    good = _snapshot(world, feed, 1)
    forged = issue.signed(Snapshot(v=1, n=9, at=NOW, topics={}), SigningKey.generate())
    await feed.handle([good, feed.topics.add(topics.REGISTRY_SNAPSHOTS, forged)])
    assert feed.register.snapshot.n == 1
    # An unknown signer may only be early: its certificate could be on its way.
    assert store.peek(quarantine.count) == 0


@pytest.mark.parametrize(
    "value",
    [None, b"", b"x", b"a.b.c", b"\xff" * 100, b"{}"],
    ids=["null", "empty", "x", "dots", "binary", "object"],
)
async def test_poison_on_a_topic_of_trust_is_kept_and_told_once_and_the_rest_goes_on(
    store, world, feed, value
):
    bad = feed.topics.add(KEYS, value)
    good = feed.topics.add(*world.certificate(NETTETAL, SigningKey.generate().public, KeyUse.SIGN))
    await feed.handle([bad, good])
    before = len(feed.register.certified(NETTETAL))
    assert store.peek(quarantine.count) == 1
    told = [each for each in _events(store) if each.kind is EventKind.QUARANTINED]
    assert [(each.topic, each.offset) for each in told] == [(KEYS, bad.offset)]
    again = _feed(store, world)
    await again.start()
    await again.handle([*feed.topics.log, bad, good])
    assert store.peek(quarantine.count) == 1
    assert len([each for each in _events(store) if each.kind is EventKind.QUARANTINED]) == 1
    assert len(again.register.certified(NETTETAL)) == before


async def test_a_certificate_on_another_agencys_topic_is_refused(store, world, feed):
    _, token = world.certificate(KREIS, SigningKey.generate().public, KeyUse.SIGN)
    await feed.handle([feed.topics.add(KEYS, token)])
    assert store.peek(lambda db: quarantine.page(db, None, 9))[0].code == "trust-record-misplaced"


async def test_reading_trust_does_not_wait_for_a_key_that_it_would_bring(store, world):
    def nobody():
        raise Unavailable("no-signing-key", "")

    feed = _feed(store, world, signer=nobody)
    feed.topics = Topics(world.records)
    await feed.handle([feed.topics.add(KEYS, b"poison"), *feed.topics.log])
    assert feed.missing() == "no-signing-key"
    assert _events(store) == []
    feed._signer = lambda: world.offices[POLICE].signing
    await feed.handle([feed.topics.add(KEYS, b"more poison")])
    assert [each.kind for each in _events(store)] == [EventKind.QUARANTINED] * 2


async def test_a_topic_that_was_lost_is_read_anew_and_revocations_stay(store, world, feed):
    status = issue.change_status(world.anchor, NETTETAL, AgencyStatus.REVOKED, 1, "Probe", NOW)
    await feed.handle([feed.topics.add(topics.REGISTRY_AGENCIES, status)])
    reset = Reset(topics.REGISTRY_AGENCIES, 0, ResetKind.RECREATED, 9, 0, 0, UUID(int=2))
    await feed.on_reset(reset)
    assert await feed.positions([(topics.REGISTRY_AGENCIES, 0)]) == {
        (topics.REGISTRY_AGENCIES, 0): Position(0, UUID(int=2))
    }
    assert feed.register.status(NETTETAL) is AgencyStatus.REVOKED
    told = _events(store)[-1]
    assert (told.kind, told.topic, told.offset) == (
        EventKind.TOPIC_RESET,
        topics.REGISTRY_AGENCIES,
        9,
    )


async def test_when_our_own_keys_were_lost_everything_we_ever_published_is_missing_again(feed):
    own = topics.keys(POLICE)
    assert feed.seen_own == set(feed.own)
    await feed.on_reset(Reset(own, 0, ResetKind.RECREATED, 4, 0, 0, UUID(int=2)))
    assert feed.seen_own == set()
    assert len(feed.own) == 4  # three certificates and what we read


async def test_listeners_hear_of_news_alone(store, world, feed):
    heard = []
    feed.on_change(lambda: heard.append(1))
    await feed.handle(feed.topics.log)
    assert heard == []
    await feed.handle(
        [feed.topics.add(*world.certificate(NETTETAL, SigningKey.generate().public, KeyUse.SIGN))]
    )
    assert heard == [1]


async def test_held_topics_follow_the_status(world, feed):
    assert feed.held() == frozenset()
    for n, (agency, status) in enumerate(
        [(KREIS, AgencyStatus.SUSPENDED), (KREIS, AgencyStatus.ACTIVE), (POLICE, "suspended")], 1
    ):
        token = issue.change_status(world.anchor, agency, AgencyStatus(status), n, "Probe", NOW)
        await feed.handle([feed.topics.add(topics.REGISTRY_AGENCIES, token)])
        if n == 1:
            assert feed.held() == {topics.inbox(KREIS, POLICE)}
        if n == 2:
            assert feed.held() == frozenset()
    assert feed.held() >= {topics.inbox(NETTETAL, POLICE), topics.events(POLICE)}
    assert feed.lost() == {}
    token = issue.change_status(world.anchor, KREIS, AgencyStatus.REVOKED, 4, "Probe", NOW)
    await feed.handle([feed.topics.add(topics.REGISTRY_AGENCIES, token)])
    assert feed.lost() == {topics.inbox(KREIS, POLICE): "recipient-revoked"}


async def test_a_suspended_agency_says_so_until_it_is_resumed(world, feed):
    for n, status, said in ((1, "suspended", "agency-suspended"), (2, "active", None)):
        token = issue.change_status(world.anchor, POLICE, AgencyStatus(status), n, "Probe", NOW)
        await feed.handle([feed.topics.add(topics.REGISTRY_AGENCIES, token)])
        assert feed.missing() == said


async def test_a_revoked_agency_says_so_and_nothing_of_its_own_arrives_anywhere(world, feed):
    token = issue.change_status(world.anchor, POLICE, AgencyStatus.REVOKED, 1, "Probe", NOW)
    await feed.handle([feed.topics.add(topics.REGISTRY_AGENCIES, token)])
    assert feed.missing() == "agency-revoked"
    lost = feed.lost()
    assert set(lost.values()) == {"sender-revoked"}
    assert {topics.inbox(KREIS, POLICE), topics.inbox(NETTETAL, POLICE)} <= lost.keys()
