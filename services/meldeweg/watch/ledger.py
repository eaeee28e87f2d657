"""What operators must know, from statements, receipts and heartbeats alone: pure, no content.

Guarantees: a message counts as open until a verified receipt, or its sender's retraction, ends
it, whatever order the topics are read in; a record that comes again changes nothing. Bounded: of an
open message only what is shown is kept, of one that has ended its digest, and from `delete_after`
on it is forgotten, ended or not; an open message for which there is no room is told
(`open-too-many`), never passed over in silence.
Trusts: the caller has verified every signature.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar, cast

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.event import Event, EventKind, Heartbeat
from meldeweg.kernel.ids import AgencyId, Digest, MessageId
from meldeweg.kernel.statement import Context, ReceiptKind, Statement, Urgency

# Some 560 bytes for each open message and 250 for each other: 250 MiB at most, with all full. A
# district sends a few thousand messages a year.
_OPEN_MAX = 200_000
_REMEMBERED_MAX = 200_000  # ended digests, so that a message produced again stays ended
_WORDS_MAX = 10_000
# Erased is only what was taken, refused or taken back: nobody waits for it any more.
_ENDING = (ReceiptKind.ACKNOWLEDGED, ReceiptKind.REFUSED, ReceiptKind.ERASED)

_Word = TypeVar("_Word", bound=str)


@dataclass(frozen=True, slots=True)
class Open:
    """A message that no person has taken yet: what operators see of it, and no more."""

    digest: Digest
    sender: AgencyId
    to: AgencyId
    urgency: Urgency
    exercise: bool
    ack_by: datetime
    delete_after: str  # a day
    since: datetime  # when the broker had it
    delivered: bool = False

    def overdue(self, now: datetime) -> bool:
        return now > self.ack_by

    def shown(self, now: datetime) -> dict[str, object]:
        """Return what an operator sees: parties and times, never what it is about (I10)."""
        return {
            "digest": self.digest,
            "from": self.sender,
            "to": self.to,
            "urgency": self.urgency,
            "exercise": self.exercise,
            "since": self.since,
            "ack_by": self.ack_by,
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
    _retracted: dict[tuple[Digest, AgencyId], None] = field(default_factory=dict)
    _told: dict[tuple[AgencyId, MessageId], None] = field(default_factory=dict)
    _words: dict[str, str] = field(default_factory=dict)  # one object for all that are equal

    def message(self, statement: Statement, since: datetime) -> None:
        """Take in a message; its receipts may have been read before it.

        `Refused("open-too-many")` when there is no room for one more that is open.
        """
        digest, context = statement.digest, statement.context
        if digest in self._ended or digest in self.open:
            return
        early = self._early.pop((digest, context.to), None)
        taken_back = (digest, context.sender) in self._retracted
        if taken_back or early in _ENDING:
            _remember(self._ended, digest, None)
        else:
            if len(self.open) >= _OPEN_MAX:
                raise Refused("open-too-many", "messages that nobody took")
            self.open[digest] = self._opened(
                digest, context, since, delivered=early is ReceiptKind.DELIVERED
            )

    def _opened(
        self, digest: Digest, context: Context, since: datetime, *, delivered: bool
    ) -> Open:
        assert context.urgency is not None, "kind == message"
        assert context.ack_by is not None, "kind == message"
        return Open(
            digest=digest,
            sender=self._same(context.sender),
            to=self._same(context.to),
            urgency=context.urgency,
            exercise=context.exercise,
            ack_by=context.ack_by,
            delete_after=self._same(context.delete_after),
            since=since,
            delivered=delivered,
        )

    def _same(self, word: _Word) -> _Word:
        """Return the object that stands for this text: agencies and days are few."""
        if len(self._words) >= _WORDS_MAX:
            self._words.clear()
        return cast("_Word", self._words.setdefault(word, word))

    def receipt(self, context: Context) -> None:
        """Take in a receipt; only the recipient can speak for a message, else `Refused`."""
        about = context.receipt
        assert about is not None
        known = self.open.get(about.of)
        if known is None:
            if about.of not in self._ended:
                self._early_receipt(about.of, context.sender, about.kind)
        elif known.to != context.sender:
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
            if body.kind is EventKind.RETRACTED and body.message is not None:
                self._take_back(body.message, body.agency)

    def _take_back(self, digest: Digest, speaker: AgencyId) -> None:
        """End what its sender retracted, perhaps before the message itself is read."""
        known = self.open.get(digest)
        if known is None:
            _remember(self._retracted, (digest, speaker), None)
        elif known.sender == speaker:
            del self.open[digest]
            _remember(self._ended, digest, None)

    def forget(self, now: datetime) -> int:
        """Drop what is past its `delete_after` (I9); return how many were still open."""
        today = now.date().isoformat()  # days as text sort as they count
        past = [each.digest for each in self.open.values() if each.delete_after <= today]
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

    def by_urgency(self, found: list[Open]) -> dict[tuple[Urgency, bool], int]:
        """Count by urgency and exercise: exercises must not wake anyone."""
        return Counter((each.urgency, each.exercise) for each in found)


_K = TypeVar("_K")
_V = TypeVar("_V")


def _remember(bounded: dict[_K, _V], key: _K, value: _V) -> None:
    """Add to a memory that forgets its oldest entry beyond the limit."""
    bounded[key] = value
    if len(bounded) > _REMEMBERED_MAX:
        del bounded[next(iter(bounded))]
