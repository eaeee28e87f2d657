"""What a gateway turned away by itself: the workload sends nothing that deserves it, so it is lost.

A message may come back because a reader at its recipient refused it, and for no other reason: who
got it back with a code has no case to which it belongs. What is excused, each by what its
fault promises:
- *agency revoked* ("what waits is reported, and ends"): whatever its gateway refuses or gives up,
  and whatever others do with what is from it or to it, from that moment on: what the broker had
  before was no doing of it;
- *store put back*: receipts that its gateway puts aside, or a partner of it, for it may have
  forgotten what they answer, or say what does not go with the word before;
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
        ends = {row.state, *row.steps}
        if facts.excused(message.name[0], row.recipient):
            ends &= _before(facts, facts.excused_from(message.name[0], row.recipient), row.digest)
        if "refused" in ends and (row.recipient, message.name) not in facts.refused:
            why = f"refused by the gateway of {row.recipient}, and by nobody there"
            yield Finding(Kind.LOST, message.label, why)
        if "undeliverable" in ends:
            yield Finding(Kind.LOST, message.label, f"given up by the gateway of {message.name[0]}")
    yield from _quarantined(facts)


def _before(facts: Facts, moment: float, digest: str) -> set[str | None]:
    """Return what gateways had told of a message before the moment, as the broker says."""
    return {
        seen.what
        for seen in facts.evidence.topics
        if seen.at < moment and digest == (seen.digest if seen.kind == "event" else seen.of)
    }


def _quarantined(facts: Facts) -> Iterator[Finding]:
    """Also what arrived later, or before: its record was sound, and was called unsound."""
    # A sender whose store was put back has forgotten some; the log has not. What somebody put on a
    # topic before the run may have waited there for its time to be put aside.
    lying = facts.evidence.lying
    known = {
        seen.digest: (seen.sender, seen.id)
        for seen in (*facts.evidence.log, *facts.evidence.topics)
        if seen.kind in ("message", "receipt") and seen.digest and seen.sender and seen.id
        if (seen.topic_id, seen.offset) not in lying
    }
    names = known | {m.row.digest: m.name for m in facts.messages}
    receipts = {s.digest for s in facts.evidence.log if s.kind == "receipt"}
    receipts |= {s.digest for s in facts.evidence.topics if s.kind == "receipt"}
    at = _by_place(facts)
    again = {each.agency for each in facts.evidence.restored}
    for agency, store in facts.evidence.stores.items():
        for aside in store.quarantined:
            digest = aside.digest or at.get((aside.topic, aside.offset))
            name = names.get(digest) if digest else None
            if name is None or not digest:
                continue
            # A store that was put back knows no more what is answered, or said another word.
            if digest in receipts and not again.isdisjoint((agency, name[0])):
                continue
            before = _before(facts, facts.excused_from(agency, name[0]), digest)
            if not facts.excused(agency, name[0]) or "quarantined" in before:
                why = f"quarantined by {agency}: {aside.code}"
                yield Finding(Kind.LOST, f"{name[1]} {name[0]} → {agency}", why)


def _by_place(facts: Facts) -> dict[tuple[str, int], str]:
    """(topic, offset) → what lies there, if all that ever lay there could be read."""
    found: dict[tuple[str, int], str] = {}
    unread = set()
    for seen in (*facts.evidence.log, *facts.evidence.topics):
        place = (seen.topic, seen.offset)
        if seen.digest and seen.kind in ("message", "receipt"):
            found[place] = seen.digest
        else:
            unread.add(place)
    return {place: digest for place, digest in found.items() if place not in unread}
