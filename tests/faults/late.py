"""Who was late was called so: an `immediate` message that ended, but too late, was loud meanwhile.

Silent is one whose `delivered` came long after an alarm was due, or that a person took long after
its deadline, while a gateway that was at work told nobody. What still waits is for `alarms`.

A deadline counts by the clock of who must tell, so all times of a question are of one gateway, and
what was told is asked of the log alone. Excused, each from that gateway's own heartbeats:
- *stopped, frozen, without disk or key*: it did not go on making heartbeats between the deadline
  and the end. They need the same store and key as an alarm, and come less often than its looks;
  two, as the pause before one of them may have been a freeze;
- *clock bent*: beginning and end lie too far apart for the life of a stack, or the wrong way round.
An agency that was revoked can tell nobody any more: its wait ends with that moment.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from faults.alarms import HEARTBEAT, SILENT, missed
from faults.evidence import Finding, Kind
from faults.facts import Facts, Message
from meldeweg.kernel.ids import AgencyId

_GOING_ON = 2  # heartbeats that show that it was at work
_LONG = 3 * HEARTBEAT  # seconds after which so many must have been made
_BENT = 43_200.0  # seconds that no message of a stack waits: a bent clock is a day off


@dataclass(frozen=True, slots=True)
class _Wait:
    """What one end had to tell, if the wait went on until long after it was `due`."""

    agency: AgencyId
    since: float
    due: float
    until: float
    what: str  # the kind of the event
    why: str


def unheeded(facts: Facts) -> Iterator[Finding]:
    """Yield each `immediate` message that somebody waited for too long, and nobody was told."""
    for message in facts.messages:
        if message.row.urgency == "immediate":
            for wait in _waits(facts, message):
                if _was_owed(facts, wait) and not _told(facts, message, wait):
                    yield Finding(Kind.SILENT, message.label, wait.why)


def _told(facts: Facts, message: Message, wait: _Wait) -> bool:
    if wait.what == "alarm":
        return missed(facts, message)
    return facts.told(wait.agency, wait.what, message.row.digest)


def _waits(facts: Facts, message: Message) -> Iterator[_Wait]:
    sender, row, there = message.name[0], message.row, message.arrived
    until = _end(facts, sender, *(at for at in (row.delivered, row.ended) if at is not None))
    if until is not None:
        due, why = row.created + SILENT, "delivered late, and no alarm of the sender before"
        yield _Wait(sender, row.created, due, until, "alarm", why)
    until = _end(facts, sender, *(at for at in (row.ended,) if at is not None))
    if until is not None:
        why = "ended past its deadline, and the sender never told that it is overdue"
        yield _Wait(sender, row.created, row.ack_by, until, "overdue", why)
    if there is None:
        return
    until = _end(facts, row.recipient, *(at for at in (there.ended,) if at is not None))
    if until is not None:
        due = max(there.came, there.ack_by)
        why = "taken past its deadline, and the recipient never told that it is overdue"
        yield _Wait(row.recipient, there.came, due, until, "overdue", why)


def _end(facts: Facts, agency: AgencyId, *ends: float) -> float | None:
    """Return when the wait was over, or when who waits was revoked; None: it goes on."""
    barred = [facts.barred[agency]] if agency in facts.barred else []
    return min((*ends, *barred), default=None)


def _was_owed(facts: Facts, wait: _Wait) -> bool:
    late = wait.until > wait.due + _LONG and 0 <= wait.until - wait.since < _BENT
    return late and _was_at_work(facts, wait)


def _was_at_work(facts: Facts, wait: _Wait) -> bool:
    beats = facts.beats.get(wait.agency, ())
    # The first may have been made before the deadline was looked at.
    return sum(wait.due + HEARTBEAT < at < wait.until for at in beats) >= _GOING_ON
