"""A gateway's sending side over a world's register, without broker and without HTTP."""

import copy
import json
import secrets
from datetime import timedelta

import pytest

from meldeweg.gateway.desk import Desk
from meldeweg.gateway.intake import Intake
from meldeweg.gateway.numbering import Numbering
from meldeweg.gateway.room import Room
from meldeweg.gateway.sentbox import SentBox
from meldeweg.gateway.settings import OutboxSettings
from meldeweg.gateway.store import outbox
from meldeweg.gateway.trustfeed import TrustFeed
from meldeweg.gateway.vault import Vault
from meldeweg.kernel import signing, topics
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.trust.objects import Snapshot
from unit.gateway.world import GREFRATH, NOW, POLICE

KEY = "0b8f9d2c-1"
NOTHING = {"sent": 0, "outbox": 0, "idempotency": 0, "sent_seq": 0}  # as `Sender.counts` says it
LABELS = {
    "collected_by": "Wache Beispielstadt",
    "means": "offen",
    "category_of_person": "Geschädigte",
    "offence": "Körperverletzung",
}


def order(**changes):
    """Return the body of `POST /v1/messages`; None removes a member."""
    body = {
        "type": "notification",
        "to": {"place": GREFRATH},
        "acting_person": "P-4711",
        "labels": LABELS,
        "content": copy.deepcopy(examples.NOTIFICATION),
    } | changes
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


class Sender:
    """One agency that sends; `woken` counts how often the relay was called."""

    def __init__(self, store, world, me=POLICE, *, register=None, settings=None):
        self.store, self.world, self.me = store, world, me
        self.clock = FixedClock(NOW)
        self.office = world.offices[me]
        self.register = register or world.register()
        self.woken = 0
        self.vault = Vault(bytes(32))
        self.settings = settings or OutboxSettings(free_min=0)
        self.desk = Desk(
            me=me,
            view=self.register,
            opening=lambda: {self.office.seal.kid: self.office.seal},
            signer=lambda: self.office.signing,
            numbering=Numbering(lambda: secrets.token_hex(8)),
            clock=self.clock,
            vault=self.vault,
            queued=self._queued,
        )
        store.writer.on_failure(self.desk.numbering.restart)
        self.trust = TrustFeed(
            me, self.register, store, self.clock, self.desk.signer, timedelta(minutes=5)
        )
        self.register.snapshot = Snapshot(v=1, n=1, at=NOW, topics={})
        room = Room(store.directory, self.settings, lambda: store.peek(outbox.waiting_bytes))
        self.intake = Intake(store, self.desk, self.trust, room)
        self.box = SentBox(store, self.desk)

    def _queued(self):
        self.woken += 1

    def rows(self):
        """Return what lies in the outbox, in order."""
        return self.store.peek(lambda db: outbox.unproduced(db, 10**6, 10**9))

    def records(self):
        """Return the records for other agencies as their consumers get them."""
        return [
            Record(row.topic, 0, index, 1, row.key, row.value, row.headers)
            for index, row in enumerate(self.rows())
            if row.topic != topics.events(self.me)
        ]

    def counts(self):
        """Return how many rows each table has that intake writes."""
        return self.store.peek(
            lambda db: {
                table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("sent", "outbox", "idempotency", "sent_seq")
            }
        )


async def is_refused(sender, body, code, key=KEY):
    """`body` is refused with `code`, with and without a dry run, and nothing is kept."""
    before = sender.counts()
    with pytest.raises(Refused) as check:
        await sender.intake.check(body)
    with pytest.raises(Refused) as refused:
        await sender.intake.accept(body, key)
    assert check.value.code == refused.value.code == code
    assert sender.counts() == before
    return refused.value


def payload_of(token):
    return signing.parse(token, signing.typ_of(token)).payload
