"""From log and topics to both ends: what was carried is where it was carried to.

The stores tell of what they have; what both have lost, the log and the topics alone still show. So
each message in them is at its recipient, and each receipt at who gave it and at whom it answers.
Excused is, each from evidence:
- *came back*: what its sender's store says was refused or given up; why is `turned_away`'s matter,
  and what a sender's store has at all is `checker`'s, where the sender can still speak for it;
- *gone with its topic*: all its places in log and topics were lost with the broker or expired, and
  the end that would produce it again forgot it when its store was put back (`undone`);
- *agency revoked*: nothing more arrives at it, nor from it. A receipt that the broker has all the
  same was given by somebody who had the message.
What was taken before the run began is none of it.
"""

from collections import defaultdict
from collections.abc import Iterator

from faults.evidence import Finding, Kind, Seen
from faults.facts import Facts
from faults.places import Places
from faults.undone import Undone
from meldeweg.kernel.ids import AgencyId

_HAD = frozenset({"delivered", "acknowledged", "erased"})  # only who has a message says so of it
_HEARD = {
    "delivered": {"acknowledged", "refused", "retracted"},
    "acknowledged": {"retracted"},
    "refused": {"undeliverable", "retracted"},
}


def carried(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Yield what log or topics have and an end has not."""
    places = Places(facts.evidence)
    had = {a: {row.digest for row in rows.values()} for a, rows in facts.received.items()}
    yield from _messages(facts, undone, places, had)
    yield from _given(facts, undone, places, had)
    yield from _answered(facts, undone, places)


def _messages(
    facts: Facts, undone: Undone, places: Places, had: dict[AgencyId, set[str]]
) -> Iterator[Finding]:
    kept = {row.digest for row in facts.rows.values()}
    for digest, seen in places.of("message").items():
        first = seen[0]
        if first.to is None or first.sender is None or digest in kept:
            continue  # its sender speaks for it
        if digest in had.get(first.to, set()) or facts.excused(first.to, first.sender):
            continue
        forgot = first.id is not None and undone.sent((first.sender, first.id))
        if not (forgot and places.gone(seen)):
            why = f"carried for {first.to}, and in neither store"
            yield Finding(Kind.LOST, _label(first), why)


def _given(
    facts: Facts, undone: Undone, places: Places, had: dict[AgencyId, set[str]]
) -> Iterator[Finding]:
    """Who gave a receipt has what it answers; it comes again to an older copy, if it still can."""
    carried = places.of("message")
    # There the sender itself says that it was there: see `checker`.
    told = {(r.recipient, r.digest) for r in facts.rows.values() if "delivered" in r.steps}
    for (agency, of), seen in _receipts(facts, places).items():
        said = {each.what for each in seen} & _HAD
        if not said or of in had.get(agency, set()) or (agency, of) in told:
            continue
        again = undone.restored(agency) and places.gone(carried.get(of, ()))
        if not again:
            words = ", ".join(sorted(str(each) for each in said))
            ours = any(each.to == agency for each in carried.get(of, ()))
            kind = Kind.LOST if ours else Kind.INVENTED
            yield Finding(kind, of, f"{agency} said {words}, and has it not")


def _answered(facts: Facts, undone: Undone, places: Places) -> Iterator[Finding]:
    """What was said of a message its sender has heard; of two words one."""
    sent = {(name[0], row.digest): row for name, row in facts.rows.items()}
    for (agency, of), seen in _receipts(facts, places).items():
        sender = next(each.to for each in seen)
        row = sent.get((sender, of)) if sender else None
        if row is None or sender is None or facts.excused(sender):
            continue
        # Its recipient forgot what it said, and nobody can read it any more.
        lost = undone.restored(agency) and places.gone(seen)
        reached = {row.state, *row.steps}
        words = {each.what for each in seen if each.what in ("acknowledged", "refused")}
        for word in (words, {each.what for each in seen if each.what == "delivered"}):
            heard = word | {each for what in word for each in _HEARD[str(what)]}
            if word and not lost and reached.isdisjoint(heard):
                told = " or ".join(sorted(str(each) for each in word))
                why = f"{agency} said {told}, {row.state} at the sender"
                yield Finding(Kind.STUCK, f"{row.id} {sender} → {row.recipient}", why)


def _receipts(facts: Facts, places: Places) -> dict[tuple[AgencyId, str], list[Seen]]:
    """(who said it, of what) → its receipts, but for those of what was there before."""
    found: dict[tuple[AgencyId, str], list[Seen]] = defaultdict(list)
    for seen in places.of("receipt").values():
        for each in seen:
            if each.sender and each.of and each.of not in facts.evidence.earlier:
                found[each.sender, each.of].append(each)
    return found


def _label(seen: Seen) -> str:
    return f"{seen.id} {seen.sender} → {seen.to}"
