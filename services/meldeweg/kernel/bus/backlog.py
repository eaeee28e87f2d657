"""Says when all that lay on the topics as this process first saw them has been settled.

Guarantees: told once, and never of nothing: who sees no topic has not read to any end. A topic that
comes later counts until then, one that is gone does not. Knows nothing of Kafka.
"""

from collections.abc import Callable, Mapping

from meldeweg.kernel.bus.records import Place


class Backlog:
    """What one subscription has to read before it knows what was there; outlives its clients."""

    def __init__(self, on_read: Callable[[], None]) -> None:
        self._on_read = on_read
        self._ends: dict[Place, int] = {}
        self.read = False

    def placed(self, place: Place, end: int) -> None:
        """Note the offset to come of a place; of a log that is shorter now, the lower one."""
        self._ends[place] = min(end, self._ends.get(place, end))

    def stands(self, positions: Mapping[Place, int]) -> None:
        """Take in up to where everything that there is to read is settled."""
        if self.read or not positions:
            return
        ends = self._ends
        if all(place in ends and at >= ends[place] for place, at in positions.items()):
            self.read = True
            self._on_read()
