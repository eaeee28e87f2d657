"""What a service says when it subscribes: records in, outcome out."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from meldeweg.kernel.bus.positions import Position, Reset
from meldeweg.kernel.bus.records import Place, Record

Handle = Callable[[list[Record]], Awaitable[None]]
Quarantine = Callable[[Record, str], Awaitable[None]]
Positions = Callable[[list[Place]], Awaitable[Mapping[Place, Position | int | None]]]
OnReset = Callable[[Reset], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Topics by name and by prefix, and what is to become of their records.

    `handle` gets records in the order of each partition and makes their effects and their offsets
    durable in one transaction; when it returns, they are settled. They may come again: effects are
    idempotent. It raises Unavailable to be asked again with the same records, Refused (or anything
    unexpected) for records that can't be handled, Fatal to stop the process.

    `quarantine` gets a record alone, with its code; it returns once record, code and offset are
    durable.

    `positions` returns the next offset of each place, from the store, with the topic id that its
    records had; None for one never read. A plain number says that the store keeps no ids: then a
    topic made anew while this process was down goes unnoticed, unless it is shorter.

    `patient`: records may come a fifth of a second later, several at once (`fetch_min_bytes`).

    `on_reset` is told when reading starts again at the log's start; it returns once the store's
    position is that start, with the new topic id, and the report is durable. It may be told again.

    `on_read` is told once, when all that lay there at the process's start is settled (`backlog`).
    """

    name: str
    group: str
    handle: Handle
    quarantine: Quarantine
    positions: Positions
    on_reset: OnReset
    topics: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    member: str | None = None  # static membership: the same name after a restart
    max_records: int = 500
    patient: bool = False
    on_read: Callable[[], None] = lambda: None
    regex: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        if not (self.topics or self.prefixes):
            raise TypeError("a subscription needs topics or prefixes")
        object.__setattr__(self, "regex", pattern(self.topics, self.prefixes))


def pattern(topics: tuple[str, ...], prefixes: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches exactly these topics, and those that begin so."""
    # A topic that does not exist yet is no error: it is read once it does.
    parts = [*map(re.escape, topics), *(f"{re.escape(prefix)}.+" for prefix in prefixes)]
    return re.compile(f"(?:{'|'.join(parts)})$")
