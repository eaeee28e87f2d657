"""Where reading goes on: the reader's own store decides, and a log that changed is never passed by.

Pure decisions, used by `consume` and by `read`.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from meldeweg.kernel.bus.records import Place


class ResetKind(StrEnum):
    """Why reading can't go on where it was."""

    RECREATED = "recreated"  # another topic of the same name: the broker lost its disk
    SHORTER = "shorter"  # the log ends before the position
    EXPIRED = "expired"  # retention deleted records that were not read


@dataclass(frozen=True, slots=True)
class Position:
    """What a store knows of a place: the next offset, and of which topic that was."""

    offset: int
    topic_id: UUID


@dataclass(frozen=True, slots=True)
class Reset:
    """Reading starts again at `start` of the topic `topic_id`; the store expected `wanted`."""

    topic: str
    partition: int
    kind: ResetKind
    wanted: int
    start: int
    end: int
    topic_id: UUID


@dataclass(frozen=True, slots=True)
class Log:
    """A partition as the broker has it: offsets of its first record and of the one to come."""

    topic_id: UUID
    start: int
    end: int


def decide(place: Place, wanted: Position | None, log: Log) -> tuple[int, Reset | None]:
    """Return the offset to read next, and what has to be reported about it.

    `wanted`: None if this place was never read; then its log start is where it begins.
    """
    if wanted is None:
        return log.start, None
    if wanted.topic_id != log.topic_id:
        kind = ResetKind.RECREATED
    elif wanted.offset > log.end:
        kind = ResetKind.SHORTER
    elif wanted.offset < log.start:
        kind = ResetKind.EXPIRED
    else:
        return wanted.offset, None
    reset = Reset(*place, kind, wanted.offset, log.start, log.end, log.topic_id)
    return log.start, reset
