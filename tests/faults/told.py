"""Who did it, why, and for how long: what is told or kept of it beside the message itself.

A look names who looked. The code that a person gave for a refusal is the one in the log. Nobody
keeps a message for longer than its sender said, or for a shorter time.
"""

from collections.abc import Iterator

from faults.evidence import Entry, Finding, Kind, Phase
from faults.facts import Facts
from faults.undone import Undone

_DAY = 86_400.0  # seconds


def otherwise(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Yield everything that is told or kept otherwise than it was."""
    yield from _looks(facts)
    yield from _reasons(facts, undone)
    for message in facts.messages:
        there, day = message.arrived, message.row.delete_after
        apart = there.delete_after - day if there is not None and day is not None else 0.0
        if abs(apart) >= _DAY:
            why = f"erased {apart / _DAY:+.0f} days after its sender's day"
            yield Finding(Kind.CHANGED, message.label, why)


def _looks(facts: Facts) -> Iterator[Finding]:
    names = {message.row.digest: message.row.id for message in facts.messages}
    for seen in facts.evidence.log:
        if (seen.kind, seen.what) == ("event", "opened") and seen.digest in names and not seen.by:
            why = f"opened at {seen.sender}, and by whom is not told"
            yield Finding(Kind.UNAUDITED, names[seen.digest], why)


def _reasons(facts: Facts, undone: Undone) -> Iterator[Finding]:
    for entry, ended in _refusals(facts):
        name = (entry.sender, entry.id)
        row = facts.received.get(entry.agency, {}).get(name)  # type: ignore[arg-type]
        if row is None or facts.excused(entry.agency) or undone.said(entry.agency, ended):
            continue
        said = facts.codes(entry.agency, "refused", row.digest)
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
