"""Whose word ended a message: a person's call, or its sender's retraction; never a gateway's own.

What is called acknowledged, at either end or by a receipt, somebody there asked for; what is called
retracted, its sender took back; nobody's look is told that nobody asked for; and `erased` is a
person's word that nobody of the workload says. An answer is not needed: what was not heard may have
been done. Surely failed is not asked.
What was taken before the run began is none of it.
"""

from collections import defaultdict
from collections.abc import Iterator

from faults.evidence import Finding, Kind, Seen
from faults.facts import Facts, Name
from meldeweg.kernel.ids import AgencyId

_Ends = set[tuple[AgencyId, Name]]  # who is said to have done it, with which message


def unasked(facts: Facts) -> Iterator[Finding]:
    """Yield each word and each look that nobody's call explains."""
    names = _names(facts)
    for agency, name in sorted(_acknowledged(facts, names) - facts.acknowledged):
        yield Finding(Kind.INVENTED, name[1], f"acknowledged at {agency}, and by nobody there")
    for name in sorted(_retracted(facts, names)):
        # Whoever takes a message back takes its linked copy back.
        if facts.taken_back.isdisjoint((name, facts.copies.get(name, name))):
            yield Finding(Kind.INVENTED, name[1], f"retracted, and not by {name[0]}")
    for seen in _of_run(facts):
        if (seen.kind, seen.what) == ("receipt", "erased") and seen.of in names:
            why = f"erased by order at {seen.sender}, and nobody gave it"
            yield Finding(Kind.INVENTED, names[seen.of][1], why)
    yield from _looks(facts, names)


def _names(facts: Facts) -> dict[str, Name]:
    """Digest → the message, as any of log and stores knows it; those of before the run left out."""
    found = {
        digest: (seen.sender, seen.id)
        for digest, places in facts.logged.items()
        for seen in places
        if seen.sender and seen.id
    }
    found |= {row.digest: name for rows in facts.received.values() for name, row in rows.items()}
    found |= {row.digest: name for name, row in facts.rows.items()}
    return {digest: name for digest, name in found.items() if digest not in facts.evidence.earlier}


def _acknowledged(facts: Facts, names: dict[str, Name]) -> _Ends:
    word = "acknowledged"
    said = {
        (seen.sender, names[seen.of])
        for seen in _of_run(facts)
        if (seen.kind, seen.what) == ("receipt", word) and seen.sender and seen.of in names
    }
    there = {
        (agency, name)
        for agency, rows in facts.received.items()
        for name, row in rows.items()
        if word in (row.state, *row.steps)
    }
    heard = {
        (row.recipient, name) for name, row in facts.rows.items() if word in (row.state, *row.steps)
    }
    return said | there | heard


def _retracted(facts: Facts, names: dict[str, Name]) -> set[Name]:
    word = "retracted"
    told = {
        names[seen.digest]
        for seen in _of_run(facts)
        if (seen.kind, seen.what) == ("event", word) and seen.digest in names
    }
    rows = [pair for each in facts.received.values() for pair in each.items()]
    there = {name for name, row in rows if word in (row.state, *row.steps)}
    return told | there | {n for n, row in facts.rows.items() if word in (row.state, *row.steps)}


def _looks(facts: Facts, names: dict[str, Name]) -> Iterator[Finding]:
    """An event that is produced again is the same one; a call that failed may have been noted."""
    told: dict[tuple[AgencyId, str], set[object]] = defaultdict(set)
    for seen in _of_run(facts):
        if (seen.kind, seen.what) == ("event", "opened") and seen.sender and seen.digest in names:
            told[seen.sender, seen.digest].add(seen.id or (seen.topic_id, seen.offset))
    for (agency, digest), looks in told.items():
        asked = facts.asked["open", agency, names[digest]]
        if len(looks) > asked:
            why = f"{len(looks)} looks told by {agency}, {asked} asked for"
            yield Finding(Kind.INVENTED, names[digest][1], why)


def _of_run(facts: Facts) -> Iterator[Seen]:
    for seen in (*facts.evidence.log, *facts.evidence.topics):
        if (seen.topic_id, seen.offset) not in facts.evidence.lying:
            yield seen
