"""The manifests of an export, read beside its leaves.

Guarantees: each entry is the one that a manifest named before the checkpoint was signed; the first
difference is named, and nothing follows from it. Trusts nothing but the log's key.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from meldeweg.audit.lines import read_text
from meldeweg.audit.report import Report
from meldeweg.audit.sources import Source
from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.leaf import GENESIS, Leaf
from meldeweg.kernel.manifest import Manifest, Range, parse_manifest


class Order:
    """Feed it every leaf in order, then `finish`. `topics`: names by topic id, as far as read."""

    def __init__(self, source: Source, head: note.Checkpoint, report: Report) -> None:
        self._source, self._head, self._report = source, head, report
        self.topics: dict[bytes, str] = {}
        self._last: Manifest | None = None
        self._genesis: Leaf | None = None
        self._ranges = self._read()
        self._range: Range | None = None
        self._at = 0
        self._state = sha256()
        self._over = False

    def feed(self, index: int, leaf: Leaf, hashed: bytes) -> None:
        if self._over:
            return
        if leaf.kind == GENESIS:
            self._genesis = leaf
            return
        if self._range is None:
            self._range = next(self._ranges, None)
            if self._range is None:
                self._stop("manifest-missing", f"entry {index}", "no manifest names it")
                return
            self._at, self._state = self._range.start, sha256()
        if (leaf.topic_id, leaf.offset) != (self._range.topic_id, self._at):
            self._stop("order-differs", f"entry {index}", "the manifest names another record")
            return
        self._state.update(hashed)
        self._at += 1
        if self._at == self._range.end:
            if self._state.digest() != self._range.digest:
                self._stop("digest-differs", f"entry {index}", "or another of the range it ends")
            self._range = None

    def abandon(self) -> None:
        """Say no more: an entry is unreadable, and named already."""
        self._over = True

    def finish(self, verifiers: Sequence[note.Verifier]) -> None:
        """Find out that nothing is left, and that the last manifest is signed.

        Each names the one before by its digest, so that one signature covers all.
        """
        if self._over:
            return
        if self._range is not None or next(self._ranges, None) is not None:
            self._stop("manifest-too-long", "manifests.jsonl")
        elif self._last is None or self._last.end != self._head.size:
            self._stop("manifest-missing", f"entry {self._last.end if self._last else 0}")
        else:
            self._signed(self._last, verifiers)

    def _signed(self, newest: Manifest, verifiers: Sequence[note.Verifier]) -> None:
        try:
            last = note.parse(self._source.read("manifest", note.NOTE_MAX))
            note.verify(last, verifiers)
        except Refused as exc:
            self._stop(exc.code, "manifest", exc.detail)
            return
        if last.text != newest.text():
            self._stop("manifest-differs", "manifest", "not the last of manifests.jsonl")

    def _read(self) -> Iterator[Range]:
        previous = bytes(32)
        number = end = 0
        try:
            for line in self._source.lines("manifests.jsonl"):
                made = _manifest(line)
                here = (made.origin, made.number, made.start, made.previous)
                if here != (self._head.origin, number, end, previous):
                    self._stop("manifest-out-of-order", f"manifest {number}")
                    return
                if made.genesis and (
                    self._genesis is None
                    or (made.genesis.year, made.genesis.previous)
                    != (self._genesis.offset, self._genesis.statement)
                ):
                    self._stop("genesis-differs", f"manifest {number}")
                    return
                self._last = made
                yield from self._named(made)
                number, end, previous = number + 1, made.end, made.digest()
        except Refused as exc:
            self._stop(exc.code, f"manifests.jsonl, manifest {number}", exc.detail)

    def _named(self, made: Manifest) -> Iterator[Range]:
        for each in made.ranges:
            if self.topics.setdefault(each.topic_id, each.topic) != each.topic:
                self._stop("topic-renamed", f"manifest {made.number}", each.topic)
                return
            yield each

    def _stop(self, code: str, where: str, detail: str = "") -> None:
        if not self._over:
            self._report.breaks(code, where, detail)
        self._over = True


def _manifest(line: bytes) -> Manifest:
    """Read a line of manifests.jsonl: the text of one manifest as a JSON string."""
    text = read_text(line)
    made = parse_manifest(text)
    if made.text() != text:
        raise Refused("manifest-malformed", "not in its one form")
    return made
