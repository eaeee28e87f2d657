"""Whether a stack had what must be judged on it: a retraction, and a linked copy, that arrived.

The workload owes each stack both (`workload`); where they lack, no verdict saw their effects, and
that they are sound is not shown. Pure.
"""

from faults.evidence import Evidence
from faults.facts import Facts


def lacking(evidence: Evidence) -> str | None:
    """Return what the stack lacks, or None.

    Asked of the recipients alone: a sender's store that was put back may have forgotten what it
    sent, and nobody's revocation unsays what had arrived.
    """
    facts = Facts(evidence)
    there = {name for rows in facts.received.values() for name in rows}
    back = {(s.agency, each) for s in facts.sendings.values() if s.retracts for each in s.ids}
    if there.isdisjoint(back):
        return "nothing was taken back"
    if there.isdisjoint(facts.copies):
        return "nobody had a linked copy"
    return None
