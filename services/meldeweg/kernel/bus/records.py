"""What travels on the bus, as services see it: no client library's types go further than this.

Guarantees: bytes are exactly those of the broker; nothing is decoded but header names, and those
with `surrogateescape`, so that names that are not UTF-8 keep their bytes.
"""

from dataclasses import dataclass
from uuid import UUID

Place = tuple[str, int]  # topic, partition
Headers = tuple[tuple[str, bytes | None], ...]
NO_TOPIC_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read. `timestamp`: milliseconds since 1970 UTC, set by the broker.

    `topic_id`: the broker's id of the topic. A topic made anew under the old name has another, so
    (topic_id, partition, offset) names a record for good.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    topic_id: UUID = NO_TOPIC_ID

    @property
    def place(self) -> Place:
        return (self.topic, self.partition)

    def header(self, name: str) -> bytes | None:
        """Return the value of the only header of this name; None if absent, null or repeated.

        A repeated header has no one value: to take the first, or the last, would let two readers
        of the same record see two statements.
        """
        values = [value for each, value in self.headers if each == name]
        return values[0] if len(values) == 1 else None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be written. Headers in order; names must be UTF-8 here."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Ack:
    """The broker has it, on all in-sync replicas. `timestamp`: as in Record."""

    topic: str
    partition: int
    offset: int
    timestamp: int


def header_name_bytes(name: str) -> bytes:
    """Return the exact bytes of a header's name as the broker holds it."""
    return name.encode("utf-8", "surrogateescape")
