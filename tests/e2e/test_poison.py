"""Records that cannot be processed lie between good ones: quarantined once, nothing stands still.

They are written with the sender's own certificate into its own pair topic: what a broken or a
hostile gateway could do, since the broker lets it.
"""

import asyncio
import secrets
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaProducer  # noqa: TID251 - writes what our own producer refuses to
from aiokafka.record.default_records import (  # noqa: TID251 - as above
    _DefaultRecordBatchBuilderPy,
)

from e2e.asking import eventually
from e2e.invented import KEMPEN, KREIS, POLICE
from integration.bus.stage import RawName
from meldeweg.ceremony.keys import listed
from meldeweg.kernel import statement, topics
from meldeweg.kernel.bus.connection import client_options
from meldeweg.kernel.ids import Digest, new_message_id
from meldeweg.kernel.keyfile import read_signing_key
from meldeweg.kernel.statement import Context, Seq, Urgency
from meldeweg.kernel.trust.objects import KeyUse

TOPIC = topics.inbox(KREIS, POLICE)


def signing_key(district, agency):
    directory = district.places.keys(agency)
    kids = [each.kid for each in listed(directory) if each.certificate.use is KeyUse.SIGN]
    return read_signing_key(directory / f"{kids[-1]}.jwk")


def made(district, key, value, urgency=Urgency.TODAY):
    """Return (key, headers) of a record from the police to the Kreis, as signed as can be."""
    (known,) = district.desk_agreements
    now = district.now()
    context = Context(
        v=1,
        id=new_message_id(),
        kind="message",
        sender=POLICE,
        to=KREIS,
        created=now,
        urgency=urgency,
        ack_by=now + timedelta(hours=8),
        exercise=False,
        agreement=Digest(known["agreement"]),
        seq=Seq(outbox=secrets.token_hex(8), n=1),
        record_sha256=Digest.of(b"none"),
        delete_after=f"{now.year + 1}-01-01",
    )
    token = statement.sign(context.bytes(), value, key)
    return context.id.encode(), (
        (statement.STATEMENT_HEADER, token),
        *statement.cloud_events(context),
    )


async def write(connection, key, value, headers):
    """Write one record with any header names; returns its offset."""
    async with AIOKafkaProducer(
        **client_options(connection, connection.tls()), max_request_size=4 << 20
    ) as producer:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, False, -1, -1, 0, 4 << 20)
        assert batch.append(timestamp=None, key=key, value=value, headers=list(headers))
        return (await (await producer.send_batch(batch, TOPIC, partition=0))).offset


def poisons(district):
    """Return reason code → (key, value, headers)."""
    own, foreign = signing_key(district, POLICE), signing_key(district, KEMPEN)
    found = {}
    key, headers = made(district, own, b"{}")
    found["header-contradicts"] = (key, b"{}", (*headers, (RawName(b"\xff\xfe"), b"x")))
    key, headers = made(district, own, b"{}")
    found["value-mismatch"] = (key, None, headers)
    key, headers = made(district, own, b"{}")
    _, *rest = headers
    found["jws-malformed"] = (key, b"{}", (("statement", b"eyJ.not.base64!"), *rest))
    key, headers = made(district, foreign, b"{}")
    found["signer-unknown"] = (key, b"{}", headers)
    key, headers = made(district, own, b"{not json", Urgency.IMMEDIATE)
    found["value-malformed"] = (key, b"{not json", headers)
    large = b'{"content":"' + b"x" * 2_000_000 + b'"}'
    key, headers = made(district, own, large)
    found["large"] = (key, large, headers)
    return found


@pytest.fixture(scope="module")
def poisoned(district):
    """Good ones with each kind of poison between them; returns ids, offsets by code, pids."""
    with district.desk() as desk:
        district.desk_agreements = desk.agreements()
    pids = {name: district.pid(name) for name in (f"gateway-{KREIS}", "audit", "watch")}
    before = {item.id for item in district.kreis.quarantine(limit=200).items}
    connection = district.connection(POLICE)
    good, offsets = [district.report().id], {}
    for code, record in poisons(district).items():
        district.becomes(good[-1], "sent", "delivered")
        offsets[code] = asyncio.run(write(connection, *record))
        good.append(district.report().id)
    return good, offsets, pids, before


def test_good_records_around_poison_arrive_in_order_and_no_service_dies(district, poisoned):
    good, _, pids, _ = poisoned
    district.becomes(good[-1], "delivered")
    assert [each for each in district.inbox(KREIS) if each in good] == good
    assert {name: district.pid(name) for name in pids} == pids


def test_each_poison_is_quarantined_once_with_its_reason(district, poisoned):
    _, offsets, _, before = poisoned

    def new():
        items = district.kreis.quarantine(limit=200).items
        return [item for item in items if item.id not in before]

    eventually(lambda: len(new()) >= len(offsets), shown=new)
    found = {(item.topic, item.offset): item for item in new()}
    assert len(found) == len(new()) == len(offsets)
    codes = {code: found[TOPIC, offset].code for code, offset in offsets.items()}
    assert codes.pop("large") in ("value-malformed", "envelope-too-large")
    assert codes == {code: code for code in codes}
    for code, offset in offsets.items():
        item = found[TOPIC, offset]
        assert item.verified == (code not in ("jws-malformed", "signer-unknown")), code
        assert item.explanation
        one = district.kreis.quarantined(item.id)
        assert (one.code, one.offset) == (item.code, offset)
    odd = district.kreis.quarantined(found[TOPIC, offsets["header-contradicts"]].id)
    assert "__4" in [header["name"] for header in odd.headers]  # the bytes FF FE, unharmed


def test_each_poison_is_an_event_in_the_log_and_an_immediate_one_alarms(district, poisoned):
    _, offsets, _, _ = poisoned

    def told(kind):
        return {each.offset: each for each in district.events(KREIS, kind) if each.topic == TOPIC}

    eventually(lambda: set(told("quarantined")) >= set(offsets.values()))
    assert told("parked")[offsets["signer-unknown"]].code == "signer-unknown"
    assert told("alarm")[offsets["value-malformed"]].urgency is Urgency.IMMEDIATE
    assert [e.offset for e in district.events(KREIS, "quarantined") if e.topic == TOPIC].count(
        offsets["value-mismatch"]
    ) == 1


def test_the_log_holds_the_poison_too_without_a_gap_and_watch_goes_on(district, poisoned):
    good, offsets, _, _ = poisoned
    digest = district.police.sent(good[-1]).digest
    district.logged(digest)
    streams = {each["topic"]: each for each in district.ask("audit", "/v1/streams").json()}
    assert streams[TOPIC]["next"] > max(offsets.values()), streams[TOPIC]
    assert district.ask("audit", "/v1/alarms").json() == []
    overview = district.ask("watch", "/v1/overview").json()
    assert overview["not_understood"].get("jws-malformed", 0) >= 1
    eventually(
        lambda: (
            district.ask("watch", "/v1/overview").json()["gateways"][KREIS]["quarantined"]
            >= len(offsets)
        )
    )


def test_poison_is_not_processed_again_after_a_restart(district, poisoned):
    before = [(i.id, i.offset, i.code) for i in district.kreis.quarantine(limit=200).items]
    district.kill(f"gateway-{KREIS}")
    after = district.report()
    district.becomes(after.id, "delivered")
    assert [(i.id, i.offset, i.code) for i in district.kreis.quarantine(limit=200).items] == before
