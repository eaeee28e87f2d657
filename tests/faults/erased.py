"""What is erased was due to be, and somebody had read it: that its content is gone excuses nothing.

Nobody of the workload has anything erased, and what is due in months is not due in a run. So a
message that is erased before its `delete_after` is lost, by the clock of the gateway that did it;
by the machine's own as well, unless a fault bent that gateway's. Lost is one that was due, too, if
nobody ever saw it; and one that a person could not open any more because it was erased.
"""

from collections.abc import Iterator

from faults.evidence import Entry, Finding, Kind, Phase, ReceivedRow
from faults.facts import Facts
from meldeweg.kernel.ids import AgencyId

_ERASED = frozenset({"erased", "expired"})  # by a person's order, and by the gateway
_CODE = "message-erased"
_WORDS = ("retracted", "acknowledged", "refused", "opened")  # the farthest first


def lost(facts: Facts) -> Iterator[Finding]:
    """Yield each message that was erased before its time, or unread, or when it was to be read."""
    for agency, rows in facts.received.items():
        for name, row in rows.items():
            if _ERASED.isdisjoint((row.state, *row.steps)):
                continue
            if _was_early(facts, agency, row):
                yield Finding(Kind.LOST, name[1], f"erased by {agency} before its time")
            opens = facts.calls.get(("open", agency, name), ())
            if all(e.phase is not Phase.OK for e in opens):
                yield Finding(Kind.LOST, name[1], f"erased by {agency}, and nobody had read it")
    for (call, agency, name), ends in facts.calls.items():
        row = facts.received.get(agency, {}).get(name)
        if call == "open" and any(_failed_early(facts, agency, row, e) for e in ends):
            yield Finding(Kind.LOST, name[1], f"to be read at {agency}, and erased")


def before(row: ReceivedRow) -> str:
    """Return what its recipient had made of it before it was erased."""
    if row.state != "erased":
        return row.state
    return next((word for word in _WORDS if word in row.steps), "received")


def _was_early(facts: Facts, agency: AgencyId, row: ReceivedRow) -> bool:
    by_its_own = row.erased is not None and row.erased < row.delete_after
    return by_its_own or (facts.evidence.at < row.delete_after and not _is_bent(facts, agency))


def _failed_early(facts: Facts, agency: AgencyId, row: ReceivedRow | None, ended: Entry) -> bool:
    """Where the store does not know it, nothing says that it was due."""
    early = row is None or (ended.at < row.delete_after and not _is_bent(facts, agency))
    return early and ended.code == _CODE


def _is_bent(facts: Facts, agency: AgencyId) -> bool:
    return any(each.agency == agency for each in facts.evidence.bent)
