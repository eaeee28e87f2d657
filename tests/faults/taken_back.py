"""What was taken back is taken back at both ends, and people are told: a retraction is an effect.

A retraction and its effect are one commit at its recipient, and so are its `delivered` and what
the sender makes of it. So wherever the one is, the other is: no restore, no crash and no
revocation excuses a store that has one of the two. The event alone may be kept back, by a sender
that was revoked. A linked copy is taken back by its retraction's own copy.
Which message a retraction names its order says; of one whose answer nobody heard it is not known.
"""

from collections.abc import Iterator

from faults import erased
from faults.evidence import Finding, Kind
from faults.facts import Facts, Name
from meldeweg.kernel.ids import AgencyId


def without_effect(facts: Facts) -> Iterator[Finding]:
    """Yield each message that a retraction which arrived did not take back."""
    for retraction, original in _pairs(facts):
        yield from _at_recipient(facts, retraction, original)
        yield from _at_sender(facts, retraction, original)


def _pairs(facts: Facts) -> Iterator[tuple[Name, Name]]:
    """Yield each retraction with what it names; of two copies, those that one office has."""
    copies: dict[tuple[AgencyId, str | None, AgencyId], Name] = {
        (name[0], row.linked_to, row.recipient): name
        for name, row in facts.rows.items()
        if row.linked_to is not None
    }
    for sending in facts.sendings.values():
        for each in sending.ids if sending.retracts else ():
            agency, named = sending.agency, sending.retracts
            assert named
            yield (agency, each), (agency, named)
            for (sender, main, office), copy in copies.items():
                original = copies.get((agency, named, office))
                if (sender, main) == (agency, each) and original is not None:
                    yield copy, original


def _at_recipient(facts: Facts, retraction: Name, original: Name) -> Iterator[Finding]:
    for agency, rows in facts.received.items():
        there = rows.get(original)
        if there is None or retraction not in rows:
            continue
        if erased.before(there) != "retracted":
            why = f"taken back, and {there.state} at {agency}"
            yield Finding(Kind.LOST, original[1], why)
        elif there.retracted_by is None:
            why = f"taken back, and nobody at {agency} is shown by what"
            yield Finding(Kind.LOST, original[1], why)


def _at_sender(facts: Facts, retraction: Name, original: Name) -> Iterator[Finding]:
    sent, row = facts.rows.get(retraction), facts.rows.get(original)
    if sent is None or row is None or "delivered" not in sent.steps:
        return
    if row.state != "retracted":
        why = f"its retraction was delivered, and it is {row.state} at {original[0]}"
        yield Finding(Kind.STUCK, original[1], why)
    elif not facts.excused(original[0]) and not facts.told(original[0], "retracted", row.digest):
        yield Finding(Kind.UNAUDITED, original[1], f"taken back, and not told by {original[0]}")
