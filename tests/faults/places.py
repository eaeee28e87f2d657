"""Where log and topics have, or had, each record: its places, and which of them can still be read.

A place is gone when its topic has another id now (the broker was lost), no longer reaches back to
its offset, or a fault deleted it. A topic of which nothing is known is there as it was. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from faults.evidence import Evidence, Seen


class Places:
    """Asks log, topics and `expired`."""

    def __init__(self, evidence: Evidence) -> None:
        self._earlier = evidence.earlier
        self._found: dict[str, dict[str, list[Seen]]] = defaultdict(lambda: defaultdict(list))
        self._start: dict[str, int] = {}  # topic id → first offset that is there
        self._gone = {each.topic_id: each.end for each in sorted(evidence.expired)}
        self._newest: dict[str, str] = {}  # topic → its id
        for seen in evidence.topics:
            self._start[seen.topic_id] = min(
                seen.offset, self._start.get(seen.topic_id, seen.offset)
            )
            self._newest[seen.topic] = seen.topic_id
        known = set(evidence.lying)
        for seen in (*evidence.topics, *evidence.log):
            place = (seen.topic_id, seen.offset)
            if seen.kind and seen.digest and place not in known:
                known.add(place)
                self._found[seen.kind][seen.digest].append(seen)

    def of(self, kind: str) -> Mapping[str, list[Seen]]:
        """Return digest → places of the messages or receipts that were taken in this run."""
        return {
            digest: seen
            for digest, seen in self._found[kind].items()
            if digest not in self._earlier
        }

    def gone(self, seen: Iterable[Seen]) -> bool:
        """Say whether none of them can be read any more."""
        found = tuple(seen)
        return bool(found) and all(map(self._is_gone, found))

    def _is_gone(self, seen: Seen) -> bool:
        newest = self._newest.get(seen.topic, seen.topic_id)
        start = max(self._start.get(seen.topic_id, 0), self._gone.get(seen.topic_id, 0))
        return newest != seen.topic_id or seen.offset < start
