"""Verifies an exported log, trusting nobody who made or carried it.

Guarantees: `ok` means that every byte of the export is what the signed checkpoint commits to, that
no record of a topic is left out, and that no number is missing before one that is there. It always
ends: nothing is read beyond what the checkpoint's size allows. Trusts: the log's public key, if it
is given; one that is taken from the export itself proves consistency alone, and the report says so.

    1 the checkpoint is signed by the log's key
    2 each leaf is in its level-0 tile, each full tile in the tile above, all tiles in the root
    3 each line of leaves.jsonl is exactly what its leaf commits to, and names its topic; an entry
      whose bytes are not shown is told as missing
    4 offsets are dense from 0 for each topic; the genesis is where it must be, once
    5 the manifests are signed, chained, and name these leaves in this order
    6 senders' numbers have no holes, and reach what recipients say that they received; what a
      sender claims beyond that is told
    7 the log extends each checkpoint that was seen before (`seen`)
    9 leaf 0 commits to the last checkpoint of the year before, and offsets, names and numbers go
      on from there, where that log is given (`turn`)
"""

from collections.abc import Sequence

from meldeweg.audit.layout import belongs
from meldeweg.audit.lines import Shown, read_line
from meldeweg.audit.listed import Lines
from meldeweg.audit.numbering import Numbering
from meldeweg.audit.order import Order
from meldeweg.audit.report import Report
from meldeweg.audit.seen import Known, check_seen, tree_of
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

_STRANGERS_MAX = 100  # files named that are no part of the log; the others are counted
_VKEYS_MAX = 64 * 1024
_BUNDLE_MAX = WIDTH * (2 + LEAF_SIZE)
# A forged size must not keep anyone busy for ever.
_UNREADABLE_MAX = 100  # tiles and bundles
_COUNT_MAX = 10_000  # findings


def verify(
    source: Source,
    *,
    vkeys: Sequence[str] = (),
    earlier: Sequence[bytes] = (),
    before: Source | None = None,
    year: int | None = None,
    shown: bool = True,
) -> Report:
    """Verify a whole log. `vkeys`: the log's keys as known from elsewhere; `earlier`: checkpoints
    that were seen before, which this log must extend; `before`: the log of the year before, which
    it must go on from; `year`: the one that was asked for; `shown`: leaves.jsonl and manifests too.

    Raises `Unavailable` when the source can't be reached; whatever is wrong is in the report.
    """
    report, old = Report(), None
    if before is not None:
        report.before = Report()
        old = _judge(before, _of_that_log(before, vkeys), report.before, shown=shown)
    ended = old.ended() if old else None
    new = _judge(source, vkeys, report, shown=shown, before=ended, year=year)
    if old and not (new and new.goes_on):
        old.tell_numbers()  # else they are told of both logs together
    if new:
        if before is not None and not new.goes_on and report.ok:  # whatever else is right
            report.breaks("genesis-commits-to-another", "entry 0", "the log before has no end")
        new.tell_numbers()
        logs = [walk.known() for walk in (new, old) if walk]
        for data in earlier:
            check_seen(data, logs, report)
    return report


def _judge(
    source: Source,
    vkeys: Sequence[str],
    report: Report,
    *,
    shown: bool,
    before: Ended | None = None,
    year: int | None = None,
) -> "_Walk | None":
    """Steps 1 to 5, 8 and 9 of one log; None when its head is not one to believe."""
    try:
        verifiers = _verifiers(source, vkeys, report)
        head = _head(source, verifiers)
    except Refused as exc:
        report.breaks(exc.code, "checkpoint", exc.detail)
        return None
    report.origin, report.size, report.root = head.origin, head.size, head.root.hex()
    report.signed_by = [verifier.vkey() for verifier in verifiers]
    _tell_strangers(source, head, report)
    walk = _Walk(source, head, verifiers, report, before=before, year=year, shown=shown)
    walk.run()
    if walk.order:
        walk.order.finish(verifiers)
    return walk


def _of_that_log(source: Source, vkeys: Sequence[str]) -> list[str]:
    """Return those of the keys given that sign under the name of this log.

    With none of them its own keys do: the log that goes on from it commits to its checkpoint.
    """
    try:
        text = note.parse(source.read("checkpoint", note.NOTE_MAX)).text
        origin = note.parse_checkpoint(text).origin
    except Refused:
        return []  # it is named where the log is judged
    return [line for line in vkeys if line.partition("+")[0] == origin]


def _tell_strangers(source: Source, head: note.Checkpoint, report: Report) -> None:
    """Before all others: a report takes so many notices, and must not drop these."""
    strangers = sorted(name for name in source.names() if not belongs(name, head.size))
    for name in strangers[:_STRANGERS_MAX]:
        report.notes("file-unknown", name, "no part of the log, and not looked at")
    if (more := len(strangers) - _STRANGERS_MAX) > 0:
        report.notes("file-unknown", "", f"{more} more that are no part of the log")


def _verifiers(source: Source, vkeys: Sequence[str], report: Report) -> list[note.Verifier]:
    """Return the keys to believe; those of the export must be well formed in any case."""
    data = source.read("vkey", _VKEYS_MAX)
    try:
        found = [note.parse_vkey(line) for line in data.decode().removesuffix("\n").split("\n")]
    except UnicodeDecodeError as exc:
        raise Refused("vkey-malformed", "not UTF-8") from exc
    if "".join(f"{each.vkey()}\n" for each in dict.fromkeys(found)).encode() != data:
        raise Refused("vkey-malformed", "not one key per line, each once")
    if not vkeys:
        report.notes("key-from-export", "vkey", "compare it with the one the trust anchor names")
        return found
    given = [note.parse_vkey(line) for line in vkeys]
    for verifier in found:
        if verifier not in given:
            report.notes("key-not-known", "vkey", verifier.vkey())
    return given


def _head(source: Source, verifiers: Sequence[note.Verifier]) -> note.Checkpoint:
    """Step 1."""
    parsed = note.parse(source.read("checkpoint", note.NOTE_MAX))
    signers = note.verify(parsed, verifiers)
    head = note.parse_checkpoint(parsed.text)
    if all(signer.name != head.origin for signer in signers):
        raise Refused("checkpoint-malformed", "signed under another name than its origin")
    return head


class _Walk:
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
