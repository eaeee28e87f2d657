"""Which files an export of a log has: what else lies there belongs to nobody.

Pure. `export` writes them, `verify` tells of others: nothing that no step looked at may pass for a
part of what was verified.
"""

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.tiles import ENTRIES, Tile, parse_path, tile_at

LISTS = ("manifests.jsonl", "leaves.jsonl")
_SINGLE = frozenset({"checkpoint", "vkey", "manifest", *LISTS})


def belongs(name: str, size: int) -> bool:
    """Say whether an export of the first `size` entries has a file of this name."""
    if name in _SINGLE:
        return True
    try:
        tile = parse_path(name)
        there = tile_at(max(tile.level, 0), tile.index, size)
    except Refused:
        return False
    return tile == Tile(ENTRIES if tile.level == ENTRIES else there.level, there.index, there.width)
