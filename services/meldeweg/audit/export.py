"""Writes a log into a directory that needs no Meldeweg to verify.

Guarantees: the directory appears whole or not at all, and holds exactly the checkpoint's tree.
Nothing of it is believed: `verify` is what checks an export.

    checkpoint       C2SP tlog-checkpoint, signed note
    vkey             the log's key, one line per signer
    tile/…           C2SP tlog-tiles: hash tiles of height 8, entry bundles under tile/entries
    leaves.jsonl     one line per entry: index, leaf, and what it commits to (`lines`)
    manifests.jsonl  one line per manifest: its text as a JSON string (`manifest`)
    manifest         the newest manifest as a signed note
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from meldeweg.audit.layout import LISTS
from meldeweg.audit.sources import Source
from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.leaf import GENESIS, LEAF_SIZE, parse_leaf
from meldeweg.kernel.merkle import HASH_SIZE
from meldeweg.kernel.tiles import ENTRIES, WIDTH, Tile, decode_bundle, levels_of, tile_at, tiles_of

_SMALL = 64 * 1024
_BUNDLE_MAX = WIDTH * (2 + LEAF_SIZE)


def export(
    source: Source,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    year: int | None = None,
) -> note.Checkpoint:
    """Copy a whole log from `source` to the new directory `out`; returns its checkpoint.

    `progress(done, size)` is called after each tile. `year`: the log that was asked for. Raises
    `Refused`: `export-exists` when `out` is there and not empty, `log-not-asked-for` when leaf 0
    begins another year's, `file-not-writable` for a place or a disk that takes nothing; and what
    the source raises: `Refused`, `Unavailable`.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refused("export-exists", str(out))
    building = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        building.mkdir(parents=True)
    except OSError as exc:
        raise _not_writable(out, exc) from exc
    try:
        head = _copy(source, building, progress)
        if year is not None:
            _check_year(building, head.size, year)
        if out.exists():
            out.rmdir()
        building.rename(out)
    except OSError as exc:
        raise _not_writable(out, exc) from exc
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return head


def _not_writable(out: Path, exc: OSError) -> Refused:
    return Refused("file-not-writable", f"{exc.filename or out}: {exc.strerror}")


def _copy(source: Source, to: Path, progress: Callable[[int, int], None] | None) -> note.Checkpoint:
    signed = source.read("checkpoint", note.NOTE_MAX)
    head = note.parse_checkpoint(note.parse(signed).text)
    (to / "checkpoint").write_bytes(signed)
    (to / "vkey").write_bytes(source.read("vkey", _SMALL))
    for tile in _all_tiles(head.size):
        limit = _BUNDLE_MAX if tile.level == ENTRIES else WIDTH * HASH_SIZE
        path = to / tile.path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read(tile.path(), limit))
        if progress and tile.level == ENTRIES:
            progress(tile.index * WIDTH + tile.width, head.size)
    (to / "manifest").write_bytes(source.read("manifest", note.NOTE_MAX))
    for name in LISTS:
        with (to / name).open("wb") as file:
            for line in source.lines(name):
                file.write(line + b"\n")
    return head


def _check_year(made: Path, size: int, year: int) -> None:
    """Refuse another year's log: whoever has it for the one in its name misses the right one."""
    bundle = tile_at(0, 0, size)
    data = (made / Tile(ENTRIES, 0, bundle.width).path()).read_bytes()
    first = parse_leaf(decode_bundle(data, bundle.width)[0])
    if first.kind != GENESIS or first.offset != year:
        raise Refused("log-not-asked-for", f"{year} was asked for")


def _all_tiles(size: int) -> Iterator[Tile]:
    for level in levels_of(size):
        yield from tiles_of(level, size)
    for tile in tiles_of(0, size):
        yield Tile(ENTRIES, tile.index, tile.width)
