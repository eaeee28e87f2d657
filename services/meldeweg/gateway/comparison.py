"""What was read of the topics of trust, and whether the registry's snapshot says the same. Pure.

Guarantees: `contradiction` names a topic only if this agency *knows* another digest at the end that
the registry signed; not having come so far is fine, and so is a topic that began anew.
"""

from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.objects import Snapshot


class Comparison:
    """The chained digests of this process, topic by topic."""

    def __init__(self) -> None:
        self._chains = Chains()
        self._broken: set[str] = set()  # not read from their first record on: nothing to compare
        self._began_anew: set[str] = set()  # since the newest snapshot, which is of before

    def next_offset(self, topic: str) -> int:
        """Return how many records were read: they lie densely from 0 on."""
        return self._chains.end(topic)[0]

    def extend(self, record: Record) -> None:
        """Add the next record of its topic."""
        if record.offset != self.next_offset(record.topic):
            self._broken.add(record.topic)
        self._chains.extend(record.topic, record.value)

    def begin_anew(self, topic: str, start: int) -> None:
        """Forget what was read: the broker lost the topic, its log now starts at `start`."""
        self._chains.restart(topic)
        self._began_anew.add(topic)
        self._broken.discard(topic)
        if start > 0:
            self._broken.add(topic)

    def snapshot_arrived(self) -> None:
        """Hear that a newer snapshot came: it is of the topics as they are now."""
        self._began_anew.clear()

    def contradiction(self, snapshot: Snapshot) -> str | None:
        """Return the first topic whose signed end differs from what was read."""
        found = (
            topic
            for topic, said in snapshot.topics.items()
            if topic not in self._broken
            and topic not in self._began_anew
            and self._contradicts(topic, said.end, said.digest)
        )
        return min(found, default=None)

    def _contradicts(self, topic: str, end: int, digest: Digest) -> bool:
        return self._chains.contradicts(topic, end, digest)
