"""What is told of a message says what it is: urgent or not, exercise or real, and is told once.

Each alarm that no `delivered` came, and each `overdue`, is told once by each end: one event for
each (who, kind, code, message). An event that is produced again is the same one. What was told
while a store went on that was then put back to an older copy, it may tell again.
Other alarms come with each record that is put aside or turned away: of these nothing is counted.
"""

from collections import defaultdict
from collections.abc import Iterator

from faults.alarms import NOT_DELIVERED
from faults.evidence import Finding, Kind, Seen
from faults.facts import Facts
from faults.undone import Undone

_NOTED = 1.0  # seconds between an event's own time and its commit
# These always say both, too; the others where they do (docs/audit-events.md).
_ONCE = {("overdue", None), ("alarm", NOT_DELIVERED)}
_Key = tuple[str, str, str | None, str]  # who, kind, code, message


def unlike(facts: Facts) -> Iterator[Finding]:
    """Yield each event that says of its message what that is not."""
    rows = {row.digest: row for row in facts.rows.values()}
    for seen in facts.evidence.log:
        row = rows.get(seen.digest or "")
        if row is None or seen.kind != "event":
            continue
        owed = (seen.what, seen.code) in _ONCE
        about = (
            ("exercise", seen.exercise, row.exercise),
            ("urgency", seen.urgency, row.urgency),
        )
        for name, said, kept in about:
            if kept is not None and said != kept and (owed or said is not None):
                why = f"{seen.what} of {seen.sender} says {name} {said}: it is {kept}"
                yield Finding(Kind.CHANGED, row.id, why)


def told_again(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Yield each message of which an end told the same thing more than once."""
    names = {row.digest: row.id for row in facts.rows.values()}
    told: dict[_Key, dict[object, Seen]] = defaultdict(dict)
    for seen in facts.evidence.log:
        if seen.kind == "event" and (seen.what, seen.code) in _ONCE and seen.digest in names:
            assert seen.sender
            assert seen.what
            key = seen.sender, seen.what, seen.code, seen.digest
            told[key][seen.id or (seen.topic_id, seen.offset)] = seen
    for (who, what, code, digest), events in told.items():
        forgotten = sum(_undone(undone, seen) for seen in events.values())
        if len(events) > 1 + forgotten:
            why = f"{who} told {code or what} {len(events)} times"
            yield Finding(Kind.DUPLICATED, names[digest], why)


def _undone(undone: Undone, seen: Seen) -> bool:
    if seen.said is None or seen.sender is None:
        return False
    return undone.between(seen.sender, seen.said - _NOTED, seen.said + _NOTED) > 0
