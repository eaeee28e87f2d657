"""The tree as it grows: the tiles that new leaves complete or widen, and the root over all.

Guarantees: what it hands out only ever extends what was there. Root and tiles are computed on
two ways that share no state; `check` compares them. Trusts the tiles it was loaded from only
after their root was that of a signed checkpoint.
"""

from collections.abc import Callable, Iterable, Sequence

from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.merkle import Frontier
from meldeweg.kernel.tiles import (
    WIDTH,
    Tile,
    TileTree,
    fold,
    levels_of,
    split_hashes,
    tile_at,
    width_of,
)


class GrowingTree:
    """Size, right edge, and the last unfilled tile of each level."""

    def __init__(self) -> None:
        self._frontier = Frontier()
        self._open: list[list[bytes]] = []

    @classmethod
    def load(cls, size: int, root: bytes, fetch: Callable[[Tile], bytes]) -> "GrowingTree":
        """Take up a tree where it was left; `Fatal("tiles-differ-from-checkpoint")`."""
        tree = TileTree(size, fetch)
        edge, start = [], 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                edge.append(tree.node(level, start >> level))
                start += 1 << level
        made = cls()
        made._frontier = Frontier(size, edge)
        if made.root() != root:
            raise Fatal("tiles-differ-from-checkpoint", f"tree of {size}")
        for level in levels_of(size):
            width = width_of(level, size)
            open_hashes: list[bytes] = []
            if width % WIDTH:
                tile = tile_at(level, width // WIDTH, size)
                open_hashes = split_hashes(fetch(tile), tile.width)
            made._open.append(open_hashes)
        return made

    @property
    def size(self) -> int:
        return self._frontier.size

    def root(self) -> bytes:
        return self._frontier.root()

    def copy(self) -> "GrowingTree":
        other = GrowingTree()
        other._frontier = self._frontier.copy()
        other._open = [list(hashes) for hashes in self._open]
        return other

    def extend(self, hashes: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
        """Append leaf hashes; return (level, index) -> bytes of each tile that this changed."""
        changed: dict[tuple[int, int], bytes] = {}
        size = self.size
        self._frontier.extend(hashes)
        new: Iterable[bytes] = hashes
        level = 0
        while new:
            if level == len(self._open):
                self._open.append([])
            new = self._fill(level, width_of(level, size) // WIDTH, new, changed)
            level += 1
        return changed

    def check(self, fetch: Callable[[Tile], bytes]) -> None:
        """`Fatal` unless the tiles that `fetch` reads give the root that appending gave."""
        if TileTree(self.size, fetch).root() != self.root():
            raise Fatal("tiles-differ-from-leaves", f"tree of {self.size}")

    def _fill(
        self, level: int, index: int, new: Iterable[bytes], changed: dict[tuple[int, int], bytes]
    ) -> list[bytes]:
        """Fill one level's open tile; return the hashes of the tiles that became full."""
        row, full = self._open[level], []
        for hashed in new:
            row.append(hashed)
            if len(row) == WIDTH:
                changed[level, index] = b"".join(row)
                full.append(fold(row))
                row.clear()
                index += 1
        if row:
            changed[level, index] = b"".join(row)
        return full
