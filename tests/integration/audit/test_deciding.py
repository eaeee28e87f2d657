"""A person decides: a stopped topic goes on, an alarm is closed, and who and why stay."""

import httpx2
import pytest

from integration.audit.busstage import Bus, Running, eventually, some
from integration.audit.harness import IDS, OTHER, TOPIC, Audit, record
from meldeweg.audit import ingest
from meldeweg.audit.access import Auditors
from meldeweg.audit.api import build
from meldeweg.audit.deciding import Deciding
from meldeweg.audit.project import project
from meldeweg.audit.recovery import Recovery
from meldeweg.kernel.errors import Unavailable

WHO = {"by": "Erika Beispiel", "reason": "Platte der Probe verloren (erfunden)"}
AS = "Erika Beispiel (erika.beispiel)"


class _Known(Auditors):
    def __init__(self):
        super().__init__(None)

    def who(self, token):
        super().who(None) if token is None else None
        return "erika.beispiel"


def asking(reading, decide):
    app = build(reading, _Known(), _no_keys, decide)
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app),
        base_url="http://audit.example",
        headers={"Authorization": "Bearer an-invented-token"},
    )


def _no_keys(origin):
    return ()


async def at_once(job):
    return job()


async def ends_at_nine(_):
    return 9


@pytest.fixture
async def ask(audit):
    audit.append(record(0), record(3), record(0, OTHER))
    async with asking(audit.reading, Deciding(audit.ledger, at_once, ends_at_nine)) as client:
        yield client


def resume(topic):
    return f"/v1/streams/{topic}/resume"


async def test_who_resumed_a_topic_why_and_where_is_on_record(ask, audit):
    answer = await ask.post(resume(TOPIC), json=WHO | {"at": 3})
    assert answer.json() == {"topic": TOPIC, "next": 3, "halted": None}
    (alarm,) = (await ask.get("/v1/alarms?everything=true")).json()
    assert alarm["resolved_by"] == f"{AS}: {WHO['reason']}"
    (kept,) = (await ask.get("/v1/decisions")).json()
    assert kept.pop("at")
    assert kept == {
        "kind": "resume",
        "subject": TOPIC,
        "code": "offset-gap",
        "was": 1,
        "now": 3,
        "by": AS,
        "reason": WHO["reason"],
    }


async def test_an_alarm_is_closed_once_and_never_while_its_topic_stands_still(ask, audit):
    (alarm,) = (await ask.get("/v1/alarms")).json()
    path = f"/v1/alarms/{alarm['id']}/resolve"
    assert (await ask.post(path, json=WHO)).json()["code"] == "stream-halted"
    audit.ledger.stream(OTHER, b"N" * 16)  # recreated: goes on by itself, the alarm stays
    other = (await ask.get("/v1/alarms")).json()[0]
    path = f"/v1/alarms/{other['id']}/resolve"
    assert (await ask.post(path, json=WHO)).status_code == 200
    again = await ask.post(path, json=WHO)
    assert (again.status_code, again.json()["code"]) == (409, "alarm-resolved")
    assert [each["id"] for each in (await ask.get("/v1/alarms")).json()] == [alarm["id"]]
    kept = (await ask.get("/v1/decisions")).json()
    assert [(each["kind"], each["code"], each["by"]) for each in kept] == [
        ("resolve", "topic-recreated", AS)
    ]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (resume(TOPIC), {"at": 0}, 409, "offset-behind"),
        (resume(OTHER), {"at": 5}, 409, "stream-not-halted"),
        (resume("inbox.nobody.nobody"), {"at": 5}, 404, "stream-unknown"),
        (resume(TOPIC), {"at": 10}, 409, "offset-beyond"),
        (resume(TOPIC), {"at": 2**53}, 400, "body-malformed"),
        (resume(TOPIC), {"at": 3, "by": "a\0b"}, 400, "body-malformed"),
        (resume(TOPIC), {"at": 3, "reason": "a\0b"}, 400, "body-malformed"),
        (resume(TOPIC), {}, 400, "body-malformed"),
        (resume(TOPIC), {"at": 3, "reason": ""}, 400, "body-malformed"),
        ("/v1/alarms/4711/resolve", {}, 404, "alarm-unknown"),
        ("/v1/alarms/4711/resolve", {"more": 1}, 400, "body-malformed"),
    ],
)
async def test_what_cannot_be_decided_is_refused_and_changes_nothing(
    ask, audit, path, body, status, code
):
    before = audit.reading.streams()
    answer = await ask.post(path, json=WHO | body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert audit.reading.streams() == before
    assert audit.reading.decisions() == []


async def test_without_a_token_nobody_decides(ask, audit):
    answer = await ask.post(resume(TOPIC), json=WHO | {"at": 3}, headers={"Authorization": ""})
    assert answer.status_code == 401
    assert audit.reading.decisions() == []


async def test_a_database_older_than_a_decision_goes_on_as_the_manifest_says_with_an_alarm(
    uri, server
):
    one = Audit(uri)
    one.append(record(0), record(3))
    one.ledger.resume(one.ledger.newest(TOPIC), 3, AS, WHO["reason"])
    one.append(record(3), record(4))
    signed = one.seal()
    manifests = one.manifests
    one.close()
    two = Audit(server.database())

    async def fetch(topic, topic_id, start, end):
        return [project(topic_id, record(offset, topic)) for offset in range(start, end)]

    recovery = Recovery(two.ledger, two.sealer, fetch)
    for number, note in enumerate(manifests):
        await recovery.take(number, note)
    assert two.reading.signed().root == signed.root
    (alarm,) = two.reading.alarms(everything=False)
    assert (alarm["code"], alarm["subject"]) == ("offset-gap", TOPIC)
    assert two.ledger.streams[IDS[TOPIC]].next == 5
    two.close()


async def test_the_running_audit_goes_on_where_the_person_says_and_signs_again(own_broker, uri):
    bus = Bus(own_broker)
    await bus.clean()
    await bus.create(TOPIC)
    async with Running(bus, uri) as audit:
        await bus.write(TOPIC, *some(3))
        await audit.signed(4)
    await bus.write(TOPIC, *some(5, 3))
    await bus.delete_records(TOPIC, 6)
    async with Running(bus, uri) as audit:
        await eventually(lambda: audit.alarms() == {("log-start-beyond", TOPIC)})
        decide = Deciding(audit.ledger, audit.ingest.between, audit.ingest.end_of)
        async with asking(audit.reading, decide) as ask:
            slip = await ask.post(resume(TOPIC), json=WHO | {"at": 66})
            assert (slip.status_code, slip.json()["code"]) == (409, "offset-beyond")
            answer = await ask.post(resume(TOPIC), json=WHO | {"at": 6})
        assert answer.status_code == 200, answer.text
        await audit.signed(6)
        assert audit.alarms() == set()
        assert [each.code for each in audit.verified().broken] == ["record-omitted"]
    await bus.close()


async def test_a_decision_that_gets_no_turn_is_not_made_later(own_broker, uri, monkeypatch):
    monkeypatch.setattr(ingest, "_PATIENCE", 0.05)
    bus = Bus(own_broker)
    running = Running(bus, uri)  # nothing turns yet
    made = []
    with pytest.raises(Unavailable, match="audit-waiting"):
        await running.ingest.between(lambda: made.append(1))
    await running.ingest._carry_out()
    assert made == []
    await running.ingest.stop()
    running.pool.close()
    await bus.close()
