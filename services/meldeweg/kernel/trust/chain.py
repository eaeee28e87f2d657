"""How far each topic of trust was seen, as a chained digest, so that two views can be compared.

d(0) = 32 zero bytes; d(n+1) = SHA-256(d(n) ‖ SHA-256(value n)). A withheld, swapped or added record
changes every later digest. The registry signs its ends; a gateway compares them with its own.
"""

from collections import OrderedDict

from meldeweg.kernel.ids import Digest

_START = Digest("0" * 64)
_KEPT = 4096  # ends remembered per topic; a snapshot older than that is only stale


class Chains:
    """The chained digests of several topics, extended record by record in offset order."""

    def __init__(self) -> None:
        self._ends: dict[str, OrderedDict[int, Digest]] = {}

    def extend(self, topic: str, value: bytes | None) -> None:
        """Add the next record of `topic`; a null value counts as empty."""
        ends = self._ends.setdefault(topic, OrderedDict({0: _START}))
        end, digest = next(reversed(ends.items()))
        ends[end + 1] = Digest.of(digest.raw(), Digest.of(value or b"").raw())
        if len(ends) > _KEPT:
            ends.popitem(last=False)

    def restart(self, topic: str) -> None:
        """Forget a topic that was recreated empty; it is read again from its start."""
        self._ends.pop(topic, None)

    def end(self, topic: str) -> tuple[int, Digest]:
        """Return (number of records seen, digest over them)."""
        ends = self._ends.get(topic)
        return next(reversed(ends.items())) if ends else (0, _START)

    def topics(self) -> tuple[str, ...]:
        return tuple(self._ends)

    def contradicts(self, topic: str, end: int, digest: Digest) -> bool:
        """Say whether this view *knows* another digest at `end`; not having come so far is fine."""
        if end == 0:
            return digest != _START  # which everybody knows
        ends = self._ends.get(topic)
        known = ends.get(end) if ends else None
        return known is not None and known != digest
