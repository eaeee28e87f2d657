"""The senders' own numbering, read out of the log: what never reached it shows here.

Guarantees: memory grows with pairs of agencies and restarts, not with the log. Trusts nothing: a
statement that can't be read is passed over (it is the recipient's to quarantine), numbers count
only in the topic that their sender alone may write, and a claim about another's numbers names who
claims it.

Each sender numbers its messages per recipient, 1, 2, 3 …, anew with each `outbox`; a record may
come twice. A heartbeat says how far a sender got and how far it received. Topics are read
independently of each other, so the newest heartbeats may run ahead of the log: only those with two
later ones behind them are held against it. What a sender says it has given up is not missing. What
it claims and the log lacks may still wait at the sender; what a recipient received and the log
lacks was left out.
"""

import binascii
import re
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from meldeweg.audit.ranges import Ranges
from meldeweg.kernel import strictjson
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.topics import parse_inbox

_URLSAFE = bytes.maketrans(b"-_", b"+/")
_YOUNG = 2  # heartbeats that may be ahead of the log
_HEARTBEAT = "meldeweg.heartbeat.v1+jws"
_EVENT = "meldeweg.event.v1+jws"
_DEPTH = 8  # of a payload's JSON (docs/spec/message.md, § 14)

_NUMBERS = 2**53  # numbers are below it (docs/spec/message.md, § 5)
# A context in its one form, as every gateway writes it; another form is read as JSON.
_SEQ = re.compile(rb'"seq":\{"outbox":"([0-9a-f]{16})","n":([1-9][0-9]{0,15})\}')
# Of a context in its one form these characters of base64url (a multiple of 4) hold all up to `seq`:
# the rest need not be decoded.
_ENOUGH = 560
_OUTBOX = re.compile(r"[0-9a-f]{16}", re.ASCII)

Line = tuple[str, str, str]
"""(sender, recipient, outbox)"""


@dataclass(frozen=True, slots=True)
class Hole:
    """Numbers `first` to `last` of `sender` to `recipient` are not in the log.

    `claimed_by`: the agency whose heartbeat says they exist; None: a later number is there.
    `open`: too new to be held against the log. `given_up`: their sender says that they were never
    to come.
    """

    sender: str
    recipient: str
    outbox: str
    first: int
    last: int
    claimed_by: str | None = None
    open: bool = False
    given_up: bool = False


class _Writer(NamedTuple):
    sender: str
    recipient: str
    named: bytes  # how a context of theirs names both; empty for events


class Numbering:
    """Feed it every statement in the order of the log, then ask for `holes`.

    `carried_over`: numbers began in the log of the year before, and what was numbered there may
    come again. What a sender's first heartbeats here say is the beginning of its lines; a line of
    which none of its heartbeats speaks is not this log's.
    """

    def __init__(self) -> None:
        self.carried_over = False
        self._seen: dict[Line, Ranges] = {}
        self._writers: dict[str, _Writer | None] = {}
        self._young: dict[str, deque[dict[Line, int]]] = {}
        self._due: dict[str, dict[Line, int]] = {}
        self._given_up: dict[Line, Ranges] = {}
        self._begins: dict[Line, int] = {}  # the last number that may be in an earlier log
        self._beats: Counter[str] = Counter()
        self._received: dict[Line, Ranges] = {}  # claimed by recipients, and not seen before

    def feed(self, topic: str, statement: bytes) -> None:
        """Take one record's statement; `topic` says who may have written it."""
        if topic not in self._writers:
            self._writers[topic] = _writer(topic)
        writer = self._writers[topic]
        if writer is None:
            return
        try:
            head, payload, _ = statement.split(b".")
            if writer.named:
                self._in_inbox(writer, payload)
            elif not _counts_nothing(head, payload):
                self._in_events(writer.sender, head, payload)
        except (Refused, ValueError, KeyError, TypeError, AttributeError):
            return  # not one of ours: recorded in the log like any other, judged by its recipient

    def holes(self) -> list[Hole]:
        """What is missing, by sender and number; the open ones last."""
        found = []
        for (sender, recipient, outbox), seen in sorted(self._seen.items()):
            begin = self._begin((sender, recipient, outbox))
            if begin is not None:
                found += [
                    Hole(sender, recipient, outbox, max(a, begin + 1), b)
                    for a, b in seen.missing(seen.last)
                    if b > begin
                ]
        for agency, claims in sorted(self._due.items()):
            found += self._claimed(agency, claims, young=False)
        for agency, beats in sorted(self._young.items()):
            newest = {line: n for beat in beats for line, n in beat.items()}
            found += self._claimed(agency, newest, young=True)
        return [part for hole in found for part in self._without_given_up(hole)]

    def _begin(self, line: Line) -> int | None:
        """Return behind which number a line is this log's; None where nobody can tell."""
        return self._begins.get(line) if self.carried_over else 0

    def _without_given_up(self, hole: Hole) -> list[Hole]:
        """Cut a hole where its sender gave numbers up; what a recipient has was not given up."""
        line = (hole.sender, hole.recipient, hole.outbox)
        excused = Ranges(hole.first - 1)
        for first, last in self._given_up.get(line, Ranges()).within(hole.first, hole.last):
            for number in range(first, last + 1):
                if not self._was_received(line, hole, number):
                    excused.add(number)
        gone = [(a, b, True) for a, b in excused.within(hole.first, hole.last)]
        rest = [(a, b, False) for a, b in excused.missing(hole.last)]
        return [replace(hole, first=a, last=b, given_up=up) for a, b, up in sorted(gone + rest)]

    def _was_received(self, line: Line, hole: Hole, number: int) -> bool:
        claimed = hole.claimed_by == hole.recipient and number == hole.last
        return claimed or number in self._received.get(line, Ranges())

    def _claimed(self, agency: str, claims: dict[Line, int], *, young: bool) -> list[Hole]:
        found = []
        for line, last in sorted(claims.items()):
            seen, begin = self._seen.get(line), self._begin(line)
            if begin is None:
                continue
            known = max(seen.last if seen else 0, begin)  # holes below are named already
            if last > known:
                found.append(Hole(*line, known + 1, last, agency, young))
        return found

    def _in_inbox(self, writer: "_Writer", payload: bytes) -> None:
        data = _b64(payload[:_ENOUGH])
        found = _SEQ.match(data, data.find(b'"seq":{'))
        if found and writer.named in data and (number := int(found[2])) < _NUMBERS:
            self._add((writer.sender, writer.recipient, found[1].decode()), number)
            return
        body = _parsed(payload)
        seq = body["seq"]
        if (body["from"], body["to"]) == (writer.sender, writer.recipient) and _fits(seq):
            self._add((writer.sender, writer.recipient, seq["outbox"]), seq["n"])

    def _in_events(self, sender: str, head: bytes, payload: bytes) -> None:
        body = _parsed(payload)
        kind = strictjson.loads(_strict(head), max_depth=1)["typ"]
        if body["agency"] != sender:
            return
        if kind == _HEARTBEAT:
            self._heartbeat(sender, body)
        elif kind == _EVENT and body["kind"] == "undeliverable":
            self._undeliverable(sender, body)

    def _add(self, line: Line, number: int) -> None:
        seen = self._seen.get(line)
        if seen is None:
            seen = self._seen[line] = Ranges()
        seen.add(number)

    def _undeliverable(self, agency: str, body: dict[str, Any]) -> None:
        partner, seq = body["partner"], body["seq"]
        if _fits(seq) and AgencyId.PATTERN.fullmatch(partner):
            line = (agency, partner, seq["outbox"])
            self._given_up.setdefault(line, Ranges()).add(seq["n"])

    def _heartbeat(self, agency: str, body: dict[str, Any]) -> None:
        claims: dict[Line, int] = {}
        for partner, seq in body["sent"].items():
            if _fits(seq) and AgencyId.PATTERN.fullmatch(partner):
                claims[agency, partner, seq["outbox"]] = seq["n"]
        for partner, seq in body["received"].items():
            if _fits(seq) and AgencyId.PATTERN.fullmatch(partner):
                claims[partner, agency, seq["outbox"]] = seq["n"]
        for line, number in claims.items():
            if line[0] == agency:
                # Read independently of each other, a record may be in the old log and what says
                # so in the new: as with the newest, two more heartbeats settle it.
                first = number if self._beats[agency] <= _YOUNG else 0
                self._begins[line] = max(first, self._begins.get(line, 0))
        self._beats[agency] += 1
        beats = self._young.setdefault(agency, deque())
        beats.append(claims)
        if len(beats) > _YOUNG:
            due = self._due.setdefault(agency, {})
            for line, number in beats.popleft().items():
                due[line] = max(number, due.get(line, 0))
                if line[1] == agency and number not in self._seen.get(line, ()):
                    self._received.setdefault(line, Ranges()).add(number)


def _writer(topic: str) -> _Writer | None:
    """Return who alone may write a topic; None for one that is neither inbox nor events."""
    try:
        if topic.startswith("events."):
            return _Writer(topic.removeprefix("events."), "", b"")
        recipient, sender = parse_inbox(topic)
    except Refused:
        return None
    return _Writer(
        sender, recipient, b'"from":"%s","to":"%s",' % (sender.encode(), recipient.encode())
    )


def _counts_nothing(head: bytes, payload: bytes) -> bool:
    """Say whether neither word that counts can be in an event: most need not be parsed.

    Without an escape, a word of JSON is there as it is or not at all.
    """
    kind, body = _b64(head), _b64(payload)
    escaped = b"\\" in kind or b"\\" in body
    return not (escaped or b"heartbeat" in kind or b"undeliverable" in body)


def _fits(seq: Any) -> bool:
    outbox, number = seq["outbox"], seq["n"]
    fits = isinstance(outbox, str) and _OUTBOX.fullmatch(outbox)
    is_one = fits and len(seq) == 2 and type(number) is int
    return bool(is_one) and 0 < number < _NUMBERS


def _parsed(payload: bytes) -> Any:
    return strictjson.loads(_strict(payload), max_depth=_DEPTH)


def _strict(part: bytes) -> bytes:
    return strictjson.b64u_decode(part.decode("ascii"))


def _b64(part: bytes) -> bytes:
    return binascii.a2b_base64(part.translate(_URLSAFE) + b"=="[: -len(part) % 4])
