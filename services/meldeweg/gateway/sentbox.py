"""What this agency sent, for its own systems: list, and one message with its timeline.

Guarantees: who acknowledged and why somebody refused is opened for the answer alone; nothing
decrypted is stored. Trusts: the API for who asks.
"""

from meldeweg.gateway import phoning
from meldeweg.gateway.api.shapes import Answer, Call, SentMessage, SentPage, SentStep, SentSummary
from meldeweg.gateway.cursor import position
from meldeweg.gateway.desk import Desk
from meldeweg.gateway.opening import Opener
from meldeweg.gateway.posting import answer_place, thread_place
from meldeweg.gateway.receipts import Word
from meldeweg.gateway.states import SentState
from meldeweg.gateway.store import Store, receipt_in, sent
from meldeweg.gateway.store.receipt_in import ReceiptIn
from meldeweg.gateway.store.sent import Sent
from meldeweg.kernel import logs
from meldeweg.kernel import statement as statements
from meldeweg.kernel.agreement import standing
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import MessageId

_PHONE = (SentState.OVERDUE, SentState.REFUSED, SentState.UNDELIVERABLE)
log = logs.get()


class SentBox:
    """The API's port `Sent`."""

    def __init__(self, store: Store, desk: Desk) -> None:
        self._store, self._desk = store, desk

    async def list(self, after: str | None, limit: int, state: SentState | None) -> SentPage:
        """Return what was sent before the cursor, newest first."""
        before = None if after is None else position(after)
        rows = await self._store.read(lambda db: sent.page(db, before, limit, state))
        more = len(rows) == limit
        return SentPage(
            items=tuple(map(self._summary, rows)), next=str(rows[-1].n) if more else None
        )

    async def get(self, message: MessageId) -> SentMessage:
        """Return one message; `Refused("message-unknown")`.

        From `delete_after` on without what the bus does not know: clause, basis, persons.
        """
        row = self._store.peek(lambda db: sent.by_id(db, message))
        if row is None:
            raise Refused("message-unknown", "")
        steps, came = self._store.peek(
            lambda db: (sent.timeline(db, row.n), receipt_in.of(db, row.n))
        )
        words = {each.kind.value: self._word(each) for each in came}
        last = {step.kind: step for step in steps}  # a person's word is the last of its kind
        answer = None
        if row.answer is not None:
            told = self._desk.vault.open(row.answer, answer_place(row.id))
            answer = Answer.read(told, "answer-malformed")
        summary = self._summary(row)
        return SentMessage(
            **{name: getattr(summary, name) for name in SentSummary.model_fields},
            clause=answer.clause if answer else None,
            legal_basis=answer.legal_basis if answer else None,
            digest=row.digest,
            delete_after=row.delete_after,
            timeline=tuple(
                _step(step, words.get(step.kind) if step is last[step.kind] else None)
                for step in steps
            ),
        )

    def _summary(self, row: Sent) -> SentSummary:
        vault = self._desk.vault
        thread = None if row.thread is None else vault.open(row.thread, thread_place(row.id))
        return SentSummary(
            id=row.id,
            kennzeichen=row.kennzeichen,
            recipient=row.recipient,
            type=row.type.value,
            urgency=row.urgency,
            created=row.created,
            ack_by=row.ack_by,
            exercise=row.exercise,
            state=row.state,
            thread=None if thread is None else thread.decode(),
            in_reply_to=row.in_reply_to,
            linked_to=row.linked_to,
            call=self._call(row) if row.state in _PHONE else None,
        )

    def _call(self, row: Sent) -> Call | None:
        """Say whom to phone: the recipient, by the agreement."""
        held = standing(self._desk.view.agreements(), self._desk.clock.now())
        return phoning.agency(held, row.recipient)

    def _word(self, came: ReceiptIn) -> Word | None:
        """Open what a person at the recipient said; None if nothing is sealed, or not readable."""
        if came.value is None:
            return None
        desk = self._desk
        try:
            statement = statements.parse(came.statement)
            return Opener(desk.me, desk.view, desk.opening()).receipt(statement, came.value)
        except Refused as exc:  # its key was removed; the receipt itself stands
            log.warning("receipt_unreadable", message_id=came.id, code=exc.code)
            return None


def _step(step: sent.Step, word: Word | None) -> SentStep:
    return SentStep(
        kind=step.kind,
        at=step.at,
        code=step.code,
        by=word.by if word else None,
        reason=word.reason if word else None,
        responsible=word.responsible if word else None,
    )
