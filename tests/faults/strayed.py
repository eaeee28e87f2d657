"""A record lies on its own topic: that of who sent it and whom it is for, as the broker names them.

What lies elsewhere went where it was not meant to. Excused is what the owner of that topic put
aside, for that is what it is there for; and an inbox whose owner was revoked, and reads no more.
What was on a topic before the run is none of it.
"""

from collections.abc import Iterator

from faults.evidence import Finding, Kind, Seen
from faults.facts import Facts
from meldeweg.kernel.ids import AgencyId


def strayed(facts: Facts) -> Iterator[Finding]:
    """Yield each record, and each message that was received, that was on another's topic."""
    aside = {
        (each.topic, each.offset, each.digest)
        for store in facts.evidence.stores.values()
        for each in (*store.quarantined, *store.parked)
    }
    gone = tuple(f"inbox.{each}." for each in facts.barred)
    seen = {(s.topic_id, s.offset): s for s in (*facts.evidence.log, *facts.evidence.topics)}
    for place, each in seen.items():
        own = _own(each)
        if own in (None, each.topic) or place in facts.evidence.lying:
            continue
        about, where = each.id or each.digest or each.topic, f"{each.topic}/{each.offset}"
        if each.kind not in ("message", "receipt"):  # nobody's inbox: nothing puts it aside
            yield Finding(Kind.INVENTED, about, f"told by {each.sender}, on {where}")
        elif each.digest in facts.evidence.earlier or each.topic.startswith(gone):
            continue
        elif not aside & {(each.topic, each.offset, known) for known in (each.digest, None)}:
            yield Finding(Kind.MISDELIVERED, about, f"{each.kind} for {own}, on {where}")
    for agency, rows in facts.received.items():
        for name, row in rows.items():
            if row.topic != _inbox(agency, name[0]):
                why = f"from {name[0]}, received by {agency} from {row.topic}"
                yield Finding(Kind.MISDELIVERED, name[1], why)


def _own(seen: Seen) -> str | None:
    """Return the topic on which it belongs; None, where it says nothing that could be read."""
    if seen.sender is None or seen.kind is None:
        return None
    if seen.kind not in ("message", "receipt"):
        return f"events.{seen.sender}"
    return _inbox(seen.to, seen.sender) if seen.to else None


def _inbox(to: AgencyId, sender: AgencyId) -> str:
    return f"inbox.{to}.{sender}"
