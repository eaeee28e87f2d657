"""Many writers and readers at every gateway, who behave as case systems should.

A writer has one thread with one recipient and sends the next message when the last was answered;
it tries again with the same key until it hears something, and now and then gives up unheard. A
reader keeps its cursor, opens what is new, and acknowledges most, refuses some, leaves some; the
first that are `immediate` it does not touch, so that every stack has some whose deadline passes.
The police's writers to two of the offices first send what a second office must have a copy of, and
take it back: no run is without either (`exercised`).
"""

import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from e2e.invented import LABELS, OFFICER, PLACES, POLICE, WORKER
from e2e.stage import District
from faults import members, promised
from faults.calling import Caller, Missed
from faults.history import History, digest_of
from meldeweg.client import calls
from meldeweg.client.types import Accepted, InboxItem
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.schemas import examples

_GIVES_UP = 0.1  # of the writers' messages that a try brought no answer; else it tries on
_AGAIN = 0.3  # seconds until the same is tried again
_LOOK = 0.3  # seconds between two looks into an inbox
_PAGE = (1, 3, 10, 50)  # items a page
_TWO_PLACES = 0.2  # of the notifications tell of a home, too
_OWING = 2  # offices of which each round surely has a message with a copy, and its retraction
_OFFICES = {place: agency for agency, place in PLACES.items()}
_UNTOUCHED = 2  # immediate ones that each reader leaves: its sender may yet take one back
_REASONS = ("not-understandable", "not-permitted", "sent-twice")


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is sent: `writers` threads for each pair and direction, `pause` seconds between."""

    writers: int = 1
    pause: tuple[float, float] = (0.8, 3.0)


class Workload:
    """Runs beside the faults. Readers from `start` to `stop`; writers within `sending()`."""

    def __init__(
        self, district: District, history: History, rng: random.Random, pace: Pace | None = None
    ) -> None:
        self._district, self._history, self._rng = district, history, rng
        self._pace = pace or Pace()
        self._readers: list[_Worker] = []
        self._callers: list[Caller] = []
        self._named = 0

    def start(self) -> None:
        """Begin to read where each inbox ends now."""
        for agency in self._agencies():
            reader = _Reader(self._caller(agency), agency, self._dice(), self._end(agency))
            self._readers.append(_Worker(f"reader-{agency}", reader.turn))

    def _end(self, agency: AgencyId) -> str | None:
        pages = list(self._district[agency].inbox_pages())
        return pages[-1].next if pages else None

    def stop(self) -> None:
        """End the readers; what they have begun they finish."""
        for reader in self._readers:
            reader.stop()
        for reader in self._readers:
            reader.join()
        for caller in self._callers:
            caller.close()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Let all write for as long as the block runs; then each finishes its message, or not."""
        writers = [
            _Worker(f"writer-{sender}-{to}", self._writer(sender, to).turn)
            for sender, to in self._pairs()
            for _ in range(self._pace.writers)
        ]
        try:
            yield
        finally:
            for writer in writers:
                writer.stop()
            for writer in writers:
                writer.join()

    def _writer(self, sender: AgencyId, to: AgencyId) -> "_Writer":
        self._named += 1
        thread = f"{sender}-{to}-{self._named}"
        caller = self._caller(sender)
        owes = sender == POLICE and to in [a for a in self._agencies() if a != POLICE][:_OWING]
        more = (thread, self._dice(), self._pace.pause, owes)
        return _Writer(caller, self._district, sender, to, *more)

    def _caller(self, agency: AgencyId) -> Caller:
        entry = self._district.described.agencies[agency]
        self._callers.append(Caller(agency, entry.url, entry.token, self._history))
        return self._callers[-1]

    def _dice(self) -> random.Random:
        return random.Random(self._rng.getrandbits(64))

    def _agencies(self) -> list[AgencyId]:
        return list(self._district.described.agencies)

    def _pairs(self) -> list[tuple[AgencyId, AgencyId]]:
        offices = [agency for agency in self._agencies() if agency != POLICE]
        return [pair for each in offices for pair in ((POLICE, each), (each, POLICE))]


class _Worker(threading.Thread):
    """Takes turns until it is stopped; an error of its own is raised at `join`."""

    def __init__(self, name: str, turn: Callable[[threading.Event], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._turn, self._ended = turn, threading.Event()
        self._error: BaseException | None = None
        self.start()

    def stop(self) -> None:
        self._ended.set()

    def run(self) -> None:
        try:
            while not self._ended.is_set():
                self._turn(self._ended)
        except BaseException as exc:
            self._error = exc

    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        if self._error is not None:
            raise self._error


class _Writer:
    """One thread of messages to one recipient."""

    def __init__(
        self,
        caller: Caller,
        district: District,
        sender: AgencyId,
        to: AgencyId,
        thread: str,
        rng: random.Random,
        pause: tuple[float, float],
        owes: bool = False,
    ) -> None:
        self._caller, self._district, self._rng = caller, district, rng
        self._sender, self._to, self._thread, self._pause = sender, to, thread, pause
        self._n = 0
        self._last: str | None = None  # what a correction may refer to
        self._drill = False  # whether that is an exercise: so must be what refers to it
        self._owes = owes  # until it has taken back what has a copy

    def turn(self, ended: threading.Event) -> None:
        self._n += 1
        kind, order = self._order()
        key = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        to = order.pop("to")
        content = order.pop("content")
        person = OFFICER if self._sender == POLICE else WORKER
        call = calls.send(kind, to, content, acting_person=person, key=key, **order)
        facts = {
            "key": key,
            "content": digest_of(content),
            "to": self._to,
            "thread": self._thread,
            "n": self._n,
            "urgency": order.get("urgency"),
            "retracts": order.get("in_reply_to") if kind == "retraction" else None,
            "also": _second(to, self._to),
            "members": members.of_order(kind, order),
        }
        accepted = self._until_heard(call, facts, ended)
        if accepted is not None and kind in ("notification", "inquiry"):
            self._last, self._drill = accepted.id, order.get("exercise", False)
        if accepted is not None and kind == "retraction":
            self._owes = False
        ended.wait(self._pause[0] if self._owes else self._rng.uniform(*self._pause))

    def _until_heard(
        self, call: calls.Call[Any], facts: Mapping[str, Any], ended: threading.Event
    ) -> Accepted | None:
        # Decided once: of a gateway that is away for seconds nearly every writer would tire.
        tires = self._rng.random() < _GIVES_UP
        while True:
            try:
                answer: Accepted = self._caller.do("send", call, _accepted, **facts)
            except Missed as missed:
                if not missed.again or ended.is_set() or tires:
                    return None
                ended.wait(_AGAIN)
            else:
                return answer

    def _order(self) -> tuple[str, dict[str, Any]]:
        if self._sender == POLICE:
            return self._of_police()
        if self._rng.random() < 0.2:
            kind, base = "request.immediate-action", examples.IMMEDIATE_ACTION
        else:
            kind, base = "inquiry", examples.INQUIRY
        more = self._also()
        return kind, more | {"to": {"agency": POLICE}, "content": self._district.content(base)}

    def _of_police(self) -> tuple[str, dict[str, Any]]:
        chance = self._rng.random()
        more = self._also()
        if self._last and (self._owes or chance < 0.15):
            more |= {"to": {"agency": self._to}, "in_reply_to": self._last}
            more["exercise"] = self._drill
            if self._owes or chance < 0.05:
                self._last = None  # taken back: nothing more refers to it
                return "retraction", more | {"content": self._district.content(examples.RETRACTION)}
            content = self._district.content(examples.CORRECTION)
            return "correction", more | {"content": content, "labels": LABELS}
        if self._rng.random() < 0.25 and not self._owes:  # it stays as it is
            more["urgency"] = "immediate"
        content = self._district.content()
        return "notification", more | {"to": self._places(), "content": content, "labels": LABELS}

    def _places(self) -> dict[str, str]:
        """Name where the child is, and now and then a home elsewhere: its office gets a copy."""
        place = {"place": PLACES[self._to]}
        homes = [PLACES[each] for each in self._district.described.agencies if each in PLACES]
        if self._owes:
            homes.remove(place["place"])
        if self._owes or self._rng.random() < _TWO_PLACES:
            place["residence"] = self._rng.choice(homes)
        return place

    def _also(self) -> dict[str, Any]:
        more: dict[str, Any] = {"thread": self._thread}
        if self._rng.random() < 0.1:
            more["exercise"] = True
        return more


class _Reader:
    """One inbox, read with a cursor."""

    def __init__(
        self, caller: Caller, agency: AgencyId, rng: random.Random, cursor: str | None
    ) -> None:
        self._caller, self._rng, self._cursor = caller, rng, cursor
        self._person = OFFICER if agency == POLICE else WORKER
        self._untouched = 0

    def turn(self, ended: threading.Event) -> None:
        call = calls.inbox(self._cursor, self._rng.choice(_PAGE))
        try:
            page = self._caller.do("pull", call, _shown)
        except Missed:
            ended.wait(_AGAIN)
            return
        for item in page.items:
            self._handle(item, ended)
        self._cursor = page.next
        if not page.items:
            ended.wait(_LOOK)

    def _handle(self, item: InboxItem, ended: threading.Event) -> None:
        if item.urgency == "immediate" and self._untouched < _UNTOUCHED:
            self._untouched += 1
            return
        about = {"id": item.id, "sender": AgencyId(item.sender)}
        look = calls.opened(item.id, self._person, item.sender)
        if not self._until_heard("open", look, _opened, about, ended):
            return
        chance = self._rng.random()
        if chance < 0.75:
            order = {"kind": "acknowledged", "by": self._person}
            call = calls.receipt(item.id, item.sender, **order)
            self._until_heard("acknowledge", call, _nothing, about, ended)
        elif chance < 0.85:
            order = {"kind": "refused", "by": self._person, "code": self._rng.choice(_REASONS)}
            call = calls.receipt(item.id, item.sender, **order)
            self._until_heard("refuse", call, _nothing, about | {"code": order["code"]}, ended)

    def _until_heard(
        self,
        name: str,
        call: calls.Call[Any],
        told: Callable[[Any], dict[str, Any]],
        about: Mapping[str, Any],
        ended: threading.Event,
    ) -> bool:
        while True:
            try:
                self._caller.do(name, call, told, **about)
            except Missed as missed:
                if not missed.again or ended.is_set():
                    return False
                ended.wait(_AGAIN)
            else:
                return True


def _accepted(answer: Accepted) -> dict[str, Any]:
    linked = tuple((AgencyId(each.recipient), each.id) for each in answer.linked)
    impossible = any(each.code == "linked-copy-impossible" for each in answer.warnings)
    told = {"linked": linked, "impossible": impossible}
    noted = members.of_answer(answer) | promised.of_answer(answer)
    return {"id": answer.id, "members": noted, **told}


def _second(to: Mapping[str, str], first: AgencyId) -> AgencyId | None:
    """Return the office of the child's home, if it is another than the first that is told."""
    office = _OFFICES.get(to.get("residence", ""))
    return office if office != first else None


def _shown(page: Any) -> dict[str, Any]:
    return {"items": tuple((AgencyId(item.sender), item.id) for item in page.items)}


def _opened(answer: Any) -> dict[str, Any]:
    return {"content": digest_of(answer.content), "members": members.of_opened(answer)}


def _nothing(_: Any) -> dict[str, Any]:
    return {}
