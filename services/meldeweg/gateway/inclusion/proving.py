"""Signed heads against each other, records against a head. Pure; tiles come in by a function.

Guarantees: nothing counts as included that the head's root does not commit to, whatever the tiles
say; a head is called forked only when two signatures of the log contradict each other, never for
tiles that are wrong. Trusts: that both heads were signed by the log (`chaining`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from meldeweg.gateway.store.arrived import WIDTH as HASH
from meldeweg.gateway.store.arrived import Run
from meldeweg.gateway.store.log import Head, Sought, Span
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.leaf import leaf_of_record
from meldeweg.kernel.merkle import leaf_hash, root_at, verify_consistency, verify_inclusion
from meldeweg.kernel.tiles import WIDTH, Tile, TileTree, split_hashes, tile_at

Fetch = Callable[[Tile], bytes]
"""Returns a tile's bytes; Unavailable when it can't be had now."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Two signed heads of one log that do not extend each other."""

    known: Head
    seen: Head


class ProvenTree:
    """The leaf hashes below a signed head; each tile is fetched and proven once."""

    def __init__(self, head: Head, fetch: Fetch) -> None:
        self.head = head
        self._fetched: dict[Tile, bytes] = {}
        self._fetch = fetch
        self._tree = TileTree(head.size, self._kept)
        self._proven: dict[int, bytes] = {}

    def hashes(self, start: int, stop: int) -> bytes:
        """Return the leaf hashes of indices `start` to `stop` (exclusive), joined.

        Raises Unavailable("tiles-unproven") for tiles that do not lead to the head's root.
        """
        parts = []
        for number in range(start // WIDTH, -(-stop // WIDTH)):
            first = number * WIDTH
            data = self._tile(number)
            parts.append(data[max(start - first, 0) * HASH : (stop - first) * HASH])
        return b"".join(parts)

    def _tile(self, number: int) -> bytes:
        """Return a level-0 tile. The proof of its first leaf is made of all the others in it, so
        one proof that leads to the root proves each hash of the tile."""
        if number not in self._proven:
            first, size = number * WIDTH, self.head.size
            try:
                tile = tile_at(0, number, size)
                data = self._kept(tile)
                proof = self._tree.inclusion_proof(first)
                verify_inclusion(
                    first, size, split_hashes(data, tile.width)[0], proof, self.head.root
                )
            except Refused as exc:
                raise Unavailable("tiles-unproven", exc.code) from exc
            self._proven[number] = data
        return self._proven[number]

    def _kept(self, tile: Tile) -> bytes:
        if tile not in self._fetched:
            self._fetched[tile] = self._fetch(tile)
        return self._fetched[tile]


def check_consistent(one: Head, other: Head, fetch: Fetch) -> None:
    """Return if the larger head extends the smaller one.

    Raises Refused("log-forked") where that is disproven, Unavailable("tiles-unproven") where the
    tiles prove nothing either way.
    """
    old, new = sorted((one, other), key=lambda head: head.size)
    if old.size == new.size:
        if old.root != new.root:
            raise Refused("log-forked", f"two roots of size {new.size}")
        return
    tree = TileTree(new.size, fetch)
    try:
        proof = tree.consistency_proof(old.size)
        own = root_at(old.size, tree.node)
        # Whether the tiles are those of the new head at all; then `own` is what it began with.
        verify_consistency(old.size, new.size, proof, own, new.root)
    except Refused as exc:
        raise Unavailable("tiles-unproven", exc.code) from exc
    if own != old.root:
        raise Refused("log-forked", f"{old.size} and {new.size}")


def advance(
    before: Head | None, seen: Sequence[Head], fetch: Fetch
) -> tuple[Head | None, list[Fork]]:
    """Return the largest head that extends `before`, and those of `seen` that contradict.

    The first head ever is taken as it is. Raises Unavailable if the tiles prove nothing.
    """
    left = sorted(seen, key=lambda head: head.size)
    forks: list[Fork] = []
    head = before
    while left:
        largest = left.pop()
        if before is not None and (fork := _fork(before, largest, fetch)):
            forks.append(fork)
            continue
        if before is None or largest.size > before.size:
            head = largest
        break
    if head is not None:
        forks += filter(None, (_fork(head, each, fetch) for each in left))
    return head, forks


def _fork(known: Head, seen: Head, fetch: Fetch) -> Fork | None:
    try:
        check_consistent(known, seen, fetch)
    except Refused:
        return Fork(known, seen)
    return None


def included(sought: Iterable[Sought], tree: ProvenTree) -> list[int]:
    """Return the `seq` of those that stand where the log says, with these very bytes."""
    return [
        each.seq for each in sought if tree.hashes(each.index, each.index + 1) == _hash_of(each)
    ]


def _hash_of(each: Sought) -> bytes:
    leaf = leaf_of_record(each.topic_id, each.offset, each.key, each.headers, each.value)
    return leaf_hash(leaf.encode())


def included_up_to(run: Run, spans: Iterable[Span], trees: Callable[[str], ProvenTree]) -> int:
    """Return the offset up to which a run's records are in the log without a gap or difference.

    `spans`: of the run's topic id, in the order of offsets. `trees`: by origin.
    """
    at = run.first
    for span in spans:
        if span.start > at:
            break
        tree = trees(span.origin)
        first = span.first + at - span.start
        stop = min(run.stop, span.stop, at + tree.head.size - first)
        if stop <= at:
            continue
        mine = run.hashes[(at - run.first) * HASH : (stop - run.first) * HASH]
        same = _same(mine, tree.hashes(first, first + stop - at))
        at += same
        if same * HASH < len(mine):
            break
    return at


def _same(mine: bytes, theirs: bytes) -> int:
    """Return how many hashes are equal from the first on."""
    if mine == theirs:
        return len(mine) // HASH
    pairs = range(0, len(mine), HASH)
    return next(
        (at // HASH for at in pairs if mine[at : at + HASH] != theirs[at : at + HASH]),
        len(mine) // HASH,
    )
