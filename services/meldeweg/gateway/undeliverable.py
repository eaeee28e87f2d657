"""What can't be delivered any more: back to the case system, loudly, and without a hole in the log.

Guarantees: a row that is given up leaves the queue in the transaction that moves its message and
queues the event; the event names the row's number, so that whoever verifies the log knows why it is
not there. What was produced before still waits for the log.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime

from meldeweg.gateway import events
from meldeweg.gateway.states import SentMove
from meldeweg.gateway.store import Store, outbox, sent
from meldeweg.gateway.store.outbox import NewRow, Row
from meldeweg.kernel import logs
from meldeweg.kernel import statement as statements
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import MeldewegError
from meldeweg.kernel.event import EventKind
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.metrics import counter
from meldeweg.kernel.statement import STATEMENT_HEADER, Context

log = logs.get()
_lost = counter("messages_undeliverable", "Messages given back to the case system", "code")


class Undeliverable:
    """`signer` returns the signing key of the moment, or raises Unavailable: nothing happens then.

    `queued`: called after a commit, since there is an event to produce.
    """

    def __init__(
        self,
        store: Store,
        me: AgencyId,
        signer: Callable[[], SigningKey],
        clock: Clock,
        queued: Callable[[], None],
    ) -> None:
        self._store, self._me, self._signer, self._clock = store, me, signer, clock
        self._queued = queued

    async def what_is_over(self) -> None:
        """Give up all that nobody could open, or may hold, any more; whatever topic it is for.

        Called before what is due is erased; the relay gives up what it comes across by itself.
        """
        while rows := await self._store.read(lambda db: outbox.over(db, self._clock.now())):
            await self.give_up([(row, "") for row in rows])

    async def give_up(self, rows: Sequence[tuple[Row, str]]) -> None:
        """Take rows off the queue for good. An empty code: whichever end came, key's or term's."""
        now = self._clock.now()
        coded = [(row, code or end_of(row, now)) for row, code in rows]
        # An event that can't be produced could not be told either, nor one of an agency that
        # nobody listens to any more.
        told = {
            row.seq: self._told(row, code, now)
            for row, code in coded
            if row.kind != "event" and code != "sender-revoked"
        }

        def job(db: sqlite3.Connection) -> list[tuple[Row, str]]:
            gone = [(row, code) for row, code in coded if outbox.drop(db, row.seq, now)]
            for row, code in gone:
                message = sent.by_digest(db, row.ref) if row.ref else None
                if message is not None:
                    move(db, message, now, code)
            for row, _ in gone:
                if row.seq in told:
                    outbox.insert(db, told[row.seq])
            return gone

        for row, code in await self._store.write(job):
            _lost.labels(code).inc()
            log.error("undeliverable", topic=row.topic, digest=row.ref or "0" * 64, code=code)
        self._queued()

    def _told(self, row: Row, code: str, now: datetime) -> NewRow:
        context = _context(row)
        return events.row(
            self._me,
            self._signer(),
            EventKind.UNDELIVERABLE,
            now,
            message=row.ref,
            urgency=row.urgency,
            code=code,
            partner=context.to,
            seq=context.seq,
        )


def is_over(row: Row, now: datetime) -> bool:
    """Say whether the recipient can't open this any more, or may not hold it."""
    return row.open_until is not None and row.open_until <= now


def end_of(row: Row, now: datetime) -> str:
    """Return the code of what is over: its term ended, or before that the recipient's key."""
    return "term-ended" if _context(row).deletes_at() <= now else "key-expired"


def move(db: sqlite3.Connection, message: sent.Sent, now: datetime, code: str) -> None:
    """Note that a message did not get there, unless it did meanwhile."""
    try:
        sent.move(db, message, SentMove.UNDELIVERABLE, now, code)
    except MeldewegError:
        # It was delivered or refused meanwhile: what the recipient signed stands.
        log.info("undeliverable_too_late", message_id=message.id)


def _context(row: Row) -> Context:
    return statements.parse(statements.single_header(row.headers, STATEMENT_HEADER)).context
