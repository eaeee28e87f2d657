"""Manifests: the order in which entries of many topics were put into the log, said before it is
signed for.

Guarantees: a manifest fixes each entry of its range by topic, offset and digest, so replaying it
gives the same leaves in the same places; manifests of a log form a chain. It is a signed note
whose text can't be taken for a checkpoint (its second line is no number). Trusts nothing.

    meldeweg.manifest.v1
    <origin>
    <number>
    <from> <to>
    <SHA-256 of the text of the manifest before, hexadecimal; zeros for the first>
    genesis <year> <SHA-256 of the last checkpoint's text of the year before, or zeros>
    range <topic> <topic id> <from offset> <to offset, exclusive> <digest>

`genesis` stands in the first manifest alone. Ranges stand in the order of the log; a digest is
SHA-256 over the leaf hashes of the range.
"""

import re
from dataclasses import dataclass
from hashlib import sha256

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.note import SIZE_MAX

RANGES_MAX = 4000  # keeps a manifest below the largest record of a topic
ZEROS = "0" * 64

_MARK = "meldeweg.manifest.v1"
_NUMBER = r"(0|[1-9][0-9]{0,18})"
_HEX = r"([0-9a-f]{64})"
_HEAD = re.compile(
    rf"{re.escape(_MARK)}\n([^\n]+)\n{_NUMBER}\n{_NUMBER} {_NUMBER}\n{_HEX}\n", re.ASCII
)
_GENESIS = re.compile(rf"genesis ([1-9][0-9]{{3}}) {_HEX}\n", re.ASCII)
_RANGE = re.compile(
    rf"range ([A-Za-z0-9._-]{{1,249}}) ([0-9a-f]{{32}}) {_NUMBER} {_NUMBER} {_HEX}\n", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Range:
    """Consecutive entries of one topic: offsets `start` to `end`, exclusive."""

    topic: str
    topic_id: bytes
    start: int
    end: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Genesis:
    year: int
    previous: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """Entries `start` to `end` (exclusive) of the log `origin`."""

    origin: str
    number: int
    start: int
    end: int
    previous: bytes
    genesis: Genesis | None
    ranges: tuple[Range, ...]

    def text(self) -> str:
        span = f"{self.start} {self.end}"
        lines = [f"{_MARK}\n{self.origin}\n{self.number}\n{span}\n{self.previous.hex()}\n"]
        if self.genesis:
            lines.append(f"genesis {self.genesis.year} {self.genesis.previous.hex()}\n")
        lines += (
            f"range {r.topic} {r.topic_id.hex()} {r.start} {r.end} {r.digest.hex()}\n"
            for r in self.ranges
        )
        return "".join(lines)

    def digest(self) -> bytes:
        return sha256(self.text().encode()).digest()


def is_manifest(text: str) -> bool:
    """Tell a manifest's text from a checkpoint's."""
    return text.startswith(_MARK + "\n")


def parse_manifest(text: str) -> Manifest:
    """Read a manifest; refuses `manifest-malformed`, also when its counts do not add up."""
    head = _HEAD.match(text)
    if not head:
        raise Refused("manifest-malformed", "head")
    origin, number, start, end, previous = head.groups()
    at = head.end()
    genesis = None
    if found := _GENESIS.match(text, at):
        genesis = Genesis(int(found[1]), bytes.fromhex(found[2]))
        at = found.end()
    ranges: list[Range] = []
    while at < len(text):
        found = _RANGE.match(text, at)
        if not found:
            raise Refused("manifest-malformed", f"line of range {len(ranges)}")
        topic, topic_id, first, last, digest = found.groups()
        ranges.append(
            Range(topic, bytes.fromhex(topic_id), int(first), int(last), bytes.fromhex(digest))
        )
        at = found.end()
        if len(ranges) > RANGES_MAX:
            raise Refused("manifest-malformed", f"more than {RANGES_MAX} ranges")
    made = Manifest(
        origin, int(number), int(start), int(end), bytes.fromhex(previous), genesis, tuple(ranges)
    )
    if max(made.number, made.end, *(r.end for r in ranges)) > SIZE_MAX:
        raise Refused("manifest-malformed", "number out of range")
    if any(r.end <= r.start for r in ranges) or made.end - made.start != (
        bool(genesis) + sum(r.end - r.start for r in ranges)
    ):
        raise Refused("manifest-malformed", "the counts do not add up")
    if bool(genesis) != (made.number == 0) or (made.number == 0) != (made.start == 0):
        raise Refused("manifest-malformed", "genesis")
    if made.number == 0 and any(made.previous):
        raise Refused("manifest-malformed", "there is none before the first")
    return made


class Ranges:
    """Collects ranges from leaf hashes that come in the order of the log."""

    def __init__(self) -> None:
        self._done: list[Range] = []
        self._topic = ("", b"")
        self._start = self._end = 0
        self._state = sha256()

    def add(self, topic: str, topic_id: bytes, offset: int, hashed: bytes) -> None:
        if (topic, topic_id) != self._topic or offset != self._end:
            self._close()
            self._topic, self._start, self._state = (topic, topic_id), offset, sha256()
        self._end = offset + 1
        self._state.update(hashed)

    def __len__(self) -> int:
        return len(self._done) + (self._end > self._start)

    def finish(self) -> tuple[Range, ...]:
        self._close()
        return tuple(self._done)

    def _close(self) -> None:
        if self._end > self._start:
            topic, topic_id = self._topic
            digest = self._state.digest()
            self._done.append(Range(topic, topic_id, self._start, self._end, digest))
        self._start = self._end = 0
