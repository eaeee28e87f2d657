"""A heartbeat says what was kept, and nothing that was not."""

import pytest

from meldeweg.gateway.heartbeat import Beat
from meldeweg.gateway.store import numbers, outbox
from meldeweg.gateway.store import sent as sent_rows
from meldeweg.kernel import event, failpoints, signing
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.event import EventKind, Heartbeat
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.statement import Seq
from unit.gateway.gateway_rows import NOW, OFFICE, POLICE, sent

KEY = SigningKey(bytes(32))


@pytest.fixture
async def beat(store):
    return Beat(POLICE, store, lambda: KEY, FixedClock(NOW), 60)


def _told(store):
    rows = store.peek(lambda db: outbox.unproduced(db, 10, 10**6))
    return [event.parse(dict(row.headers)["statement"]) for row in rows]


async def test_a_heartbeat_is_signed_and_names_what_was_sent_and_received(store, beat):
    def job(db):
        numbers.note_sent(db, OFFICE, 1, Seq(outbox="0" * 16, n=7))
        numbers.note_received(db, OFFICE, Seq(outbox="1" * 16, n=3))
        sent_rows.insert(db, sent())

    await store.write(job)
    await beat.once()
    started, told = _told(store)
    assert started.body.kind is EventKind.STARTED
    signing.verify(told.jws, KEY.public)
    assert isinstance(told.body, Heartbeat)
    assert told.body.sent == {OFFICE: Seq(outbox="0" * 16, n=7)}
    assert told.body.received == {OFFICE: Seq(outbox="1" * 16, n=3)}
    assert (told.body.waiting, told.body.parked, told.body.quarantined) == (1, 0, 0)
    await beat.once()
    assert len(_told(store)) == 3  # started is told once


async def test_a_heartbeat_fails_with_the_numbers_that_were_not_kept(store, beat):
    failpoints.arm("store.before_commit=error@1")
    kept = store.write(lambda db: numbers.note_sent(db, OFFICE, 1, Seq(outbox="0" * 16, n=1)))
    with pytest.raises(Unavailable):
        await beat.once()
    with pytest.raises(Unavailable):
        await kept
    assert _told(store) == []
