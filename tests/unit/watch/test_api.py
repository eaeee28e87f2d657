"""What operators get: JSON with the token, a problem for everything else, exact metrics."""

import asyncio
import math
from datetime import datetime, timedelta

import httpx2
import pytest

from meldeweg.kernel import event, keyfile, metrics, signing, topics
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.statement import ReceiptKind
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.watch import api
from meldeweg.watch.ledger import Ledger, Pulse
from unit.watch import test_ledger as made
from unit.watch.test_feed import POLICE, beating

NOW = made.NOW


@pytest.fixture
def ledger():
    return Ledger(timedelta(minutes=3), caught_up_at=NOW)


@pytest.fixture
def ask(ledger, register):
    app = api.build(ledger, register, FixedClock(NOW), "ein Zeichen")
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://watch",
        headers={"Authorization": "Bearer ein Zeichen"},
    )


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/v1/overview", {"Authorization": "Bearer x"}, 401, "token-refused"),
        ("GET", "/v1/overview", {"Authorization": ""}, 401, "token-refused"),
        ("GET", "/v1/messages?state=x", {}, 400, "parameter-malformed"),
        ("GET", "/v1/nothing", {}, 404, "not-found"),
        ("POST", "/v1/messages", {}, 405, "method-not-allowed"),
    ],
)
async def test_whatever_goes_wrong_is_a_problem(ask, method, path, headers, status, code):
    async with ask:
        answer = await ask.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert answer.json()["status"] == status
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    if status == 405:
        assert answer.headers["allow"] == "GET"


async def test_a_failure_of_ours_is_a_problem_without_its_words(ask, ledger, monkeypatch):
    def broken(*_):
        raise RuntimeError("MARKER")

    monkeypatch.setattr(Ledger, "overdue", broken)
    async with ask:
        answer = await ask.get("/v1/overview")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "MARKER" not in answer.text


async def test_states_choose_messages_and_nothing_says_what_they_are_about(ask, ledger):
    late, on_time = made.message(NOW - timedelta(minutes=1)), made.message()
    for each in (late, on_time):
        ledger.message(each, NOW)
    ledger.receipt(made.receipt(on_time, ReceiptKind.DELIVERED))
    async with ask:
        found = {
            state: (await ask.get(f"/v1/messages?state={state}")).json()
            for state in ("open", "undelivered", "overdue")
        }
    assert found["open"]["total"] == 2
    assert [each["digest"] for each in found["undelivered"]["items"]] == [late.digest]
    assert [each["digest"] for each in found["overdue"]["items"]] == [late.digest]
    assert set(found["open"]["items"][0]) == {
        "digest", "from", "to", "urgency", "exercise", "since", "ack_by", "delivered", "overdue",
    }  # fmt: skip


@pytest.mark.parametrize("count", [2**53, 10**400])
def test_a_heartbeat_never_counts_what_no_gauge_can_hold(count):
    """One gateway's heartbeat must not end watch, and end it again at each start."""
    body = event.Heartbeat(
        v=1, id=new_message_id(), agency="a", at=NOW, sent={}, received={},
        parked=7, quarantined=0, waiting=0,
    )  # fmt: skip
    said = body.bytes().replace(b'"parked":7', b'"parked":%d' % count)
    token = signing.sign(SigningKey.generate(), signing.Typ.HEARTBEAT, said).encode()
    with pytest.raises(Refused) as refused:
        event.parse(token)
    assert refused.value.code == "heartbeat-malformed"


def measured(ledger, view):
    """Return the metrics' lines after one look at the ledger."""
    measuring = api.measure(ledger, view, FixedClock(NOW), 60)
    measuring.send(None)
    measuring.close()
    return metrics.render().decode().splitlines()


async def test_before_all_is_read_nothing_is_counted_and_that_is_said(ask, ledger, register):
    """An operator who asks at the start must not read that all is well."""
    ledger.caught_up_at = None
    for gauge in (api._undelivered, api._overdue, api._silent):
        gauge.clear()
    api._caught_up.set(0)
    api._oldest.set(math.nan)
    ledger.message(made.message(NOW - timedelta(minutes=1)), NOW)
    async with ask:
        overview = (await ask.get("/v1/overview")).json()
        listed = (await ask.get("/v1/messages")).json()
    assert (overview["caught_up"], overview["caught_up_at"]) == (False, None)
    assert overview["known_since"] is None
    assert {overview[each] for each in ("open", "undelivered", "overdue", "silent")} == {None}
    assert (listed["caught_up"], listed["total"]) == (False, None)
    lines = measured(ledger, register)
    assert "meldeweg_watch_caught_up 0.0" in lines
    assert "meldeweg_oldest_undelivered_seconds NaN" in lines
    counted = tuple(
        f"meldeweg_{each}"
        for each in ("messages_undelivered", "messages_overdue", "gateway_silent")
    )
    assert not [line for line in lines if line.startswith(counted)]
    ledger.caught_up_at = NOW
    lines = measured(ledger, register)
    assert "meldeweg_watch_caught_up 1.0" in lines
    assert 'meldeweg_messages_overdue{urgency="immediate"} 1.0' in lines


async def test_once_all_is_read_the_overview_says_since_when(ask):
    async with ask:
        overview = (await ask.get("/v1/overview")).json()
    assert overview["caught_up"] is True
    assert overview["caught_up_at"] == NOW.isoformat().replace("+00:00", "Z")
    assert overview["open"] == 0


async def test_what_a_restart_forgot_is_said(ask):
    """The topics hold thirty days; a message may be overdue for half a year."""
    async with ask:
        overview = (await ask.get("/v1/overview")).json()
        described = (await ask.get("/openapi.json")).json()["paths"]["/v1/overview"]["get"]
    held = int(topics.described(topics.inbox(POLICE, made.OFFICE)).config["retention.ms"])
    known_since = datetime.fromisoformat(overview["known_since"])
    assert known_since == NOW - timedelta(milliseconds=held)
    assert "known_since" in described["description"]


async def test_the_gauges_are_exact(ledger, register):
    ledger.caught_up_at = NOW - timedelta(hours=1)  # time enough to have heard of everybody
    ledger.message(made.message(NOW - timedelta(minutes=1)), NOW - timedelta(seconds=90))
    ledger.message(made.message(), NOW)
    measuring = asyncio.create_task(api.measure(ledger, register, FixedClock(NOW), 60))
    await asyncio.sleep(0)
    measuring.cancel()
    text = metrics.render().decode()
    assert 'meldeweg_messages_undelivered{urgency="immediate"} 2.0' in text
    assert 'meldeweg_messages_overdue{urgency="immediate"} 1.0' in text
    assert "meldeweg_oldest_undelivered_seconds 90.0" in text
    assert 'meldeweg_gateway_silent{agency="polizei-viersen"} 1.0' in text


@pytest.mark.parametrize("status", [AgencyStatus.REVOKED, AgencyStatus.SUSPENDED])
async def test_who_may_write_nothing_is_not_silent_and_is_named(
    ask, ledger, register, places, status
):
    """An alarm on a revoked agency's silence could never end."""
    ledger.heartbeat(beating(), NOW)
    assert 'meldeweg_gateway_parked{agency="polizei-viersen"} 1.0' in measured(ledger, register)
    ledger.pulses[POLICE] = Pulse(NOW - timedelta(days=1), ledger.pulses[POLICE].heartbeat)
    assert 'meldeweg_gateway_silent{agency="polizei-viersen"} 1.0' in measured(ledger, register)
    anchor = keyfile.read_signing_key(places.offline("anchor.jwk"))
    token = issue.change_status(anchor, POLICE, status, 1, "Übung", NOW)
    register.apply(topics.REGISTRY_AGENCIES, token)
    async with ask:
        overview = (await ask.get("/v1/overview")).json()
    assert POLICE not in overview["silent"]
    assert overview["braked"] == {POLICE: status}
    lines = [line for line in measured(ledger, register) if 'agency="polizei-viersen"' in line]
    assert not [line for line in lines if "gateway_silent" in line]
    assert any("gateway_parked" in line for line in lines) == (status is AgencyStatus.SUSPENDED)
