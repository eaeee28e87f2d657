"""Poison and forgery on a real broker: each gets its code, the good around it arrives once."""

import asyncio
import time
from dataclasses import replace

import pytest

from integration.bus.stage import RawName, Stage
from integration.gateway.district import KREIS, NETTETAL, POLICE
from meldeweg.kernel import topics
from meldeweg.kernel.bus.records import Outgoing
from meldeweg.kernel.bus.replay import read_all

pytestmark = pytest.mark.stack
INBOX = topics.inbox(KREIS, POLICE)
WAIT = {"MELDEWEG_PARKING__OTHERS": "3"}


@pytest.fixture(scope="module")
def kreis(district):
    gateway = district.gateway(KREIS, "poison", **WAIT).ready()
    yield gateway
    gateway.kill()


@pytest.fixture(scope="module")
def police(district, kreis):
    gateway = district.gateway(POLICE, "poison").ready().knows(KREIS)
    yield gateway
    gateway.kill()


def send(police):
    answer = police.send()
    assert answer.status_code == 201, answer.text
    message = answer.json()["id"]
    police.becomes(message, "delivered")
    return message


def as_sent(district, message):
    """Return a delivered message's record, as it lies on the broker, to be written again."""
    found = asyncio.run(read_all(district.connection(), (INBOX,)))
    record = next(each for each in found if each.key == message.encode())
    return Outgoing(record.topic, record.key, record.value, record.headers)


def with_statement(record, bend):
    headers = tuple(
        (name, bend(value) if name == "statement" else value) for name, value in record.headers
    )
    return replace(record, headers=headers)


def quarantined(gateway, count, before, seconds=60):
    """Wait for `count` new rows of quarantine; return their codes in order of arrival."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        rows = pages(gateway)[before:]
        if len(rows) >= count:
            return [row["code"] for row in rows]
        time.sleep(0.1)
    raise AssertionError(f"{[row['code'] for row in pages(gateway)[before:]]} {gateway.tail()}")


def pages(gateway):
    items, after = [], None
    while True:
        query = {"limit": 200} | ({"after": after} if after else {})
        page = gateway.http.get("/v1/quarantine", params=query).json()
        items += page["items"]
        if not page["items"]:
            return items
        after = page["next"]


def test_poison_between_good_records_is_quarantined_with_its_code(district, police, kreis):
    first = send(police)
    good = as_sent(district, first)
    size = len(good.value)
    flipped = (
        good.value[: size // 2] + bytes([good.value[size // 2] ^ 1]) + good.value[size // 2 + 1 :]
    )
    bad = [
        (replace(good, value=None), "value-mismatch"),
        (replace(good, value=flipped), "value-mismatch"),
        (replace(good, headers=()), "header-malformed"),
        (replace(good, key=b"\xff"), "record-key-contradicts"),
        (with_statement(good, lambda token: b"\x80" + token), "jws-malformed"),
        (with_statement(good, lambda token: token[:-4] + b"AAAA"), "signature-invalid"),
        (replace(good, topic=topics.inbox(KREIS, NETTETAL)), "topic-contradicts"),
    ]
    odd = (good.key, good.value, (*good.headers, (RawName(b"\xff\xfe"), b"x")))
    before = len(pages(kreis))

    async def write():
        await district.write(*(record for record, _ in bad))
        async with Stage(district.broker) as stage:
            await stage.write_raw(INBOX, odd)

    asyncio.run(write())
    second = send(police)
    wanted = ["header-contradicts", *(code for _, code in bad)]
    assert sorted(quarantined(kreis, len(wanted), before)) == sorted(wanted)
    arrived = [item["id"] for item in kreis.inbox()]
    assert [arrived.count(each) for each in (first, second)] == [1, 1]
    assert police.state(first) == "delivered"  # nobody could have it refused


def test_a_record_replayed_has_one_effect_and_is_no_poison(district, police, kreis):
    message = send(police)
    before = len(pages(kreis))
    asyncio.run(district.write(*[as_sent(district, message)] * 20))
    last = send(police)
    arrived = [item["id"] for item in kreis.inbox()]
    assert [arrived.count(each) for each in (message, last)] == [1, 1]
    assert len(pages(kreis)) == before


def test_what_is_quarantined_says_why_in_german_and_never_what(district, police, kreis):
    row = pages(kreis)[0]
    assert row["explanation"].endswith(".")
    full = kreis.http.get(f"/v1/quarantine/{row['id']}").json()
    assert "value" not in full
    log = kreis.log.read_text()
    assert "record_quarantined" in log
    for marker in ("Beispiel", "Grefrath", "domestic-violence"):
        assert marker not in log


@pytest.mark.parametrize("point", ["inbound.before_commit", "inbound.after_commit"])
def test_a_recipient_killed_around_its_commit_has_each_message_once(police, kreis, point):
    kreis.kill()
    kreis.start(MELDEWEG_FAILPOINTS=f"{point}=kill@1")
    sent = [police.send().json()["id"] for _ in range(5)]
    assert kreis.process.wait(60) == -9
    kreis.start().ready()
    for message in sent:
        police.becomes(message, "delivered", seconds=60)
    arrived = [item["id"] for item in kreis.inbox()]
    assert [arrived.count(each) for each in sent] == [1] * 5
