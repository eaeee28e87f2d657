"""What the notes of `audit.checkpoints` mean, each given those before it. Pure.

Guarantees: a note counts only if a key that the anchor certified for the audit signed it; of the
manifests of a log each names the one before, and two of one number are a contradiction; a year's
log begins with the last checkpoint of the year before. Ranges are handed on as hints: what a lying
manifest names is not found, and that is told. Trusts: nothing but that key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from meldeweg.gateway.store.log import Chain, Head, Span
from meldeweg.kernel import note, topics
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.jwk import SignatureKey
from meldeweg.kernel.manifest import Manifest, Range, is_manifest, parse_manifest

_FIRST = -1  # the number before that of the first manifest


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A signed note that can't be true beside `known`, another one."""

    code: str
    origin: str
    known: bytes | None
    seen: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """A note whose signature was verified. `data`: its bytes."""

    body: Manifest | note.Checkpoint
    data: bytes


def opened(value: bytes | None, keys: Sequence[SignatureKey]) -> Opened:
    """Parse and verify a note; refuses it with the code of what is wrong."""
    data = value or b""
    parsed = note.parse(data)
    text = parsed.text
    body = parse_manifest(text) if is_manifest(text) else note.parse_checkpoint(text)
    note.verify(parsed, [_verifier(body.origin, key.public) for key in keys])
    return Opened(body, data)


@lru_cache(16)
def _verifier(origin: str, public: bytes) -> note.Verifier:
    return note.Verifier(origin, public)


class Chaining:
    """Feed it opened notes in the order of the topic; then read what they came to.

    `chains`: as stored. `largest`: of each of them the largest checkpoint seen, as a note.
    `silence`: milliseconds without a new checkpoint after which the log counts as just awakened.
    """

    def __init__(
        self,
        me: AgencyId,
        chains: Mapping[str, Chain],
        largest: Mapping[str, bytes | None],
        silence: int,
        now: datetime,
    ) -> None:
        self._me, self._silence, self._now = me, silence, now
        self.chains = dict(chains)
        self._largest = {
            origin: note.parse_checkpoint(note.parse(data).text)
            for origin, data in largest.items()
            if data is not None
        }
        self.spans: list[Span] = []
        self.heads: list[Head] = []
        self.contradictions: list[Contradiction] = []
        self.gaps: list[str] = []  # origins of which a manifest was never seen

    def take(self, opened: Opened, at: int) -> None:
        """Take one note; `at`: when the broker appended it (ms)."""
        body, data = opened.body, opened.data
        chain = self.chains.get(body.origin)
        if chain is None:
            last = self.chains[max(self.chains)] if self.chains else None
            if last is not None and _series(body.origin) != _series(last.origin):
                found = Contradiction("log-origin-differs", last.origin, last.note, data)
                self.contradictions.append(found)
                return
            chain = Chain(body.origin, _FIRST, bytes(32), data, at, at)
        if isinstance(body, Manifest):
            self._manifest(chain, body, data)
        else:
            self._checkpoint(chain, body, data, at)

    def _manifest(self, chain: Chain, made: Manifest, data: bytes) -> None:
        if chain.number == _FIRST and (found := self._year_differs(made, data)):
            self.contradictions.append(found)
            return
        digest = made.digest()
        follows = made.number == chain.number + 1
        if (made.number == chain.number and digest != chain.digest) or (
            follows and made.previous != chain.digest
        ):
            known = chain.note
            self.contradictions.append(Contradiction("manifest-forked", chain.origin, known, data))
            return
        if made.number > chain.number + 1:
            self.gaps.append(chain.origin)
        if made.number > chain.number:
            chain = replace(chain, number=made.number, digest=digest, note=data)
        self.chains[chain.origin] = chain
        index = made.start + (made.genesis is not None)
        for each in made.ranges:
            if concerns(self._me, each.topic):
                self.spans.append(self._span(made.origin, index, each))
            index += each.end - each.start

    def _year_differs(self, made: Manifest, data: bytes) -> Contradiction | None:
        """Compare a log's first manifest with how the log of the year before ended here."""
        earlier = max((each for each in self._largest if each < made.origin), default=None)
        if made.genesis is None or earlier is None:
            return None
        ended = sha256(self._largest[earlier].text().encode()).digest()
        if ended == made.genesis.previous:
            return None
        known = self.chains[earlier].note
        return Contradiction("year-differs", earlier, known, data)

    def _span(self, origin: str, index: int, each: Range) -> Span:
        place = (each.topic, each.topic_id, each.start, each.end)
        return Span(origin, index, *place, self._now)

    def _checkpoint(self, chain: Chain, head: note.Checkpoint, data: bytes, at: int) -> None:
        before = self._largest.get(head.origin)
        if before is None or head.size > before.size:
            self._largest[head.origin] = head
            alive = at if at - chain.heard_at > self._silence else chain.alive_since
            chain = replace(chain, heard_at=max(at, chain.heard_at), alive_since=alive)
        self.chains[head.origin] = chain
        self.heads.append(Head(head.origin, head.size, head.root, data, at, chain.alive_since))


def concerns(me: AgencyId, topic: str) -> bool:
    """Say whether a topic is one that this agency writes or reads, of those that are audited."""
    if topic == topics.events(me):
        return True
    try:
        return me in topics.parse_inbox(topic)
    except Refused:
        return False


def _series(origin: str) -> str:
    """Return a log's name without its year."""
    return origin.rpartition("/")[0]
