"""One pass over an exported log whose head is known to be signed: steps 2 to 6 of `verify`.

Guarantees: entries are taken in their order, a tile of 256 at a time; a report names what is wrong
where it is, and a forged size keeps nobody busy for ever. Trusts: the head.
"""

from collections.abc import Sequence

from meldeweg.audit.lines import Shown, read_line
from meldeweg.audit.listed import Lines
from meldeweg.audit.numbering import Numbering
from meldeweg.audit.order import Order
from meldeweg.audit.report import Report
from meldeweg.audit.seen import Known, tree_of
from meldeweg.audit.sources import Source
from meldeweg.audit.turn import Ended
from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.leaf import GENESIS, LEAF_SIZE, NO_STATEMENT, Leaf, genesis, parse_leaf
from meldeweg.kernel.merkle import HASH_SIZE, leaf_hash
from meldeweg.kernel.tiles import (
    ENTRIES,
    WIDTH,
    Tile,
    decode_bundle,
    fold,
    levels_of,
    split_hashes,
    tiles_of,
)

_BUNDLE_MAX = WIDTH * (2 + LEAF_SIZE)
# A forged size must not keep anyone busy for ever.
_UNREADABLE_MAX = 100  # tiles and bundles
_COUNT_MAX = 10_000  # findings


class Walk:
    """One pass over the log, a tile of 256 entries at a time."""

    def __init__(
        self,
        source: Source,
        head: note.Checkpoint,
        verifiers: Sequence[note.Verifier],
        report: Report,
        *,
        shown: bool,
        before: Ended | None = None,
        year: int | None = None,
    ) -> None:
        self._source, self._head, self._report = source, head, report
        self._verifiers, self._before, self._asked = verifiers, before, year
        self._genesis: Leaf | None = None
        self._next: dict[bytes, int] = {}
        self._complete = True  # no log before this one that is not known here
        self._at_end = False
        self.goes_on = False  # from `before`
        self._unreadable = 0
        self._lines = Lines(source, report) if shown else None
        self._numbering = Numbering()
        self.order = Order(source, head, report) if shown else None

    def run(self) -> None:
        above: list[bytes] = []
        whole = True
        if self._head.size == 0:
            self._report.breaks("genesis-misplaced", "entry 0", "there is no entry at all")
        for tile in tiles_of(0, self._head.size):
            hashes, leaves = self._tile(tile), self._bundle(tile)
            whole = whole and bool(hashes)
            if len(hashes) == WIDTH:
                above.append(fold(hashes))
            if self._unreadable > _UNREADABLE_MAX or self._report.count > _COUNT_MAX:
                self._report.breaks("given-up", f"entry {tile.index * WIDTH}", "too much is wrong")
                return
            absent = [b""] * tile.width
            pairs = zip(leaves or absent, hashes or absent, strict=True)
            for index, (leaf, hashed) in enumerate(pairs, tile.index * WIDTH):
                self._entry(index, leaf, hashed)
        if whole:
            self._levels(above)
        if self._lines:
            self._lines.finish()
        self._at_end = True

    def known(self) -> Known:
        previous = self._genesis.statement if self._genesis else None
        return Known(self._source, self._head, self._verifiers, previous)

    def ended(self) -> Ended | None:
        """Return where this log ended; None when it was not read so far."""
        if self._genesis is None or not self._at_end:
            return None
        return Ended(
            self._genesis.offset,
            self._head.size,
            self._head.text(),
            self._next,
            self.order.topics if self.order else {},
            self._numbering,
            self._complete,
        )

    def _entry(self, index: int, leaf: bytes, hashed: bytes) -> None:
        line = self._lines.take(index) if self._lines else None
        if leaf_hash(leaf) != hashed:
            if leaf and hashed:
                self._report.breaks("leaf-not-in-tree", f"entry {index}", "in its tile or bundle")
            if self.order:
                self.order.abandon()
            return
        self._report.entries += 1
        try:
            parsed = parse_leaf(leaf)
            self._dense(index, parsed)
            if self.order:
                self.order.feed(index, parsed, hashed)
            if line is not None:
                self._shown(index, parsed, read_line(line, index, leaf, parsed))
        except Refused as exc:
            self._report.breaks(exc.code, f"entry {index}", exc.detail)

    def _dense(self, index: int, leaf: Leaf) -> None:
        """Step 4."""
        if leaf.kind == GENESIS or index == 0:
            expected = genesis(self._head.origin, leaf.offset, leaf.statement)
            if index != 0 or leaf != expected:
                self._report.breaks("genesis-misplaced", f"entry {index}")
            if index == 0 and leaf.kind == GENESIS:
                self._begin(leaf)
            return
        following = self._next.get(leaf.topic_id)
        if following is None:  # a later year goes on where the year before ended
            following = 0 if self._complete else leaf.offset
        if leaf.offset != following:
            topic = self.order.topics.get(leaf.topic_id, "") if self.order else ""
            self._report.breaks(
                "record-omitted",
                f"entry {index}, topic {topic or leaf.topic_id.hex()}",
                f"offset {leaf.offset} where {following} must come",
            )
        self._next[leaf.topic_id] = leaf.offset + 1

    def _begin(self, genesis: Leaf) -> None:
        """Find out from where the log goes on: from nothing, from a log that is here, or not."""
        self._genesis = genesis
        self._complete = genesis.statement == NO_STATEMENT
        if self._asked not in (None, genesis.offset):
            self._report.breaks("log-not-asked-for", "entry 0", f"of {genesis.offset}")
        if self._before is not None:
            try:
                self._before.continued_by(genesis)
            except Refused as exc:
                self._report.breaks(exc.code, "entry 0", exc.detail)
            else:
                self._carry_over(self._before)
        self._numbering.carried_over = not self._complete

    def _carry_over(self, ended: Ended) -> None:
        """Step 9."""
        self.goes_on, self._complete = True, ended.complete
        self._next, self._numbering = dict(ended.following), ended.numbering
        if self.order:
            self.order.topics.update(ended.topics)

    def _shown(self, index: int, leaf: Leaf, shown: Shown) -> None:
        """Steps 3 and 6."""
        topic = shown.topic
        if topic is None:
            return
        if self.order and self.order.topics.get(leaf.topic_id, topic) != topic:
            self._report.breaks("topic-renamed", f"entry {index}", topic)
        topics = self._report.topics
        topics[topic] = topics.get(topic, 0) + 1
        if shown.erased:
            # Whoever carries an export could say so of any entry: nothing signed proves it.
            self._report.misses("erased", f"entry {index}", "nothing in the log proves it")
        if shown.statement is not None:
            self._numbering.feed(topic, shown.statement)

    def tell_numbers(self) -> None:
        """Step 6, once the log was read to its end."""
        if not (self._lines and self._at_end):
            return
        for hole in self._numbering.holes():
            where = f"{hole.sender} to {hole.recipient}, outbox {hole.outbox}"
            detail = f"{hole.first} to {hole.last}"
            if hole.claimed_by:
                detail += f", claimed by {hole.claimed_by}"
            if hole.given_up:
                self._report.notes("number-given-up", where, detail)
            elif hole.open:
                self._report.notes("not-yet-in-log", where, detail)
            elif hole.claimed_by == hole.sender:
                # It waits (a suspended partner, a right that is missing), or it is withheld: this
                # log can't tell. The sender's people can, and are told when it is overdue.
                self._report.notes("claimed-not-in-log", where, detail)
            else:
                self._report.misses("number-missing", where, detail)

    def _tile(self, tile: Tile) -> list[bytes]:
        """Step 2; an empty list when the tile has been found wrong."""
        try:
            return split_hashes(self._source.read(tile.path(), WIDTH * HASH_SIZE), tile.width)
        except Refused as exc:
            self._unreadable += 1
            self._report.breaks(exc.code, tile.path(), exc.detail)
            return []

    def _bundle(self, tile: Tile) -> list[bytes]:
        path = Tile(ENTRIES, tile.index, tile.width).path()
        try:
            return decode_bundle(self._source.read(path, _BUNDLE_MAX), tile.width)
        except Refused as exc:
            self._unreadable += 1
            self._report.breaks(exc.code, path, exc.detail)
            return []

    def _levels(self, above: list[bytes]) -> None:
        """Step 2, the levels above and the root."""
        size = self._head.size
        for level in levels_of(size)[1:]:
            expected, above = above, []
            for tile in tiles_of(level, size):
                hashes = self._tile(tile)
                for at, hashed in enumerate(hashes, tile.index * WIDTH):
                    if hashed != expected[at]:
                        child = Tile(level - 1, at).path()
                        self._report.breaks("tile-differs", tile.path(), f"from what {child} gives")
                if len(hashes) < tile.width:
                    return
                if len(hashes) == WIDTH:
                    above.append(fold(hashes))
        try:
            if tree_of(self._source, size).root() != self._head.root:
                self._report.breaks("root-differs", "checkpoint", "the tiles give another root")
        except Refused as exc:
            self._report.breaks(exc.code, "tiles", exc.detail)
