"""What operators must know, from statements, receipts and heartbeats alone: pure, no content.

Guarantees: a message counts as open until a verified receipt, or its sender's retraction, ends
it, whatever order the topics are read in; a record that comes again changes nothing. What a gateway
refused of itself is not open, and is so again if it was produced once more and then delivered, as
its sender's gateway counts it. Bounded: of an open or a refused message only what is shown is kept,
of one that has ended its digest, and from `delete_after` on it is forgotten, ended or not; an open
message for which there is no room is told (`open-too-many`), never passed over in silence.
Trusts: the caller has verified every signature.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TypeVar, cast

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.event import Event, EventKind, Heartbeat
from meldeweg.kernel.ids import AgencyId, Digest, MessageId
from meldeweg.kernel.statement import Context, ReceiptKind, Statement, Urgency

# Some 560 bytes for each open or refused message and 250 for each other: 360 MiB, with all full. A
# district sends a few thousand messages a year.
_OPEN_MAX = 200_000
_REMEMBERED_MAX = 200_000  # ended digests, so that a message produced again stays ended
_WORDS_MAX = 10_000

_Word = TypeVar("_Word", bound=str)


class _Said(IntEnum):
    """What a recipient said of a message; of two words, in whatever order, the higher counts."""

    REFUSED = 1  # by its gateway: produced again, it may be delivered
    DELIVERED = 2
    ENDED = 3  # by a person. Erased is only what was taken, refused or taken back: nobody waits


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
    """Everything watch knows; rebuilt from the topics, which hold 30 days, at each start.

    `silent_after`: how long after its last heartbeat a gateway counts as silent. `caught_up_at`:
    when all had been read that lay there at the start; None: what is asked may be wrong until then.
    """

    silent_after: timedelta
    caught_up_at: datetime | None = None
    open: dict[Digest, Open] = field(default_factory=dict)
    pulses: dict[AgencyId, Pulse] = field(default_factory=dict)
    events: Counter[tuple[AgencyId, EventKind]] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)  # reason code -> records not understood
    _ended: dict[Digest, None] = field(default_factory=dict)
    _refused: dict[Digest, Open] = field(default_factory=dict)  # by a gateway, not by a person
    _early: dict[tuple[Digest, AgencyId], _Said] = field(default_factory=dict)
    _retracted: dict[tuple[Digest, AgencyId], None] = field(default_factory=dict)
    _told: dict[tuple[AgencyId, MessageId], None] = field(default_factory=dict)
    _words: dict[str, str] = field(default_factory=dict)  # one object for all that are equal

    def message(self, statement: Statement, since: datetime) -> None:
        """Take in a message; its receipts may have been read before it.

        `Refused("open-too-many")` when there is no room for one more that is open.
        """
        digest, context = statement.digest, statement.context
        if digest in self._ended or self._known(digest):
            return
        early = self._early.pop((digest, context.to), None)
        if (digest, context.sender) in self._retracted or early is _Said.ENDED:
            _remember(self._ended, digest, None)
            return
        message = self._opened(digest, context, since)
        self._wait(message)
        if early is not None:
            self._apply(message, early)

    def _known(self, digest: Digest) -> Open | None:
        return self.open.get(digest) or self._refused.get(digest)

    def _wait(self, message: Open) -> None:
        if message.digest not in self.open and len(self.open) >= _OPEN_MAX:
            raise Refused("open-too-many", "messages that nobody took")
        self._refused.pop(message.digest, None)
        self.open[message.digest] = message

    def _end(self, digest: Digest) -> None:
        self.open.pop(digest, None)
        self._refused.pop(digest, None)
        _remember(self._ended, digest, None)

    def _opened(self, digest: Digest, context: Context, since: datetime) -> Open:
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
        known = self._known(about.of)
        if known is None:
            if about.of not in self._ended:
                key, said = (about.of, context.sender), _said(context)
                _remember(self._early, key, max(said, self._early.get(key, said)))
        elif known.to != context.sender:
            raise Refused("receipt-foreign", "not the recipient of the message it speaks of")
        else:
            self._apply(known, _said(context))

    def _apply(self, message: Open, said: _Said) -> None:
        if said is _Said.ENDED:
            self._end(message.digest)
        elif said is _Said.DELIVERED:
            self._wait(replace(message, delivered=True))
        elif not message.delivered:  # else an old word, again: a gateway refuses nothing it has
            self.open.pop(message.digest, None)
            _remember(self._refused, message.digest, message)

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
        known = self._known(digest)
        if known is None:
            _remember(self._retracted, (digest, speaker), None)
        elif known.sender == speaker:
            self._end(digest)

    def forget(self, now: datetime) -> int:
        """Drop what is past its `delete_after` (I9); return how many were still open."""
        today = now.date().isoformat()  # days as text sort as they count
        past = [each.digest for each in self.open.values() if each.delete_after <= today]
        gone = [each.digest for each in self._refused.values() if each.delete_after <= today]
        for digest in (*past, *gone):
            self._end(digest)
        return len(past)

    # -- what is asked -----------------------------------------------------------------------

    def undelivered(self) -> list[Open]:
        return [each for each in self.open.values() if not each.delivered]

    def overdue(self, now: datetime) -> list[Open]:
        return [each for each in self.open.values() if each.overdue(now)]

    def silent(self, enrolled: set[AgencyId], now: datetime) -> set[AgencyId]:
        """Return the enrolled agencies whose gateway was not heard lately, or never.

        Of one that was never heard nothing is said until it could have been: a district's first
        start would ring for each of its gateways.
        """
        after = self.silent_after
        alive = {agency for agency, pulse in self.pulses.items() if not pulse.silent(now, after)}
        if self.caught_up_at is None or now - self.caught_up_at <= after:
            return (enrolled & self.pulses.keys()) - alive
        return enrolled - alive

    def by_urgency(self, found: list[Open]) -> dict[tuple[Urgency, bool], int]:
        """Count by urgency and exercise: exercises must not wake anyone."""
        return Counter((each.urgency, each.exercise) for each in found)


def _said(context: Context) -> _Said:
    about = context.receipt
    assert about is not None, "kind == receipt"
    if about.kind is ReceiptKind.DELIVERED:
        return _Said.DELIVERED
    # Only what a person gives has something sealed (docs/spec/message.md, section 8).
    by_gateway = about.kind is ReceiptKind.REFUSED and context.record_sha256 is None
    return _Said.REFUSED if by_gateway else _Said.ENDED


_K = TypeVar("_K")
_V = TypeVar("_V")


def _remember(bounded: dict[_K, _V], key: _K, value: _V) -> None:
    """Add to a memory that forgets its oldest entry beyond the limit."""
    bounded[key] = value
    if len(bounded) > _REMEMBERED_MAX:
        del bounded[next(iter(bounded))]
