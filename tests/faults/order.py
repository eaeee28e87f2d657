"""Order within a thread: who sends one after the other's answer finds them so at the recipient,
in the order of arrival and in the order in which the inbox's API showed them.

Excused is what the design lets be produced again out of its turn, and each from evidence:
- *parked*: the log has the recipient's `parked` event of the message that came late;
- *lost with a broker*: the pair's topic has more than one id in log and topics, and the late one
  was answered before the newest of them had its first record, and was received from that one;
- *expired*: the late one lies in the log at an offset that its topic no longer holds, or that a
  fault deleted from it, and was received from another.
What is excused may have arrived late, and is shown as it arrived. Only of what a store that was put
back had forgotten to have received, its order does not say how it was shown before.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from faults.evidence import Finding, Kind, Phase
from faults.facts import Facts, Message, Name
from faults.undone import Undone
from meldeweg.kernel.ids import AgencyId


def disordered(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Yield each message that came after one that was sent after its answer."""
    threads = defaultdict(list)
    for each in facts.messages:
        # A linked copy went in one commit with its message: its turn is that one's.
        main = facts.by_id.get(facts.copies.get(each.name, each.name))
        message, sending = replace(each, sending=main), main
        if sending and message.arrived and sending.thread is not None:
            threads[sending.agency, message.row.recipient, sending.thread].append(message)
    excuse, shown = _Excuse(facts), _shown(facts)
    for (_, recipient, _), sent in threads.items():
        sent.sort(key=_turn)
        for n, before in enumerate(sent):
            behind = [m for m in sent[n + 1 :] if _follows(before, m)]
            excused = excuse.has(before)
            late = [m for m in behind if _seq(before) > _seq(m)]
            if late and not excused:
                why = f"sent before {late[0].row.id}, arrived after it"
                yield Finding(Kind.DISORDERED, before.label, why)
            place = shown[recipient].get(before.name, -1)
            sooner = [m for m in behind if place > shown[recipient].get(m.name, place)]
            if excused:  # as it arrived, or as it had arrived in a store that is no more
                again = undone.arrival(recipient, before.name)
                sooner = [
                    m
                    for m in sooner
                    if m not in late and not again and not undone.arrival(recipient, m.name)
                ]
            if sooner:
                why = f"sent before {sooner[0].row.id}, shown after it"
                yield Finding(Kind.DISORDERED, before.label, why)


def _shown(facts: Facts) -> dict[AgencyId, dict[Name, int]]:
    """Return agency → message → its place in all that the inbox ever showed: its first."""
    shown: dict[AgencyId, dict[Name, int]] = defaultdict(dict)
    for entry in facts.evidence.history:
        if entry.call == "pull" and entry.phase is Phase.OK:
            places = shown[entry.agency]
            for name in entry.items:
                places.setdefault(name, len(places))
    return shown


def _turn(message: Message) -> int:
    assert message.sending is not None
    return message.sending.n


def _seq(message: Message) -> int:
    assert message.arrived is not None
    return message.arrived.seq


def _follows(before: Message, after: Message) -> bool:
    """Say whether the second was sent when the first had been answered: else no order is owed."""
    assert before.sending is not None
    assert after.sending is not None
    answered = before.sending.answered
    return answered is not None and answered <= after.sending.invoked


class _Excuse:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._start: dict[str, int] = {}  # topic id → first offset that is there
        self._gone = {each.topic_id: each.end for each in sorted(facts.evidence.expired)}
        self._began: dict[str, float] = {}  # topic → when its newest id had its first record
        self._ids: dict[str, set[str]] = defaultdict(set)
        self._there: set[tuple[str, int, str | None]] = set()  # what the newest topics have
        for seen in facts.evidence.topics:
            self._there.add((seen.topic, seen.offset, seen.digest))
            first = self._start.get(seen.topic_id)
            if first is None or seen.offset < first:
                self._start[seen.topic_id] = seen.offset
                self._began[seen.topic] = seen.at
            self._ids[seen.topic].add(seen.topic_id)
        for seen in facts.evidence.log:
            self._ids[seen.topic].add(seen.topic_id)

    def has(self, late: Message) -> bool:
        return self._parked(late) or self._lost_with_broker(late) or self._expired(late)

    def _parked(self, late: Message) -> bool:
        return self._facts.told(late.row.recipient, "parked", late.row.digest)

    def _lost_with_broker(self, late: Message) -> bool:
        assert late.arrived is not None
        assert late.sending is not None
        answered, topic = late.sending.answered, late.arrived.topic
        if answered is None or len(self._ids[topic]) < 2:
            return False
        again = (topic, late.arrived.offset, late.row.digest) in self._there
        return again and answered < self._began.get(topic, 0.0)

    def _expired(self, late: Message) -> bool:
        assert late.arrived is not None
        places = self._facts.logged.get(late.row.digest, [])
        return any(
            place.offset != late.arrived.offset
            and place.offset
            < max(self._start.get(place.topic_id, 0), self._gone.get(place.topic_id, 0))
            for place in places
        )
