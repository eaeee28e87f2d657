"""What a person said of a message is produced again before its topic forgets it (decision 0019):
a sender that was away for longer than the broker keeps records learns of it, and once."""

import signal
import sqlite3
import time
from contextlib import closing

import pytest
from confluent_kafka import TopicPartition  # noqa: TID251 - deletes what only a test may delete
from confluent_kafka.admin import AdminClient, OffsetSpec  # noqa: TID251 - as above

from integration.gateway.district import KREIS, POLICE
from meldeweg.gateway.store.database import FILE
from meldeweg.kernel import topics

pytestmark = pytest.mark.stack
IN = (topics.inbox(POLICE, KREIS), 0)
BACK = TopicPartition(*IN)
PERSON = {"Acting-Person": "Erika Beispiel"}
SAID = {"kind": "acknowledged", "by": "Erika Beispiel"}


@pytest.fixture
def kreis(district):
    gateway = district.gateway(KREIS, "again", MELDEWEG_OUTBOX__RECEIPTS_AGAIN="4").ready()
    yield gateway
    gateway.kill()


@pytest.fixture
def police(district, kreis):
    gateway = district.gateway(POLICE, "again").ready().knows(KREIS)
    yield gateway
    gateway.kill()


@pytest.fixture
def broker(district):
    return AdminClient(district.connection().admin_options())


def end(broker):
    return broker.list_offsets({BACK: OffsetSpec.latest()})[BACK].result(30).offset


def grows(broker, beyond, seconds=60):
    until = time.monotonic() + seconds
    while (found := end(broker)) <= beyond:
        assert time.monotonic() < until, "nothing was produced again"
        time.sleep(0.2)
    return found


def test_a_word_that_the_broker_forgot_before_it_was_read_comes_again_and_counts_once(
    police, kreis, broker
):
    message = police.send().json()["id"]
    police.becomes(message, "delivered")
    police.terminate()
    before = end(broker)
    assert kreis.http.get(f"/v1/inbox/{message}", headers=PERSON).status_code == 200
    assert kreis.http.post(f"/v1/inbox/{message}/receipts", json=SAID).status_code == 201
    after = grows(broker, before)
    kreis.process.send_signal(signal.SIGSTOP)  # nothing comes again before the police look
    (deleting,) = broker.delete_records([TopicPartition(*IN, after)]).values()
    deleting.result(30)
    police.start().ready()
    assert police.state(message) == "delivered"
    kreis.process.send_signal(signal.SIGCONT)
    police.becomes(message, "acknowledged")
    for _ in range(2):
        after = grows(broker, after)
    time.sleep(1)  # until the police have read that too
    timeline = police.http.get(f"/v1/messages/{message}").json()["timeline"]
    assert [step["kind"] for step in timeline] == ["sent", "delivered", "acknowledged"]
    assert timeline[-1]["by"] == "Erika Beispiel"
    with closing(sqlite3.connect(police.store / FILE)) as db:  # others' receipts lie before
        query = "SELECT count(*) FROM quarantine WHERE topic = ? AND topic_offset >= ?"
        assert db.execute(query, (BACK.topic, before)).fetchone() == (0,)
