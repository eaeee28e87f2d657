"""Numbers records per recipient, so that the audit sees what never arrived.

Guarantees: within one `outbox` id, n = 1, 2, 3 … per recipient without a gap among what was kept.
`outbox` is random, new at each start and after each commit that failed: what was numbered then was
not kept, and to go on would leave a gap. Trusts: whoever takes a number signs and queues the record
without an `await` in between, so that the order of rows is the order of numbers.
"""

from collections import Counter
from collections.abc import Callable

from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.statement import Seq


class Numbering:
    """One per process. `draw` returns 16 random hexadecimal digits."""

    def __init__(self, draw: Callable[[], str]) -> None:
        self._draw = draw
        self._outbox = draw()
        self._counts: Counter[AgencyId] = Counter()

    def next(self, recipient: AgencyId) -> Seq:
        """Return the next number of a record to `recipient`."""
        self._counts[recipient] += 1
        return Seq(outbox=self._outbox, n=self._counts[recipient])

    def restart(self) -> None:
        """Begin anew under another id: a commit failed (`Writer.on_failure`)."""
        self._outbox = self._draw()
        self._counts.clear()
