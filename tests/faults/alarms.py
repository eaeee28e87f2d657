"""What is urgent ends loudly, and nobody is called out for nothing.

Silent is an `immediate` message that does not get through without people being told, at the end
that knows. False is `not-delivered` about one whose `delivered` its gateway had in time by its own
clock, and about one that is not urgent. Excused is an alarm that the broker had before any
`delivered`: a clock may have jumped meanwhile. False is `overdue`, too, that a gateway told before
the deadline or after the end, all by its own clock. Excused is what lies half a day and more
apart: a clock was bent between the two.
"""

from collections import defaultdict
from collections.abc import Iterator

from faults.evidence import Finding, Kind, Seen, SentRow
from faults.facts import Facts, Message
from meldeweg.kernel.ids import AgencyId

SLACK = 30.0  # seconds in which an overdue message must have been noticed
# Seconds; each gateway of a campaign has these as its `silent_immediate` and `heartbeat`.
SILENT = 5.0
HEARTBEAT = 5.0
NOT_DELIVERED = "not-delivered"
_CLOSE = 1.0  # seconds that two times of one step may be apart
_BENT = 43_200.0  # seconds from which on a clock was bent: a fault bends it by a day


def silent(facts: Facts) -> Iterator[Finding]:
    """An `immediate` message that does not get through is told to people, at the end that knows."""
    for message in facts.messages:
        if message.row.urgency == "immediate":
            why = _silence(facts, message)
            if why:
                yield Finding(Kind.SILENT, message.label, why)


def _silence(facts: Facts, message: Message) -> str | None:
    (sender, _), row, there = message.name, message.row, message.arrived
    late = facts.evidence.at > row.ack_by + SLACK
    waits = there is not None and there.state in ("received", "opened")
    # A sender that was revoked can tell nobody; who received it can, whoever it is from.
    silences = {} if facts.excused(sender) else _of_sender(facts, message, late=late)
    silences |= {
        "past its deadline, and not overdue at the recipient": late
        and waits
        and not (there and there.overdue),
        "overdue in the recipient's store alone, told to nobody": late
        and there is not None
        and there.overdue
        and not facts.excused(row.recipient)
        and not facts.told(row.recipient, "overdue", row.digest),
    }
    return next((why for why, silent in silences.items() if silent), None)


def _of_sender(facts: Facts, message: Message, *, late: bool) -> dict[str, bool]:
    """Return what its sender must hear of and tell."""
    (sender, _), row = message.name, message.row
    aside = set[str | None]().union(
        *(facts.codes(row.recipient, what, row.digest) for what in ("parked", "quarantined"))
    )
    return {
        "put aside by the recipient without an alarm": not aside
        <= facts.codes(row.recipient, "alarm", row.digest),
        f"{row.state}, and nobody at the sender was told": not _called_out(facts, message)
        and (row.state in ("queued", "sent", "refused") or _never_heard(row)),
        "undeliverable, and nobody at the sender was told": row.state == "undeliverable"
        and not facts.told(sender, "undeliverable", row.digest),
        "past its deadline, and not overdue at the sender": late
        and row.state in ("queued", "sent", "delivered"),
        "overdue in the sender's store alone, told to nobody": late
        and "overdue" in row.steps
        and not facts.told(sender, "overdue", row.digest),
    }


def _called_out(facts: Facts, message: Message) -> bool:
    """Say whether its sender alarmed people of this very thing: why it came back, or the silence.

    What alarms of the audit log, or of a record that is put aside, is another matter.
    """
    if message.row.state != "refused":
        return missed(facts, message)
    refused = facts.codes(message.row.recipient, "refused", message.row.digest)
    return not refused.isdisjoint(facts.codes(message.name[0], "alarm", message.row.digest))


def missed(facts: Facts, message: Message) -> bool:
    """Say whether its sender alarmed people that no `delivered` came, or why there was none."""
    (sender, _), row = message.name, message.row
    awaited: set[str | None] = {NOT_DELIVERED}
    if not (row.state == "refused" and "delivered" in row.steps):  # else a person's, later
        awaited |= facts.codes(row.recipient, "refused", row.digest)
    return not awaited.isdisjoint(facts.codes(sender, "alarm", row.digest))


def _never_heard(row: SentRow) -> bool:
    """Say whether it is overdue and was not even delivered: the deadline alone tells no one so."""
    return row.state == "overdue" and "delivered" not in row.steps


def false(facts: Facts) -> Iterator[Finding]:
    """Yield each alarm that says of a message what was not so."""
    for message in facts.messages:
        if any(_says(seen, message) for seen in facts.alarms.get(message.row.digest, ())):
            for why in _untrue(facts, message):
                yield Finding(Kind.FALSE_ALARM, message.label, why)


def early(facts: Facts) -> Iterator[Finding]:
    """Yield each message that an end called overdue when it was not, or was no more."""
    told: dict[tuple[AgencyId | None, str | None], list[Seen]] = defaultdict(list)
    for seen in facts.evidence.log:
        if (seen.kind, seen.what) == ("event", "overdue"):
            told[seen.sender, seen.digest].append(seen)
    for message in facts.messages:
        (sender, _), row, there = message.name, message.row, message.arrived
        # What came back and was there after all waits again.
        over = row.ended if row.state not in ("delivered", "overdue") else None
        ends = {sender: (row.ack_by, over)}
        if there is not None:
            ends[row.recipient] = (there.ack_by, there.ended)
        for agency, (ack_by, ended) in ends.items():
            for seen in told.get((agency, row.digest), ()):
                if _was_not_due(seen.said, ack_by, ended):
                    why = f"overdue at {agency}, and it was not"
                    yield Finding(Kind.FALSE_ALARM, message.label, why)


def _was_not_due(said: float | None, ack_by: float, ended: float | None) -> bool:
    if said is None:  # nobody knows when; but not after it had ended in time
        return ended is not None and 0 < ack_by - ended < _BENT
    early = _CLOSE < ack_by - said < _BENT
    return early or (ended is not None and _CLOSE < said - ended < _BENT)


def _says(seen: Seen, message: Message) -> bool:
    about = (seen.sender, seen.digest) == (message.name[0], message.row.digest)
    return about and (seen.kind, seen.what, seen.code) == ("event", "alarm", NOT_DELIVERED)


def _untrue(facts: Facts, message: Message) -> Iterator[str]:
    row = message.row
    if row.urgency != "immediate":
        yield f"{NOT_DELIVERED}, and it is not urgent"
    in_time = row.delivered is not None and row.delivered < row.created + SILENT
    if in_time and not _was_first(facts, message):
        yield f"{NOT_DELIVERED}, and it was delivered in time"


def _was_first(facts: Facts, message: Message) -> bool:
    """Say whether the broker had the alarm before any `delivered`."""
    heard = [s.at for s in facts.evidence.topics if _delivers(s, message.row)]
    told = [s.at for s in facts.evidence.topics if _says(s, message)]
    return bool(heard and told) and min(told) < min(heard)


def _delivers(seen: Seen, row: SentRow) -> bool:
    return (seen.kind, seen.what, seen.of) == ("receipt", "delivered", row.digest)
