"""Tiles of a log: C2SP tlog-tiles, hash tiles of height 8 and entry bundles.

Guarantees: a path parses to one tile and back to the same path; `TileTree` reads proofs out of
tiles that it does not believe: each proof is proven by whoever verifies it against a checkpoint.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.merkle import (
    HASH_SIZE,
    consistency_proof,
    inclusion_proof,
    node_hash,
    root_at,
)

HEIGHT = 8
WIDTH = 1 << HEIGHT
ENTRIES = -1
"""The pseudo level of entry bundles."""
LEAF_MAX = 0xFFFF

_PATH = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """`width` hashes (or leaves) from `index * 256` on, at `level` (or `ENTRIES`)."""

    level: int
    index: int
    width: int = WIDTH

    def path(self) -> str:
        digits = f"{self.index:03d}"
        digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"tile/{level}/{name}{partial}"


def parse_path(path: str) -> Tile:
    """Read a tile's path; refuses `tile-path-malformed` for any form but the one `path` gives."""
    match = _PATH.fullmatch(path)
    if not match:
        raise Refused("tile-path-malformed")
    level, name, width = match.groups()
    tile = Tile(
        ENTRIES if level == "entries" else int(level),
        int(re.sub(r"[x/]", "", name)),
        int(width) if width else WIDTH,
    )
    if tile.path() != path:  # leading groups of zeros, a full width written out
        raise Refused("tile-path-malformed")
    return tile


def width_of(level: int, size: int) -> int:
    """How many hashes a tree of `size` leaves has at tile level `level`."""
    return size >> (HEIGHT * max(level, 0))


def tile_at(level: int, index: int, size: int) -> Tile:
    """Return the tile as a tree of `size` has it; refuses `tile-absent` where it has none."""
    width = min(width_of(level, size) - index * WIDTH, WIDTH)
    if width <= 0 or index < 0:
        raise Refused("tile-absent", f"level {level}, index {index}, size {size}")
    return Tile(level, index, width)


def tiles_of(level: int, size: int) -> Iterator[Tile]:
    """All tiles of one level, in order."""
    for index in range(-(-width_of(level, size) // WIDTH)):
        yield tile_at(level, index, size)


def levels_of(size: int) -> range:
    """Return the hash levels that a tree of `size` has."""
    return range(-(-size.bit_length() // HEIGHT))


def encode_bundle(leaves: Sequence[bytes]) -> bytes:
    """Entry bundle: each leaf after its length as big-endian uint16."""
    if any(len(leaf) > LEAF_MAX for leaf in leaves):
        raise Refused("leaf-too-long")
    return b"".join(len(leaf).to_bytes(2) + leaf for leaf in leaves)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Read exactly `width` leaves; refuses `bundle-malformed`."""
    leaves: list[bytes] = []
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2])
        leaf = data[at + 2 : at + 2 + length]
        at += 2 + length
        if at > len(data) or len(leaves) == width:
            raise Refused("bundle-malformed")
        leaves.append(leaf)
    if len(leaves) != width:
        raise Refused("bundle-malformed", f"{len(leaves)} leaves instead of {width}")
    return leaves


def split_hashes(data: bytes, width: int) -> list[bytes]:
    """Return the hashes of a hash tile; refuses `tile-malformed`."""
    if len(data) != width * HASH_SIZE:
        raise Refused("tile-malformed", f"{len(data)} bytes instead of {width * HASH_SIZE}")
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root of the complete subtree over `hashes`, a power of two of them."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


class TileTree:
    """Reads nodes and proofs of the tree of `size` out of tiles that `fetch` brings.

    `fetch(tile)` returns the tile's bytes; each tile is fetched once in the life of this object.
    """

    def __init__(self, size: int, fetch: Callable[[Tile], bytes]) -> None:
        self.size = size
        self._fetch = fetch
        self._hashes: dict[Tile, list[bytes]] = {}

    def node(self, level: int, index: int) -> bytes:
        """Hash of the complete subtree `index` at tree level `level`."""
        tile_level, above = divmod(level, HEIGHT)
        first = index << above
        tile = tile_at(tile_level, first // WIDTH, self.size)
        hashes = self._hashes.get(tile)
        if hashes is None:
            hashes = split_hashes(self._fetch(tile), tile.width)
            self._hashes[tile] = hashes
        part = hashes[first % WIDTH : first % WIDTH + (1 << above)]
        if len(part) != 1 << above:
            raise Refused("tile-absent", f"node {index} at level {level} of {self.size}")
        return fold(part)

    def root(self) -> bytes:
        return root_at(self.size, self.node)

    def inclusion_proof(self, index: int) -> list[bytes]:
        return inclusion_proof(index, self.size, self.node)

    def consistency_proof(self, old: int) -> list[bytes]:
        """Proof that this tree extends its own first `old` leaves."""
        return consistency_proof(old, self.size, self.node)
