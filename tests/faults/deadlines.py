"""When a deadline has passed unheeded at both ends: before that, no silence is there to be judged.

Every stack lives until then (`campaign`), or whoever never told of a deadline would go unnoticed.
Pure; trusts the workload to leave some untouched.
"""

from faults.checker import SLACK
from faults.evidence import Evidence
from faults.facts import Facts


def judged_after(evidence: Evidence) -> float | None:
    """Return the instant after which a verdict sees who was told, or None: nobody is late here.

    Seconds since 1970. It counts only what arrived, waits for a person there, and is immediate.
    """
    facts = Facts(evidence)
    waits = [
        message.row.ack_by + SLACK
        for message in facts.messages
        if message.row.urgency == "immediate"
        and message.arrived is not None
        and message.arrived.state in ("received", "opened")
        and not facts.excused(message.name[0], message.row.recipient)
    ]
    return min(waits, default=None)
