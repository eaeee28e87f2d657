"""Publication: what we certified is on our topic, and all of it again when the topic is empty."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from meldeweg.ceremony import keys as ceremony
from meldeweg.gateway import publication
from meldeweg.gateway.keyring import Keyring
from meldeweg.gateway.publication import Publication
from meldeweg.gateway.store import outbox
from meldeweg.kernel import event, signing, topics
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.trust.issue import signed
from meldeweg.kernel.trust.objects import KeyUse, Reads
from unit.gateway.world import NOW, POLICE, World

READS = {"notification": (1, 2)}


@pytest.fixture(scope="module")
def world():
    return World()


class Stage:
    """A keys topic that one publication writes, and the view that reads it."""

    def __init__(self, store, world, directory, *, caught_up=True, begun=False, without=()):
        directory.mkdir(mode=0o700)
        for use in (KeyUse.SIGN, KeyUse.SEAL):
            ceremony.issue(world.offices[POLICE].identity, POLICE, use, directory, NOW)
        self.store, self.view, self.log, self.known = store, world.register(without=without), [], {}
        self.keyring = Keyring(directory, POLICE)
        self.failing = False
        self.publication = Publication(
            POLICE,
            self.keyring,
            self.view,
            store,
            self,
            FixedClock(NOW),
            known=lambda: self.known,
            seen=lambda: {Digest.of(value) for value in self.log},
            caught_up=lambda: caught_up,
            begun=lambda: begun,
            reads=READS,
            every=0,
        )

    async def send(self, batch):
        if self.failing:
            return [Unavailable("broker-unreachable", "") for _ in batch]
        for record in batch:
            assert record.topic == topics.keys(POLICE)
            self.log.append(record.value)
            self.view.apply(record.topic, record.value)
            self.known[Digest.of(record.value)] = record.value
        return [Ack(record.topic, 0, 0, 0) for record in batch]

    async def look(self):
        await self.publication.look()

    def kinds(self):
        return [signing.typ_of(value) for value in self.log]


async def test_certificates_come_first_then_what_we_read(store, world, tmp_path):
    stage = Stage(store, world, tmp_path / "keys")
    assert stage.publication.missing() == "not-announced"
    await stage.look()
    assert stage.kinds() == [signing.Typ.KEY, signing.Typ.KEY, signing.Typ.READS]
    assert stage.view.reads(POLICE) == READS
    assert stage.publication.missing() is None
    rows = store.peek(lambda db: outbox.unproduced(db, 9, 10**6))
    told = [event.parse(dict(row.headers)["statement"]).body.kind for row in rows]
    assert told == [EventKind.KEY_PUBLISHED] * 2


async def test_an_announcement_outdoes_the_one_of_a_clock_that_was_ahead(store, world, tmp_path):
    stage = Stage(store, world, tmp_path / "keys")
    await stage.look()
    ahead = Reads(v=1, agency=POLICE, types={}, at=NOW + timedelta(days=40))
    key = stage.keyring.signing_key(stage.view, NOW)
    await stage.send([Outgoing(topics.keys(POLICE), None, signed(ahead, key))])
    assert stage.view.reads(POLICE) == {}
    stage.publication._announced -= 60  # a minute later
    await stage.look()
    assert stage.view.reads(POLICE) == READS


async def test_what_is_there_is_not_published_again(store, world, tmp_path):
    stage = Stage(store, world, tmp_path / "keys")
    for _ in range(3):
        await stage.look()
    assert len(stage.log) == 3


async def test_nothing_is_published_before_the_topic_was_read(store, world, tmp_path):
    stage = Stage(store, world, tmp_path / "keys", caught_up=False)
    await stage.look()
    assert stage.log == []


async def test_a_broker_that_is_away_is_tried_again(store, world, tmp_path):
    stage = Stage(store, world, tmp_path / "keys")
    stage.failing = True
    await stage.look()
    stage.failing = False
    await stage.look()
    assert len(stage.log) == 3


async def test_an_empty_topic_gets_everything_again_also_what_left_the_directory(
    store, world, tmp_path, monkeypatch
):
    stage = Stage(store, world, tmp_path / "keys")
    await stage.look()
    for path in (tmp_path / "keys").iterdir():
        path.unlink()
    before, stage.log = stage.log, []
    monkeypatch.setattr(publication, "_AGAIN", 0.0)
    await stage.look()
    assert stage.log == before


async def test_a_new_key_is_published_while_running(store, world, tmp_path):
    stage = Stage(store, world, tmp_path / "keys")
    await stage.look()
    ceremony.rotate(world.offices[POLICE].identity, POLICE, tmp_path / "keys", NOW)
    await stage.look()
    assert len(stage.log) == 5


@pytest.mark.parametrize(("begun", "announced"), [(1, 1), (1, 0), (0, 1)])
async def test_a_new_store_of_an_agency_that_announced_before_is_warned_of_once(
    store, world, tmp_path, begun, announced
):
    before = tuple(
        value
        for topic, value in world.records
        if topic == topics.keys(POLICE) and signing.typ_of(value) is signing.Typ.READS
    )
    unheard = () if announced else before
    stage = Stage(store, world, tmp_path / "keys", begun=begun, without=unheard)
    with capture_logs() as lines:
        await stage.look()
        await stage.look()
    events = [line["event"] for line in lines]
    assert events.count("store_new_agency_known") == begun * announced
