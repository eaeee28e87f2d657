"""What a gateway promised holds when it is killed, when it runs twice, when its keys change."""

import contextlib
import json
import threading
import time
import uuid

import httpx2
import pytest

from integration.gateway.district import KREIS, POLICE
from meldeweg.ceremony import keys as ceremony
from meldeweg.kernel import keyfile, topics
from meldeweg.kernel.bus.records import Outgoing
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.issue import signed
from meldeweg.kernel.trust.objects import Snapshot, TopicEnd

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def kreis(district):
    gateway = district.gateway(KREIS, "faults").ready()
    yield gateway
    gateway.kill()  # one active instance per agency


@pytest.fixture(scope="module")
def running(district, kreis):
    gateway = district.gateway(POLICE, "faults").ready().knows(KREIS)
    yield gateway
    gateway.kill()


@pytest.fixture
def police(running):
    """The police's gateway, up and without faults, whatever the test before did to it."""
    if running.process.poll() is not None or running.faults:
        running.kill()
        running.start().ready()
    return running


def _ids(kreis, sender=POLICE):
    return [item["id"] for item in kreis.inbox() if item["sender"] == sender]


@pytest.mark.parametrize(
    "point",
    [
        "intake.after_commit",
        "outbound.before_produce",
        "outbound.after_produce",
        "outbound.before_mark",
        "store.after_commit",
    ],
)
def test_killed_anywhere_after_its_commit_a_message_arrives_once(police, kreis, point):
    police.kill()
    nth = {"intake": 1, "outbound": 4, "store": 20}[point.partition(".")[0]]  # not in the start
    police.start(MELDEWEG_FAILPOINTS=f"{point}=kill@{nth}").ready()
    before, keys = set(_ids(kreis)), []
    deadline = time.monotonic() + 60
    while police.process.poll() is None and time.monotonic() < deadline:
        keys.append(str(uuid.uuid4()))
        with contextlib.suppress(httpx2.HTTPError):
            police.send(keys[-1])
    assert police.process.wait(60) == -9
    police.start().ready()
    # A caller who saw no answer asks again with the same key: the message is sent once.
    answers = [police.send(key) for key in keys]
    assert {answer.status_code for answer in answers} == {201}
    messages = [answer.json()["id"] for answer in answers]
    for message in messages:
        police.becomes(message, "delivered")
    assert sorted(each for each in _ids(kreis) if each not in before) == sorted(messages)


def test_kill_9_under_load_loses_nothing_that_was_answered_and_doubles_nothing(police, kreis):
    accepted, stop = [], threading.Event()

    def client():
        while not stop.is_set():
            try:
                answer = police.send()
            except httpx2.HTTPError:
                time.sleep(0.05)
                continue
            if answer.status_code == 201:
                accepted.append(answer.json()["id"])

    for _ in range(2):
        stop.clear()
        clients = [threading.Thread(target=client) for _ in range(4)]
        for each in clients:
            each.start()
        time.sleep(1.5)
        police.kill()
        stop.set()
        for each in clients:
            each.join()
        police.start().ready()
    assert len(accepted) > 5
    for message in accepted:
        police.becomes(message, "delivered", 60)
    arrived = _ids(kreis)
    assert set(accepted) <= set(arrived)
    assert len(arrived) == len(set(arrived))


def test_messages_to_one_partner_arrive_in_the_order_of_their_acceptance(police, kreis):
    sent = [police.send().json()["id"] for _ in range(30)]
    police.becomes(sent[-1], "delivered")
    arrived = [each for each in _ids(kreis) if each in set(sent)]
    assert arrived == sent


def test_a_second_instance_on_the_same_store_is_refused_and_the_first_goes_on(police):
    second = police.twin().start()
    assert second.process.wait(90) == 10
    assert any("store-locked" in json.dumps(line) for line in second.lines())
    assert police.send().status_code == 201


def test_sigterm_drains_and_ends_with_zero(police):
    message = police.send().json()["id"]
    assert police.terminate() == 0
    police.start().ready()
    police.becomes(message, "delivered")


def test_an_idle_gateway_ends_within_seconds(police):
    for _ in range(3):
        began = time.monotonic()
        assert police.terminate() == 0
        assert time.monotonic() - began < 6  # of the 20 that a drain may take; 0.5 is usual
        assert not any(line["event"] == "client_abandoned" for line in police.lines())
        police.start().ready()


def test_new_keys_are_used_while_running(district, police, kreis):
    identity = keyfile.read_signing_key(district.places.offline(f"identity-{KREIS}.jwk"))
    ceremony.rotate(identity, KREIS, district.places.keys(KREIS), district.clock.now())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(line["event"] == "keys_published" for line in kreis.lines()[5:]):
            break
        time.sleep(0.2)
    before = police.send().json()["id"]
    time.sleep(2)
    after = police.send().json()["id"]
    for message in (before, after):
        police.becomes(message, "delivered")
        opened = kreis.http.get(f"/v1/inbox/{message}", headers={"Acting-Person": "E. Beispiel"})
        assert opened.status_code == 200, opened.text


def _snapshot(district, n, topic=None):
    key = keyfile.read_signing_key(district.places.service_key("registry"))
    ends = {}
    if topic:
        chains = Chains()
        chains.extend(topic, b"something else")
        end, digest = chains.end(topic)
        ends[topic] = TopicEnd(end=end, digest=digest)
    body = Snapshot(v=1, n=n, at=district.clock.now(), topics=ends)
    return Outgoing(topics.REGISTRY_SNAPSHOTS, None, signed(body, key))


async def test_a_contradicting_snapshot_stops_sealing_and_a_true_one_lets_it_go_on(
    district, police
):
    await district.write(_snapshot(district, 1, topics.keys(KREIS)))
    _until(lambda: police.send().status_code == 503)
    assert police.send().json()["code"] == "register-contradicts"
    await district.write(_snapshot(district, 2))
    _until(lambda: police.send().status_code == 201)


def _until(done, seconds=60):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_memory_stays_below_110_mb(police, kreis):
    sent = [police.send().json()["id"] for _ in range(50)]
    police.becomes(sent[-1], "delivered", 60)  # they are the next test's queue otherwise
    assert police.rss() <= 110
    assert kreis.rss() <= 110


def test_nothing_of_a_message_is_in_log_or_store(police, kreis):
    marker = "MARKER Erika Beispiel"
    answer = police.send(thread="MARKER-thread", acting_person=marker, addressee=marker)
    assert answer.status_code == 201, answer.text
    message = answer.json()["id"]
    police.becomes(message, "delivered", 60)
    opened = kreis.http.get(f"/v1/inbox/{message}", headers={"Acting-Person": marker})
    assert opened.status_code == 200, opened.text  # else nobody's name was there to be found
    assert opened.json()["opened"][0]["by"] == marker
    for gateway in (police, kreis):
        files = [gateway.log, *gateway.store.iterdir()]
        assert any(path.name.endswith("-wal") for path in files)  # where the newest rows are
        for path in files:
            assert b"MARKER" not in path.read_bytes(), path
