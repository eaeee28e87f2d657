"""Linked copies: what a clause wants a second agency to know is a message of its own, kept in one
commit with the first. So each that an answer names is there, once, and for whom it was named; how
it fares on its way is judged as of every message.
Who must have one is asked of no gateway: the office of an order's second place, and of what amends
a message each that has a copy of it.

Excused is what an older copy of the sender's store lacks (`undone`), message and copy together; and
no copy for an office that was revoked, if the answer says that it is impossible.
"""

from collections import Counter
from collections.abc import Iterator

from faults.evidence import Finding, Kind
from faults.facts import Facts, Name, Sending
from faults.undone import Undone
from meldeweg.kernel.ids import AgencyId

_AMENDS = frozenset({"correction", "retraction"})  # who has a copy of what was wrong must know


def copies(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Yield each copy that was answered and is not kept so, and each that nobody was told of."""
    yield from _answered(facts, undone)
    kept = Counter((name[0], row.linked_to) for name, row in facts.rows.items() if row.linked_to)
    for name, row in facts.rows.items():
        if row.linked_to is None:
            continue
        main = (name[0], row.linked_to)
        first, sending = facts.rows.get(main), facts.by_id.get(main)
        told = sending.copies.get(row.linked_to) if sending else None
        if first is None:
            yield Finding(Kind.INVENTED, row.id, "a copy of what is not in the sender's store")
        elif first.recipient == row.recipient:
            yield Finding(Kind.MISDELIVERED, row.id, "a copy for who has the message itself")
        if kept[main] > 1 or (told is not None and row.id not in {copy for _, copy in told}):
            yield Finding(
                Kind.DUPLICATED, row.id, f"a copy of {row.linked_to} beyond what was told"
            )


def _answered(facts: Facts, undone: Undone) -> Iterator[Finding]:
    for sending in facts.sendings.values():
        for main, told in sending.copies.items():
            for to, copy in told:
                row = facts.rows.get((sending.agency, copy))
                if row is None:
                    if not undone.sent((sending.agency, main)):
                        yield Finding(Kind.LOST, copy, "a copy that was answered, and is not kept")
                elif row.linked_to != main:
                    yield Finding(Kind.INVENTED, copy, f"kept, and no copy of {main}")
                elif row.recipient != to:
                    yield Finding(Kind.MISDELIVERED, copy, f"for {to}, kept for another")


def unmade(facts: Facts) -> Iterator[Finding]:
    """Yield each copy that an order owes somebody, and that its answer does not name.

    What an answer names is kept, and for whom (`copies`); a restore makes none of it untold.
    """
    for sending in facts.sendings.values():
        for main, told in sending.copies.items():
            for office in sorted(_entitled(facts, sending) - {to for to, _ in told}):
                if not (sending.impossible and facts.excused(office)):
                    yield Finding(Kind.LOST, main, f"a copy for {office}, never made")


def _entitled(facts: Facts, sending: Sending) -> set[AgencyId]:
    """Return who must have a copy of it."""
    if sending.also is not None:
        return {sending.also}
    first, amended = facts.by_id, sending.members.get("in_reply_to") or ""
    if sending.members.get("type") not in _AMENDS or (sending.agency, amended) not in first:
        return set()
    return {to for to, _ in first[sending.agency, amended].copies.get(amended, ())}


def owed(facts: Facts, undone: Undone, agency: AgencyId, name: Name) -> bool:
    """Say whether who is not named by an order may open this: a copy, or one that was forgotten."""
    if name in facts.copies:
        return facts.named(name) == agency
    return name not in facts.rows and undone.sent(name)
