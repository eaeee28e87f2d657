"""What operators must know, from statements, receipts and heartbeats alone: pure, no content.

Guarantees: a message counts as open until a verified receipt ends it, whatever order the topics are
read in; a record that comes again changes nothing. Bounded: what has ended is one digest, and from
`delete_after` on a message is forgotten, ended or not.
Trusts: the caller has verified every signature.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.event import Event, EventKind, Heartbeat
from meldeweg.kernel.ids import AgencyId, Digest, MessageId
from meldeweg.kernel.statement import Context, ReceiptKind, Statement, Urgency

_REMEMBERED_MAX = 1_000_000  # ended digests, so that a message produced again stays ended
_ENDING = (ReceiptKind.ACKNOWLEDGED, ReceiptKind.REFUSED)


@dataclass(frozen=True, slots=True)
class Open:
    """A message that no person has taken yet."""

    digest: Digest
    context: Context
    since: datetime  # when the broker had it
    delivered: bool = False

    def overdue(self, now: datetime) -> bool:
        return self.context.ack_by is not None and now > self.context.ack_by

    def shown(self, now: datetime) -> dict[str, object]:
        """Return what an operator sees: parties and times, never what it is about (I10)."""
        context = self.context
        assert context.ack_by is not None
        return {
            "digest": self.digest,
            "from": context.sender,
            "to": context.to,
            "urgency": context.urgency,
            "exercise": context.exercise,
            "since": self.since,
            "ack_by": context.ack_by,
            "delivered": self.delivered,
            "overdue": self.overdue(now),
        }


@dataclass(frozen=True, slots=True)
class Pulse:
    """The last sign of life of a gateway."""

    at: datetime  # the broker's time
    heartbeat: Heartbeat

    def silent(self, now: datetime, after: timedelta) -> bool:
        return now - self.at > after


@dataclass(slots=True)
class Ledger:
    """Everything watch knows; rebuilt from the topics at each start.

    `silent_after`: how long after its last heartbeat a gateway counts as silent.
    """

    silent_after: timedelta
    open: dict[Digest, Open] = field(default_factory=dict)
    pulses: dict[AgencyId, Pulse] = field(default_factory=dict)
    events: Counter[tuple[AgencyId, EventKind]] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)  # reason code -> records not understood
    _ended: dict[Digest, None] = field(default_factory=dict)
    _early: dict[tuple[Digest, AgencyId], ReceiptKind] = field(default_factory=dict)
    _told: dict[tuple[AgencyId, MessageId], None] = field(default_factory=dict)

    def message(self, statement: Statement, since: datetime) -> None:
        """Take in a message; its receipts may have been read before it."""
        digest, context = statement.digest, statement.context
        if digest in self._ended or digest in self.open:
            return
        early = self._early.pop((digest, context.to), None)
        if early in _ENDING:
            _remember(self._ended, digest, None)
        else:
            delivered = early is ReceiptKind.DELIVERED
            self.open[digest] = Open(digest, context, since, delivered)

    def receipt(self, context: Context) -> None:
        """Take in a receipt; only the recipient can speak for a message, else `Refused`."""
        about = context.receipt
        assert about is not None
        known = self.open.get(about.of)
        if known is None:
            if about.of not in self._ended:
                self._early_receipt(about.of, context.sender, about.kind)
        elif known.context.to != context.sender:
            raise Refused("receipt-foreign", "not the recipient of the message it speaks of")
        elif about.kind in _ENDING:
            del self.open[about.of]
            _remember(self._ended, about.of, None)
        else:
            self.open[about.of] = replace(known, delivered=True)

    def _early_receipt(self, digest: Digest, speaker: AgencyId, kind: ReceiptKind) -> None:
        if self._early.get((digest, speaker)) not in _ENDING:
            _remember(self._early, (digest, speaker), kind)

    def heartbeat(self, body: Heartbeat, at: datetime) -> None:
        known = self.pulses.get(body.agency)
        if known is None or at >= known.at:
            self.pulses[body.agency] = Pulse(at, body)

    def event(self, body: Event) -> None:
        """Count an event once, however often its record was produced."""
        if (body.agency, body.id) not in self._told:
            _remember(self._told, (body.agency, body.id), None)
            self.events[body.agency, body.kind] += 1

    def forget(self, now: datetime) -> int:
        """Drop what is past its `delete_after` (I9); return how many were still open."""
        today = now.date().isoformat()  # days as text sort as they count
        past = [each.digest for each in self.open.values() if each.context.delete_after <= today]
        for digest in past:
            del self.open[digest]
            _remember(self._ended, digest, None)
        return len(past)

    # -- what is asked -----------------------------------------------------------------------

    def undelivered(self) -> list[Open]:
        return [each for each in self.open.values() if not each.delivered]

    def overdue(self, now: datetime) -> list[Open]:
        return [each for each in self.open.values() if each.overdue(now)]

    def silent(self, enrolled: set[AgencyId], now: datetime) -> set[AgencyId]:
        """Return the enrolled agencies whose gateway was not heard lately, or never."""
        after = self.silent_after
        alive = {agency for agency, pulse in self.pulses.items() if not pulse.silent(now, after)}
        return enrolled - alive

    def by_urgency(self, found: list[Open]) -> dict[tuple[Urgency | None, bool], int]:
        """Count by urgency and exercise: exercises must not wake anyone."""
        return Counter((each.context.urgency, each.context.exercise) for each in found)


_K = TypeVar("_K")
_V = TypeVar("_V")


def _remember(bounded: dict[_K, _V], key: _K, value: _V) -> None:
    """Add to a memory that forgets its oldest entry beyond the limit."""
    bounded[key] = value
    if len(bounded) > _REMEMBERED_MAX:
        del bounded[next(iter(bounded))]
