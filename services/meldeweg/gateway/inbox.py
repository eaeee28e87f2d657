"""What arrived, for the agency's own systems: list, open for a named person, give receipts.

Guarantees: a message is opened for a named person only, and the look is on disk and an event before
any of the content leaves this module (§ 76(2) BDSG); nothing decrypted is stored.
Trusts: the API for who asks.
"""

import asyncio
import secrets
import sqlite3

from meldeweg.gateway import answering, overdue, reopening
from meldeweg.gateway.api.arrived import (
    InboxItem,
    InboxPage,
    Opened,
    Opening,
    ReceiptAnswer,
    ReceiptOrder,
    ReceivedStep,
)
from meldeweg.gateway.cursor import position
from meldeweg.gateway.desk import Desk
from meldeweg.gateway.opening import Unsealed
from meldeweg.gateway.states import ReceivedMove, ReceivedState
from meldeweg.gateway.store import Store, opened, outbox, receipt_out, received
from meldeweg.gateway.store.opened import Look
from meldeweg.gateway.store.received import Received
from meldeweg.kernel import failpoints, strictjson
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import AgencyId, MessageId
from meldeweg.kernel.schemas.record import RecordBody

failpoints.declare("inbox.before_look", "inbox.after_look")


class Inbox:
    """The API's port; `lock` as in `Inbound`."""

    def __init__(self, store: Store, desk: Desk, lock: asyncio.Lock) -> None:
        self._store, self._desk, self._lock = store, desk, lock

    async def list(self, after: str | None, limit: int) -> InboxPage:
        """Return what arrived after the cursor, in order of arrival, metadata alone."""
        start = position(after)
        rows = await self._store.read(lambda db: received.page(db, start, limit))
        end = rows[-1].seq if rows else start
        return InboxPage(items=tuple(map(self._item, rows)), next=str(end))

    async def open(self, message: MessageId, person: str, sender: AgencyId | None) -> Opened:
        """Open in memory, note who looks, then answer."""
        async with self._lock:
            row = reopening.find(self._store, message, sender)
            unsealed, record = reopening.unsealed(self._store, self._desk, row)
            await failpoints.reach("inbox.before_look")
            await self._note_look(row, person)
            # From here the look is on record, whether or not the answer arrives.
            await failpoints.reach("inbox.after_look")
            return self._shown(reopening.find(self._store, message, row.sender), unsealed, record)

    async def receipt(
        self, message: MessageId, order: ReceiptOrder, sender: AgencyId | None
    ) -> tuple[ReceiptAnswer, bool]:
        """Give a person's receipt; the same again is answered again, with False."""
        async with self._lock:
            row = reopening.find(self._store, message, sender)
            return await answering.give(self._store, self._desk, row, order)

    async def _note_look(self, row: Received, person: str) -> None:
        now, ref = self._desk.clock.now(), secrets.token_hex(16)
        name = self._desk.vault.seal(person.encode(), reopening.person_place(row, ref))
        told = self._desk.event(
            EventKind.OPENED,
            message=row.digest,
            actor_ref=ref,
            partner=row.sender,
            urgency=row.urgency,
            exercise=row.exercise,
        )

        def job(db: sqlite3.Connection) -> None:
            here = received.by_digest(db, row.digest)  # its term may have ended meanwhile
            if here is None or here.state is ReceivedState.ERASED:
                raise Refused("message-erased", "")
            opened.add(db, Look(row.seq, ref, name, now))
            received.move(db, here, ReceivedMove.OPENED, now)
            outbox.insert(db, told)

        await self._store.write(job)
        self._desk.queued()

    def _shown(self, row: Received, unsealed: Unsealed, record: RecordBody) -> Opened:
        looks, steps, given = self._store.peek(
            lambda db: (
                opened.of(db, row.seq),
                received.timeline(db, row.seq),
                receipt_out.of(db, row.seq),
            )
        )
        by = {each.kind.value: reopening.said(self._desk, row, each).get("by") for each in given}
        item = self._item(row)
        return Opened(
            **{name: getattr(item, name) for name in InboxItem.model_fields},
            digest=row.digest,
            type=record.type.value,
            clause=record.clause,
            legal_basis="; ".join(record.legal_basis),
            record=record.model_dump(mode="json", exclude_none=True),
            content=strictjson.loads(unsealed.payload),
            timeline=tuple(
                ReceivedStep(kind=step.kind, at=step.at, code=step.code, by=by.get(step.kind))
                for step in steps
            ),
            opened=tuple(
                Opening(by=reopening.person(self._desk, row, look), at=look.at) for look in looks
            ),
        )

    def _item(self, row: Received) -> InboxItem:
        return InboxItem(
            id=row.id,
            sender=row.sender,
            kennzeichen=row.kennzeichen,
            urgency=row.urgency,
            created=row.created,
            received_at=row.received_at,
            ack_by=row.ack_by,
            exercise=row.exercise,
            state=row.state,
            overdue=overdue.of_received(row.state, row.ack_by, self._desk.clock.now()),
            retracted_at=row.retracted_at,
            retracted_by=row.retracted_by,
            delete_after=row.delete_after,
        )
