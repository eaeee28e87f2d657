"""How urgent a message is stays what its sender was asked for, up to the recipient's store.

Everything that is told of what is urgent hangs on it: a gateway that made `immediate` into `today`
would owe nobody a word. Excused is what an agreement does:
- *more urgent*: a clause has a least urgency, and an order may be below it;
- *a linked copy* wakes nobody: it may be `today` where its message is `immediate`.
An order that names no urgency has its clause's, which the checker does not know.

When a message is due follows from how urgent it is and when it was made, as the district agreed.
The recipient knows of no later deadline than the sender; of an earlier one where the sender's clock
was ahead of its own, and the message was made after it came.
"""

from collections.abc import Iterator

from faults.evidence import Finding, Kind
from faults.facts import Facts, Message

_RANK = {"immediate": 0, "today": 1, "routine": 2}
_LESS = len(_RANK)  # whatever else a store may call it
_EXACT = 1.0  # seconds


def changed(facts: Facts) -> Iterator[Finding]:
    """Yield each message that is less urgent, or due at another time, than it was before."""
    for message in facts.messages:
        row, there = message.row, message.arrived
        wanted = _wanted(facts, message)
        if wanted is not None and _rank(row.urgency) > _rank(wanted):
            yield Finding(Kind.CHANGED, message.label, f"ordered {wanted}, kept as {row.urgency}")
        if row.due and all(abs(row.ack_by - due) > _EXACT for due in row.due):
            why = f"{row.urgency}, and due {row.ack_by - row.created:.0f} s after it was made"
            yield Finding(Kind.CHANGED, message.label, why)
        if there is None:
            continue
        if there.urgency != row.urgency:
            why = f"sent as {row.urgency}, received as {there.urgency}"
            yield Finding(Kind.CHANGED, message.label, why)
        apart, ahead = there.ack_by - row.ack_by, row.created > there.came - _EXACT
        if apart > _EXACT or (apart < -_EXACT and not ahead):
            yield Finding(Kind.CHANGED, message.label, f"due {apart:+.0f} s at the recipient")


def _wanted(facts: Facts, message: Message) -> str | None:
    """Return how urgent it has to be at least, if an order says so."""
    main = facts.copies.get(message.name)
    sending = message.sending or (facts.by_id.get(main) if main else None)
    if sending is None or sending.urgency is None:
        return None
    return "today" if main and sending.urgency == "immediate" else sending.urgency


def _rank(urgency: str) -> int:
    return _RANK.get(urgency, _LESS)
