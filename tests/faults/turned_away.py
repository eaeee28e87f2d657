"""What a gateway turned away by itself: the workload sends nothing that deserves it, so it is lost.

A message may come back because a reader at its recipient refused it, and for no other reason: who
got it back with a code has no case to which it belongs. Two things are excused, each by what its
fault promises:
- *agency revoked* ("what waits is reported, and ends"): whatever its gateway refuses or gives up,
  and whatever others do with what is from it or to it;
- nothing else. A key that was rotated, a clock that is off, a partner that was suspended, a store
  that was put back: each promises that what was accepted arrives.
"""

from collections.abc import Iterator

from faults.evidence import Finding, Kind
from faults.facts import Facts


def turned_away(facts: Facts) -> Iterator[Finding]:
    """Yield each message that a gateway refused, gave up or put into quarantine by itself."""
    for message in facts.messages:
        row = message.row
        if facts.excused(message.name[0], row.recipient):
            continue
        ends = {row.state, *row.steps}
        if "refused" in ends and (row.recipient, message.name) not in facts.refused:
            why = f"refused by the gateway of {row.recipient}, and by nobody there"
            yield Finding(Kind.LOST, message.label, why)
        if "undeliverable" in ends:
            yield Finding(Kind.LOST, message.label, f"given up by the gateway of {message.name[0]}")
    yield from _quarantined(facts)


def _quarantined(facts: Facts) -> Iterator[Finding]:
    """Also what arrived later, or before: its record was sound, and was called unsound."""
    names = {m.row.digest: m.name for m in facts.messages}
    # A sender whose store was put back has forgotten some; the log has not.
    names |= {
        seen.digest: (seen.sender, seen.id)
        for seen in (*facts.evidence.log, *facts.evidence.topics)
        if seen.kind == "message" and seen.digest and seen.sender and seen.id
    }
    for agency, store in facts.evidence.stores.items():
        for aside in store.quarantined:
            name = names.get(aside.digest) if aside.digest else None
            if name is not None and not facts.excused(agency, name[0]):
                why = f"quarantined by {agency}: {aside.code}"
                yield Finding(Kind.LOST, f"{name[1]} {name[0]} → {agency}", why)
