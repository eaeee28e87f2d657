"""What watch believes: really signed records of certified keys, and nothing else."""

import pickle
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from meldeweg.ceremony import keys as ceremony
from meldeweg.kernel import event, keyfile, statement, topics
from meldeweg.kernel.bus.positions import Position
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.event import EVENT_VALUE, Event, EventKind, Heartbeat
from meldeweg.kernel.ids import AgencyId, Digest, new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.statement import Context, ReceiptFor, ReceiptKind, Seq, Urgency
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import KeyUse
from meldeweg.kernel.trust.register import Register
from meldeweg.registry.submit import topic_of
from meldeweg.watch import feed as feeds
from meldeweg.watch.feed import Feed
from meldeweg.watch.ledger import Ledger
from unit.conftest import NOW

POLICE, OFFICE = AgencyId("polizei-viersen"), AgencyId("jugendamt-kreis-viersen")
TOPIC_ID = UUID(int=7)

SILENT_AFTER = timedelta(minutes=3)


def signing_key(places, agency):
    directory = places.keys(agency)
    (found,) = (e for e in ceremony.listed(directory) if e.certificate.use is KeyUse.SIGN)
    return keyfile.read_signing_key(directory / f"{found.kid}.jwk")


def context(kind="message", sender=POLICE, to=OFFICE, **more):
    message = {
        "urgency": Urgency.IMMEDIATE,
        "ack_by": NOW + timedelta(minutes=30),
        "record_sha256": Digest.of(b"record"),
    }
    return Context(
        v=1,
        id=new_message_id(),
        kind=kind,
        sender=sender,
        to=to,
        created=NOW,
        exercise=False,
        agreement=Digest.of(b"agreement"),
        seq=Seq(outbox="0" * 16, n=1),
        delete_after="2027-03-01",
        **(message if kind == "message" else {}),
        **more,
    )


def receipt(of, kind, sender=OFFICE, to=POLICE):
    about = ReceiptFor(of=of, kind=kind, topic=topics.inbox(OFFICE, POLICE), offset=0)
    return context("receipt", sender, to, receipt=about)


def record(topic, token, offset=0, name="statement"):
    """Return a record that has nothing but a statement: no gateway writes one like it."""
    at = int(NOW.timestamp() * 1000)
    return Record(topic, 0, offset, at, None, b"{}", ((name, token),), TOPIC_ID)


def on_inbox(body, key, *, to=None, sender=None, offset=0, value=b"{}"):
    topic = topics.inbox(to or body.to, sender or body.sender)
    token = statement.sign(body.bytes(), value, key)
    headers = (("statement", token), *statement.cloud_events(body))
    bare = record(topic, token, offset)
    return replace(bare, key=body.id.encode(), value=value, headers=headers)


def told(body, key, topic=None):
    token = event.sign(body, key)
    bare = record(topic or topics.events(body.agency), token)
    headers = event.headers(body, token)
    return replace(bare, key=body.id.encode(), value=EVENT_VALUE, headers=headers)


def beating():
    return Heartbeat(
        v=1,
        id=new_message_id(),
        agency=POLICE,
        at=NOW,
        sent={OFFICE: Seq(outbox="0" * 16, n=7)},
        received={},
        parked=1,
        quarantined=2,
        waiting=3,
    )


@pytest.fixture
def clock():
    return FixedClock(NOW)


@pytest.fixture
def ledger():
    return Ledger(SILENT_AFTER)


@pytest.fixture
def feed(register, ledger, clock):
    feed = Feed(register, ledger, clock)
    feed.read("trust")
    return feed


async def test_a_message_and_its_receipt_are_believed_and_end_it(feed, ledger, places):
    body, police, office = context(), signing_key(places, POLICE), signing_key(places, OFFICE)
    await feed.exchange([on_inbox(body, police)])
    (digest,) = ledger.open
    await feed.exchange([on_inbox(receipt(digest, ReceiptKind.DELIVERED), office)])
    assert ledger.undelivered() == []
    await feed.exchange([on_inbox(receipt(digest, ReceiptKind.ACKNOWLEDGED), office)])
    assert not ledger.open
    assert not ledger.unread


async def test_a_forged_record_is_counted_and_not_believed(feed, ledger, places):
    police, office = signing_key(places, POLICE), signing_key(places, OFFICE)
    other_kid = on_inbox(context(), office)  # a certified key, but another agency's
    true = on_inbox(context(), police)
    head, payload, signature = true.headers[0][1].split(b".")
    flipped = (b"A" if signature[:1] != b"A" else b"B") + signature[1:]
    token = ("statement", b".".join((head, payload, flipped)))
    forged = replace(true, headers=(token, *true.headers[1:]))
    wrong_place = on_inbox(context(), police, to=AgencyId("jugendamt-kempen"))
    nonsense = record(topics.inbox(OFFICE, POLICE), b"nonsense")
    none = record(topics.inbox(OFFICE, POLICE), b"x", name="else")
    await feed.exchange([forged, wrong_place, nonsense, none])
    assert not ledger.open
    assert sum(ledger.unread.values()) == 4
    assert ledger.unread == {
        "signature-invalid": 1,
        "topic-contradicts": 1,
        "jws-malformed": 1,
        "header-malformed": 1,
    }
    await feed.exchange([other_kid])
    assert not ledger.open


async def test_a_receipt_of_a_stranger_is_counted_and_ends_nothing(feed, ledger, places):
    await feed.exchange([on_inbox(context(), signing_key(places, POLICE))])
    (digest,) = ledger.open
    stranger = AgencyId("jugendamt-kempen")
    said = receipt(digest, ReceiptKind.ACKNOWLEDGED, sender=stranger)
    await feed.exchange([on_inbox(said, signing_key(places, stranger))])
    assert list(ledger.open) == [digest]
    assert ledger.unread == {"receipt-foreign": 1}


async def test_what_comes_before_its_signers_key_waits_for_it(ledger, places, clock):
    feed = Feed(Register(keyfile.read_public_key(places.anchor)), ledger, clock)
    feed.read("trust")
    await feed.exchange([on_inbox(context(), signing_key(places, POLICE))])
    assert not ledger.open
    assert feed.waiting() == 1
    values = [(topic_of(p.read_bytes()), p.read_bytes()) for p in places.issued().iterdir()]
    values += [
        (topics.keys(POLICE), path.read_bytes().strip())
        for path in places.keys(POLICE).glob("*.jws")
    ]
    trust = [
        Record(topic, 0, n, 0, None, value, (), TOPIC_ID) for n, (topic, value) in enumerate(values)
    ]
    await feed.trust(trust)
    assert len(ledger.open) == 1
    assert feed.waiting() == 0


async def test_of_what_waits_nothing_is_kept_that_is_not_needed(feed):
    await feed.exchange([on_inbox(context(), SigningKey.generate(), value=bytes(1_000_000))])
    ((held, _),) = feed._waiting
    assert len(pickle.dumps(held)) < 4000


async def test_nobody_known_is_waited_for_bounded_in_time(feed, ledger, clock):
    await feed.exchange([on_inbox(context(), SigningKey.generate())])
    assert feed.waiting() == 1
    clock.advance(timedelta(minutes=14))
    await feed.exchange([])
    assert feed.waiting() == 1
    clock.advance(timedelta(minutes=2))
    await feed.exchange([])
    assert feed.waiting() == 0
    assert ledger.unread == {"signer-unknown": 1}


async def test_nobody_known_is_waited_for_bounded_in_number(feed, ledger, monkeypatch):
    monkeypatch.setattr(feeds, "_WAITING_MAX", 3)
    key = SigningKey.generate()
    await feed.exchange([on_inbox(context(), key, offset=n) for n in range(5)])
    await feed.exchange([])
    assert feed.waiting() == 3
    assert ledger.unread == {"signer-unknown": 2}


async def test_a_heartbeat_and_an_event_count_once_and_only_on_their_own_topic(
    feed, ledger, places
):
    key = signing_key(places, POLICE)
    beat = beating()
    began = Event(v=1, id=new_message_id(), agency=POLICE, kind=EventKind.STARTED, at=NOW)
    await feed.exchange([told(beat, key), told(began, key), told(began, key)])
    assert ledger.pulses[POLICE].heartbeat.waiting == 3
    assert ledger.events[POLICE, EventKind.STARTED] == 1
    await feed.exchange([told(began, key, topics.events(OFFICE))])
    assert ledger.unread == {"topic-contradicts": 1}


async def test_nothing_is_judged_or_dropped_before_the_register_is_read(
    register, ledger, clock, places, monkeypatch
):
    """A month of heartbeats is read in less time than a connection for the register may take."""
    monkeypatch.setattr(feeds, "_REGISTER", 0.01)
    monkeypatch.setattr(feeds, "_WAITING_MAX", 3)
    feed = Feed(register, ledger, clock)
    batch = [on_inbox(context(), signing_key(places, POLICE), offset=n) for n in range(5)]
    with pytest.raises(Unavailable) as early:
        await feed.exchange(batch)
    assert early.value.code == "register-unread"
    assert await feed.positions([batch[0].place]) == {batch[0].place: None}
    assert (feed.waiting(), ledger.open, ledger.unread) == (0, {}, {})
    feed.read("trust")
    await feed.exchange(batch)
    assert len(ledger.open) == 5


async def test_it_is_ready_once_both_have_read_to_their_ends_of_the_start(register, ledger, clock):
    feed = Feed(register, ledger, clock)
    feed.read("exchange")
    assert feed.behind() == "still-reading"
    assert ledger.caught_up_at is None
    clock.advance(timedelta(minutes=1))
    feed.read("trust")
    assert feed.behind() is None
    assert ledger.caught_up_at == NOW + timedelta(minutes=1)


async def test_reading_goes_on_where_it_was_behind_what_was_passed_over_too(feed, places):
    good = on_inbox(context(), signing_key(places, POLICE), offset=4)
    await feed.exchange([good])
    assert await feed.positions([good.place]) == {good.place: Position(5, TOPIC_ID)}
    await feed.quarantine(on_inbox(context(), signing_key(places, POLICE), offset=5), "x")
    assert await feed.positions([good.place]) == {good.place: Position(6, TOPIC_ID)}


def revoking(places, agency, kid, at):
    identity = keyfile.read_signing_key(places.offline(f"identity-{agency}.jwk"))
    token = issue.revoke_key(identity, agency, kid, "verloren", at)
    return Record(topics.keys(agency), 0, 99, 0, None, token, (), TOPIC_ID)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("agency", [POLICE, OFFICE])
async def test_what_lay_there_before_its_key_was_revoked_counts_after_a_restart_too(
    register, clock, places, agency, restarted
):
    """A lost key must not open again what was taken, nor hide what nobody took."""
    police, office = signing_key(places, POLICE), signing_key(places, OFFICE)
    taken, waits = on_inbox(context(), police), on_inbox(context(), police, offset=1)
    digest = statement.parse(taken.headers[0][1]).digest
    receipts = [
        on_inbox(receipt(digest, kind), office)
        for kind in (ReceiptKind.DELIVERED, ReceiptKind.ACKNOWLEDGED)
    ]
    lost = {POLICE: police, OFFICE: office}[agency]
    revocation = revoking(places, agency, lost.kid, NOW + timedelta(hours=1))
    ledger = Ledger(SILENT_AFTER)
    feed = Feed(register, ledger, clock)
    feed.read("trust")
    for step in (feed.trust, feed.exchange) if restarted else (feed.exchange, feed.trust):
        await step([revocation] if step == feed.trust else [taken, *receipts, waits])
    clock.advance(timedelta(hours=2))
    assert len(ledger.open) == len(ledger.undelivered()) == len(ledger.overdue(clock.now())) == 1
    assert not ledger.unread


async def test_what_came_after_its_key_was_revoked_does_not_count(feed, ledger, places):
    police = signing_key(places, POLICE)
    await feed.trust([revoking(places, POLICE, police.kid, NOW)])
    await feed.exchange([on_inbox(context(), police)])
    assert not ledger.open
    assert ledger.unread == {"key-revoked": 1}
