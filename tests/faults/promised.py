"""What a 201 says of a message's urgency and of its deadline is what its sender's gateway keeps."""

from collections.abc import Iterator
from typing import Any

from faults.evidence import Finding, Kind, Phase
from faults.facts import Facts

_EXACT = 1.0  # seconds; an answer's times may be shorter than a store's


def of_answer(accepted: Any) -> dict[str, str]:
    """Return the two as a 201 names them; the deadline in seconds."""
    return {"urgency": accepted.urgency, "ack_by": str(accepted.ack_by.timestamp())}


def otherwise(facts: Facts) -> Iterator[Finding]:
    """Yield each answer that named another than the row has."""
    rows = {message.name: message for message in facts.messages}
    for entry in facts.evidence.history:
        if (entry.call, entry.phase) != ("send", Phase.OK) or entry.id is None:
            continue
        message, said = rows.get((entry.agency, entry.id)), entry.members or {}
        if message is None:
            continue  # lost, or undone: others' to find
        row = message.row
        if said.get("urgency", row.urgency) != row.urgency:
            why = f"answered as {said['urgency']}, kept as {row.urgency}"
            yield Finding(Kind.CHANGED, message.label, why)
        apart = float(said.get("ack_by", row.ack_by)) - row.ack_by
        if abs(apart) > _EXACT:
            yield Finding(Kind.CHANGED, message.label, f"answered as due {apart:+.0f} s from it")
