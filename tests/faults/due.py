"""When a person must take a message, as the district's own file has it: asked of no gateway.

Contents of a campaign are told to nobody by phone first (`District.content`), so no deadline waits
for that. Which clause covers a message only its gateway knows: any that has its urgency may.
"""

from datetime import UTC, datetime
from pathlib import Path

from meldeweg.kernel import deadlines
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.statement import Urgency


class Due:
    """Asks the terms of a district file."""

    def __init__(self, plan: str | Path) -> None:
        self._terms = load_district(plan)

    def of(self, created: float, urgency: str) -> frozenset[float]:
        """Return each instant that some clause gives for what was made then and is so urgent."""
        start, wanted = datetime.fromtimestamp(created, UTC), Urgency(urgency)
        return frozenset(
            deadlines.due(start, clause.deadlines.of(wanted), self._terms.calendar).timestamp()
            for clause in self._terms.clauses
            if clause.deadlines.has(wanted)
        )
