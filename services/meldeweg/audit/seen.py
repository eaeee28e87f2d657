"""Checkpoints that somebody saw before, held against the logs that are verified now.

Guarantees: a checkpoint that was given is proven to be of these logs, or named as one that is not;
none is passed over. Trusts the verifiers of each log, and what leaf 0 commits to once the log that
it begins is verified.
"""

from collections.abc import Sequence
from typing import NamedTuple

from meldeweg.audit.report import Report
from meldeweg.audit.sources import Source
from meldeweg.audit.turn import digest_of
from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.merkle import HASH_SIZE, root_at
from meldeweg.kernel.tiles import WIDTH, TileTree

_WHERE = "earlier checkpoint"


class Known(NamedTuple):
    """A log whose head is signed. `previous`: what its leaf 0 commits to; None: it has none."""

    source: Source
    head: note.Checkpoint
    verifiers: Sequence[note.Verifier]
    previous: bytes | None


def tree_of(source: Source, size: int) -> TileTree:
    """Return the tree of an export's tiles."""
    return TileTree(size, lambda tile: source.read(tile.path(), WIDTH * HASH_SIZE))


def check_seen(data: bytes, logs: Sequence[Known], report: Report) -> None:
    """Step 7: find out whether one of `logs` extends a checkpoint that was seen before.

    One of a log that is not here can only be the last of the year before: leaf 0 commits to that
    one and says nothing about any other.
    """
    try:
        seen = note.parse(data)
        origin = note.parse_checkpoint(seen.text).origin
        for log in logs:
            if log.head.origin == origin:
                _extends(log, data, report)
                return
        if all(log.previous != digest_of(seen.text) for log in logs):
            detail = f"{origin}, and no leaf 0 commits to it"
            report.breaks("checkpoint-of-another-log", _WHERE, detail)
    except Refused as exc:
        report.breaks(exc.code, _WHERE, exc.detail)


def _extends(log: Known, data: bytes, report: Report) -> None:
    old = note.open_checkpoint(data, log.head.origin, log.verifiers)
    if old.size > log.head.size:
        report.breaks("log-shorter", "checkpoint", f"{old.size} entries were signed before")
    elif root_at(old.size, tree_of(log.source, log.head.size).node) != old.root:
        report.breaks("log-forked", "checkpoint", f"another root was signed for {old.size}")
