"""What is told of a message, and to whom it is kept, is so: exercise and urgency, who and why.

An event that names a message names it as its sender's store has it: a drill that is told as a case
wakes people, a case told as a drill wakes nobody. Each overdue and each alarm is told once, of one
code; what a store that was put back forgot, it tells again. A look names who looked. The code that
a person gave for a refusal is the one in the log. Nobody keeps a message for longer than its sender
said.
"""

from collections import defaultdict
from collections.abc import Iterator

from faults.evidence import Entry, Finding, Kind, Phase
from faults.facts import Facts
from faults.undone import Undone
from meldeweg.kernel.ids import AgencyId

_DAY = 86_400.0  # seconds
_ONCE = ("overdue", "alarm")
# An alarm of the audit log is told again each day, and of its topic, not of one message.
_OF_THE_LOG = frozenset({"not-in-log", "log-differs"})


def otherwise(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Yield everything that is told or kept otherwise than it was."""
    yield from _events(facts)
    yield from _often(facts, undone)
    yield from _reasons(facts, undone)
    for message in facts.messages:
        there, day = message.arrived, message.row.delete_after
        apart = there.delete_after - day if there is not None and day is not None else 0.0
        if abs(apart) >= _DAY:
            why = f"erased {apart / _DAY:+.0f} days after its sender's day"
            yield Finding(Kind.CHANGED, message.label, why)


def _events(facts: Facts) -> Iterator[Finding]:
    rows = {message.row.digest: message.row for message in facts.messages}
    for seen in facts.evidence.log:
        row = rows.get(seen.digest) if seen.kind == "event" and seen.digest else None
        if row is None:
            continue
        where = f"{seen.what} of {seen.sender}"
        if seen.exercise not in (None, row.exercise):
            yield Finding(Kind.CHANGED, row.id, f"{where} says exercise: {seen.exercise}")
        if seen.urgency not in (None, row.urgency):
            yield Finding(Kind.CHANGED, row.id, f"{where} says {seen.urgency}")
        if seen.what == "opened" and not seen.by:
            yield Finding(Kind.UNAUDITED, row.id, f"{where} does not name who")


def _often(facts: Facts, undone: Undone) -> Iterator[Finding]:
    told: dict[tuple[AgencyId | None, str | None, str | None, str | None], set[str | None]]
    told = defaultdict(set)
    for seen in facts.evidence.log:
        once = seen.kind == "event" and seen.what in _ONCE and seen.code not in _OF_THE_LOG
        if once and seen.digest and seen.digest not in facts.evidence.earlier:
            told[seen.sender, seen.what, seen.code, seen.digest].add(seen.id)
    for (agency, what, code, digest), ids in told.items():
        if len(ids) > 1 and not (agency and undone.restored(agency)):
            why = f"{what} {code or ''} told {len(ids)} times by {agency}"
            yield Finding(Kind.FALSE_ALARM, str(digest)[:12], why)


def _reasons(facts: Facts, undone: Undone) -> Iterator[Finding]:
    codes: dict[tuple[AgencyId | None, str | None], set[str | None]] = defaultdict(set)
    for seen in facts.evidence.log:
        if (seen.kind, seen.what) == ("receipt", "refused"):
            codes[seen.sender, seen.of].add(seen.code)
    for entry, ended in _refusals(facts):
        name = (entry.sender, entry.id)
        row = facts.received.get(entry.agency, {}).get(name)  # type: ignore[arg-type]
        if row is None or facts.excused(entry.agency) or undone.said(entry.agency, ended):
            continue
        said = codes.get((entry.agency, row.digest), set())
        if said and entry.code not in said:
            why = f"refused as {entry.code}, told as {', '.join(sorted(map(str, said)))}"
            yield Finding(Kind.CHANGED, row.id, why)


def _refusals(facts: Facts) -> Iterator[tuple[Entry, Entry]]:
    """Yield (the call, its answer) of each refusal that was answered and whose code is known."""
    asked = {
        entry.op: entry
        for entry in facts.evidence.history
        if entry.call == "refuse" and entry.phase is Phase.INVOKED and entry.code
    }
    for entry in facts.evidence.history:
        if entry.phase is Phase.OK and entry.op in asked:
            yield asked[entry.op], entry
