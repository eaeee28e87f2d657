"""The evidence, sorted once for all questions. Pure; it judges nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from faults.evidence import Entry, Evidence, Phase, ReceivedRow, Seen, SentRow
from meldeweg.kernel.ids import AgencyId

Name = tuple[AgencyId, str]  # a message: its sender and id
_STARTED = 1.0  # seconds: a start and the heartbeat that is made with it are not further apart


@dataclass(slots=True)
class Sending:
    """All tries with one key."""

    agency: AgencyId
    key: str
    to: AgencyId | None
    content: str | None
    thread: str | None
    n: int
    invoked: float
    urgency: str | None = None  # as the order named it
    retracts: str | None = None  # the message that it takes back
    also: AgencyId | None = None  # who must have a copy, as the order's second place says
    impossible: bool = False  # some answer said that no copy can be made
    members: Mapping[str, str] = field(default_factory=dict)  # what it was ordered to be
    answered: float | None = None  # the first answer that it is kept
    ids: dict[str, float] = field(default_factory=dict)  # each with its first answer's time
    # id → (recipient, id) of its linked copies, where the answer was looked at for them
    copies: dict[str, tuple[tuple[AgencyId, str], ...]] = field(default_factory=dict)
    open: bool = False  # a try may have happened unheard

    @property
    def label(self) -> str:
        return f"{self.agency} key {self.key}"


@dataclass(frozen=True, slots=True)
class Message:
    """A message that its sender's gateway took."""

    name: Name
    row: SentRow
    sending: Sending | None  # None: kept by a try that got no answer
    arrived: ReceivedRow | None  # at its recipient

    @property
    def label(self) -> str:
        return f"{self.row.id} {self.name[0]} → {self.row.recipient}"


class Facts:
    """`evidence`, and what follows from it without any judgement."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.barred = {each.agency: each.at for each in sorted(evidence.revoked, reverse=True)}
        self.sendings = _sendings(evidence.history)
        self.by_id = {(s.agency, i): s for s in self.sendings.values() for i in s.ids}
        # Who let a fault send something that nobody here knows.
        self.strangers = {s.agency for s in self.sendings.values() if s.content is None}
        self.received: dict[AgencyId, dict[Name, ReceivedRow]] = {
            agency: {(row.sender, row.id): row for row in store.received}
            for agency, store in evidence.stores.items()
        }
        self.messages = list(self._messages())
        self.logged = _by_digest(evidence.log, "message")
        self.receipts = {(s.sender, s.of, s.what) for s in evidence.log if s.kind == "receipt"}
        self.events: dict[tuple[AgencyId | None, str | None, str | None], int] = defaultdict(int)
        for seen in evidence.log:
            if seen.kind == "event":
                self.events[seen.sender, seen.what, seen.digest] += 1
        self.alarms: dict[str, list[Seen]] = defaultdict(list)
        for seen in evidence.log:
            if seen.kind == "event" and seen.what == "alarm" and seen.digest:
                self.alarms[seen.digest].append(seen)
        self.beats = _beats(evidence.log)
        self.calls = _calls(evidence.history)
        self.began = {e.op: e.at for e in evidence.history if e.phase is Phase.INVOKED}
        self.rows = {message.name: message.row for message in self.messages}
        # A linked copy's name → its message's, as the answer or else the store says.
        self.copies = {
            (s.agency, copy): (s.agency, main)
            for s in self.sendings.values()
            for main, told in s.copies.items()
            for _, copy in told
        } | {
            name: (name[0], row.linked_to)
            for name, row in self.rows.items()
            if row.linked_to is not None
        }
        # (recipient, message) of what a reader took or refused, or may have.
        self.acknowledged = _said(evidence.history, "acknowledge")
        self.refused = _said(evidence.history, "refuse")
        self.asked = Counter(
            (e.call, e.agency, (e.sender, e.id))
            for e in evidence.history
            if e.phase is Phase.INVOKED and e.sender and e.id
        )
        # What its own sender took back, or may have.
        self.taken_back = {
            (s.agency, s.retracts)
            for s in self.sendings.values()
            if s.retracts is not None and (s.ids or s.open)
        }

    def named(self, name: Name) -> AgencyId | None:
        """Return for whom a message is, as the order, its answer or else the store says."""
        sending, row = self.by_id.get(name), self.rows.get(name)
        if sending is not None and sending.to is not None:
            return sending.to
        main = self.copies.get(name)
        copies = self.by_id[main].copies.get(main[1], ()) if main in self.by_id else ()
        told = [to for to, copy in copies if copy == name[1]]
        return told[0] if told else row.recipient if row else None

    def told(self, agency: AgencyId, what: str, digest: str) -> bool:
        """Say whether the log has an event of that kind about that message."""
        return self.events.get((agency, what, digest), 0) > 0

    def codes(self, agency: AgencyId, what: str, digest: str) -> set[str | None]:
        """Return the codes of what an agency told of a message: its events, or `refused` for it."""
        return {
            seen.code
            for seen in self.evidence.log
            if (seen.sender, seen.what) == (agency, what) and digest in (seen.digest, seen.of)
        }

    def excused(self, *agencies: AgencyId) -> bool:
        """Say whether one of them was revoked for good in this run."""
        return not self.barred.keys().isdisjoint(agencies)

    def excused_from(self, *agencies: AgencyId) -> float:
        """Return when the first of them was revoked; without any: never."""
        return min((self.barred[each] for each in agencies if each in self.barred), default=inf)

    def _messages(self) -> Iterable[Message]:
        for agency, store in self.evidence.stores.items():
            for row in store.sent:
                name = (agency, row.id)
                there = self.received.get(row.recipient, {}).get(name)
                yield Message(name, row, self.by_id.get(name), there)


def _sendings(history: Iterable[Entry]) -> dict[tuple[AgencyId, str], Sending]:
    found: dict[tuple[AgencyId, str], Sending] = {}
    of: dict[int, Sending] = {}
    for entry in history:
        if entry.call != "send":
            continue
        if entry.phase is Phase.INVOKED:
            assert entry.key
            new = Sending(
                entry.agency,
                entry.key,
                entry.to,
                entry.content,
                entry.thread,
                entry.n or 0,
                entry.at,
                entry.urgency,
                entry.retracts,
                entry.also,
                members=entry.members or {},
            )
            of[entry.op] = found.setdefault((entry.agency, entry.key), new)
        elif entry.phase is Phase.OK:
            assert entry.id
            sending = of.pop(entry.op)
            sending.ids.setdefault(entry.id, entry.at)
            if entry.linked is not None:
                sending.copies[entry.id] = entry.linked
            sending.impossible = sending.impossible or entry.impossible
            if sending.answered is None:
                sending.answered = entry.at
        elif entry.phase is Phase.UNKNOWN:
            of.pop(entry.op).open = True
        else:
            del of[entry.op]
    for unanswered in of.values():  # the run ended before its second line
        unanswered.open = True
    return found


def _calls(history: Iterable[Entry]) -> dict[tuple[str, AgencyId, Name], list[Entry]]:
    """(call, recipient, message) → how the calls about it ended."""
    asked: dict[int, Entry] = {}
    found: dict[tuple[str, AgencyId, Name], list[Entry]] = defaultdict(list)
    for entry in history:
        if entry.call not in ("open", "acknowledge", "refuse"):
            continue
        if entry.phase is Phase.INVOKED:
            asked[entry.op] = entry
        else:
            first = asked.pop(entry.op)
            assert first.sender
            assert first.id
            found[entry.call, entry.agency, (first.sender, first.id)].append(entry)
    return found


def _said(history: Iterable[Entry], call: str) -> set[tuple[AgencyId, Name]]:
    """(recipient, message) of each such call that may have been done: not heard is not undone."""
    open_: dict[int, tuple[AgencyId, Name]] = {}
    for entry in history:
        if entry.call == call and entry.phase is Phase.INVOKED:
            assert entry.sender
            assert entry.id
            open_[entry.op] = entry.agency, (entry.sender, entry.id)
        elif entry.call == call and entry.phase is Phase.FAIL:
            del open_[entry.op]
    return set(open_.values())


def _beats(log: Iterable[Seen]) -> dict[AgencyId, list[float]]:
    """Agency → when its gateway went on: its heartbeats, but for the one that each start makes."""
    at: dict[tuple[AgencyId, bool], list[float]] = defaultdict(list)
    for seen in log:
        beat = seen.kind == "heartbeat"
        if seen.sender and seen.said is not None and (beat or seen.what == "started"):
            at[seen.sender, beat].append(seen.said)
    return {
        agency: [
            said
            for said in beats
            if all(abs(said - start) > _STARTED for start in at.get((agency, False), ()))
        ]
        for (agency, beat), beats in at.items()
        if beat
    }


def _by_digest(seen: Iterable[Seen], kind: str) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = defaultdict(list)
    for each in seen:
        if each.kind == kind and each.digest:
            found[each.digest].append(each)
    return found
