"""Receiving, steps 9 and 10: what the agreement says of it, and whether its content has its form.

Guarantees: a message is accepted only if the agreement that its context names, signed by all
parties, covers it in every respect by the same function that the sender ran (`kernel.policy`),
judged at the instant it was made; and only if its content follows the schema of its type and
version, and its record says of the content what the content is. Pure. Trusts: the view's
agreements; nothing of the record, which its own sender wrote.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from meldeweg.gateway.opening import Unsealed
from meldeweg.kernel import policy, schemas
from meldeweg.kernel.agreement import BERLIN, Standing, standing
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.errors import Early, Refused
from meldeweg.kernel.ids import AgencyId, Digest, MessageId
from meldeweg.kernel.policy import NotCovered, NotCoveredYet, Original, Permit, Rule
from meldeweg.kernel.schemas.content import Content
from meldeweg.kernel.schemas.record import RecordBody
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.statement import Context
from meldeweg.kernel.trust.view import KnownAgreement

REFERRING = frozenset({MessageType.CORRECTION, MessageType.RETRACTION, MessageType.REPLY})
_CODES = {Rule.NOT_RESPONSIBLE: "responsibility-contradicts"}  # `not-responsible` is a person's
Originals = Callable[[AgencyId, MessageType, MessageId], Original | None]
"""Asked (sender, type, in_reply_to): the message that it refers to, if it is known here."""


class Agreed(Protocol):
    """What step 9 asks of the verified view."""

    def agreement(self, digest: Digest) -> KnownAgreement: ...

    def agreements(self) -> Iterable[KnownAgreement]: ...


@dataclass(frozen=True, slots=True)
class Covered:
    """What the store needs to know of a message. `delete_after`, `ack_by`: the earliest of what the
    context says, what the agreement gives for `created`, and where that is still to come, for now.

    `retracts`: the sender's earlier message that it takes back.
    """

    type: MessageType
    ack_by: datetime
    delete_after: str
    retracts: MessageId | None = None


class Coverage:
    """Steps 9 and 10 for one batch."""

    def __init__(self, me: AgencyId, view: Agreed, originals: Originals, now: datetime) -> None:
        self._me, self._view, self._originals, self._now = me, view, originals, now
        self._today = now.date().isoformat()
        self._standings: dict[date, dict[Digest, Standing]] = {}

    def message(self, context: Context, unsealed: Unsealed) -> Covered:
        """Take both steps of a message."""
        record = RecordBody.read_signed(unsealed.record, "record-malformed")
        # 9 the agreement covers it, and record and context claim no more than that
        permit = self._permit(context, record, context.created)
        assert context.urgency is not None  # a message's context has both
        assert context.ack_by is not None
        policy.confirm(permit, record, context.urgency)
        # Taken all the same where its sender's clock is ahead of ours; but neither deadline nor
        # deletion may wait for a time that somebody else's clock made up.
        ahead = context.created > self._now
        permits = [permit, self._permit(context, record, self._now)] if ahead else [permit]
        delete_after = min(context.delete_after, *(each.delete_after for each in permits))
        if delete_after <= self._today:  # days as text sort as they count
            raise Refused("past-delete-after", "nobody may hold it any more")
        # 10 the content has the form of its type, and the record tells what is in it
        content = schemas.validate(record.type, record.version, unsealed.payload)
        _check_told(record, content)
        return Covered(
            record.type,
            min(context.ack_by, *(each.ack_by for each in permits)),
            delete_after,
            record.in_reply_to if record.type is MessageType.RETRACTION else None,
        )

    def receipt(self, context: Context) -> None:
        """Take step 9 of a receipt: no clause is needed, but an agreement is."""
        held = self._standing(context)
        try:
            policy.permit_receipt(held, context.sender, context.to)
        except NotCovered as exc:
            raise _by_rule(exc) from exc

    def _permit(self, context: Context, record: RecordBody, at: datetime) -> Permit:
        """Decide by the agreement as it stood when the message was made; days count from `at`."""
        transfer = policy.transfer_of(
            record,
            sender=context.sender,
            recipient=context.to,
            exercise=context.exercise,
            original=self._original(context, record),
        )
        try:
            return policy.decide([self._standing(context)], transfer, at)
        except NotCovered as exc:
            raise _by_rule(exc) from exc

    def _original(self, context: Context, record: RecordBody) -> Original | None:
        if record.type not in REFERRING or record.in_reply_to is None:
            return None
        found = self._originals(context.sender, record.type, record.in_reply_to)
        if found is None:
            raise Early("original-unknown", "it refers to a message that is not here")
        return found

    def _standing(self, context: Context) -> Standing:
        """Return the agreement that the context names, as it stood on the day it was made."""
        day = context.created.astimezone(BERLIN).date()
        known = self._standings.get(day)
        if known is None or context.agreement not in known:
            self._view.agreement(context.agreement)  # `agreement-unknown` is early
            found = standing(self._view.agreements(), context.created)
            known = self._standings[day] = {one.digest: one for one in found}
        return known[context.agreement]


def _by_rule(exc: NotCovered) -> Refused:
    """Name the rule in the code: each is a refusal of its own in quarantine and receipts."""
    kind = Early if isinstance(exc, NotCoveredYet) else Refused
    return kind(_CODES.get(exc.rule, exc.rule.value), "not covered by the agreement it names")


def _check_told(record: RecordBody, content: Content) -> None:
    """The officer reads the record alone: it must not say less, or other, than the content."""
    told = (record.grounds, record.data_categories, record.entrusted, _text(record.handover_at))
    handover = content.handover.at if content.handover else None
    said = (
        content.named_grounds(),
        content.data_categories(),
        content.entrusted,
        _text(handover),
    )
    if told != said:
        raise Refused("record-contradicts", "grounds, categories, § 65 or handover")


def _text(at: datetime | None) -> str | None:
    return to_rfc3339(at) if at else None  # a person's clock may say more than milliseconds
