"""Tiles: paths, bundles, and proofs read out of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meldeweg.kernel import merkle, tiles
from meldeweg.kernel.errors import Refused

SIZE = 70_000
HASHES = [merkle.leaf_hash(b"%d" % n) for n in range(SIZE)]


@pytest.fixture(scope="module")
def stored():
    """Every tile of a log of 70,000 entries, made level by level as the specification says."""
    made = {}
    level_hashes, level = HASHES, 0
    while level_hashes:
        for tile in tiles.tiles_of(level, SIZE):
            part = level_hashes[tile.index * 256 :][: tile.width]
            made[tile.path()] = b"".join(part)
        full = len(level_hashes) // 256
        level_hashes = [tiles.fold(level_hashes[at * 256 :][:256]) for at in range(full)]
        level += 1
    return made


def test_the_specifications_example_of_70000_entries(stored):
    assert len(stored) == 273 + 1 + 1 + 1 + 1
    partial = [path for path in stored if ".p/" in path]
    assert partial == ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]
    assert list(tiles.levels_of(SIZE)) == [0, 1, 2]


def test_256_entries_are_one_full_tile_and_one_hash_above():
    assert [t.path() for level in tiles.levels_of(256) for t in tiles.tiles_of(level, 256)] == [
        "tile/0/000",
        "tile/1/000.p/1",
    ]
    assert list(tiles.levels_of(0)) == []
    assert list(tiles.levels_of(255)) == [0]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (tiles.Tile(0, 0, 1), "tile/0/000.p/1"),
        (tiles.Tile(63, 999), "tile/63/999"),
        (tiles.Tile(4, 1234067), "tile/4/x001/x234/067"),
        (tiles.Tile(tiles.ENTRIES, 1000, 255), "tile/entries/x001/000.p/255"),
    ],
)
def test_paths_as_the_specification_writes_them(tile, path):
    assert tile.path() == path
    assert tiles.parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    ["", "tile/0/00", "tile/0/0000", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/0/x000/001",
     "tile/0/x001", "tile/0/001/x002", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01",
     "tile/0/000.p/", "tile/0/000/", "/tile/0/000", "tile/0/../000", "tile/0/000\n",
     "tile/entries/000.p/1000", "tile/data/000", "tile/0/\u0661\u0661\u0661", "tile/0/x1/234"],
)  # fmt: skip
def test_any_other_path_is_refused(path):
    with pytest.raises(Refused, match="tile-path-malformed"):
        tiles.parse_path(path)


@given(st.integers(0, 2**40), st.integers(-1, 63), st.integers(1, 256))
def test_every_path_reads_back(index, level, width):
    tile = tiles.Tile(level, index, width)
    assert tiles.parse_path(tile.path()) == tile


@pytest.mark.parametrize("index", [0, 1, 255, 256, 65535, 65536, 69_888, 69_999])
def test_inclusion_is_proven_from_tiles_alone(stored, index):
    tree = tiles.TileTree(SIZE, lambda tile: stored[tile.path()])
    assert tree.root() == merkle.root_of(HASHES)
    merkle.verify_inclusion(index, SIZE, HASHES[index], tree.inclusion_proof(index), tree.root())


@pytest.mark.parametrize("old", [0, 1, 255, 256, 257, 65536, 65537, 69_999, 70_000])
def test_consistency_is_proven_from_tiles_alone(stored, old):
    tree = tiles.TileTree(SIZE, lambda tile: stored[tile.path()])
    proof = tree.consistency_proof(old)
    merkle.verify_consistency(old, SIZE, proof, merkle.root_of(HASHES[:old]), tree.root())


def test_a_changed_tile_proves_nothing(stored):
    bad = dict(stored)
    bad["tile/0/000"] = bytes([bad["tile/0/000"][0] ^ 1]) + bad["tile/0/000"][1:]
    tree = tiles.TileTree(SIZE, lambda tile: bad[tile.path()])
    with pytest.raises(Refused, match="inclusion-unproven"):
        merkle.verify_inclusion(1, SIZE, HASHES[1], tree.inclusion_proof(1), merkle.root_of(HASHES))


@pytest.mark.parametrize("data", [b"", b"x" * 33, b"x" * 8191, b"x" * 8193])
def test_a_tile_of_another_length_is_refused(data):
    tree = tiles.TileTree(300, lambda tile: data)
    with pytest.raises(Refused, match="tile-malformed"):
        tree.root()


def test_what_a_tree_does_not_have_is_refused():
    for level, index in [(0, 2), (0, -1), (2, 0)]:
        with pytest.raises(Refused, match="tile-absent"):
            tiles.tile_at(level, index, 300)


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_bundles_read_back(leaves):
    assert tiles.decode_bundle(tiles.encode_bundle(leaves), len(leaves)) == leaves


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"", 1), (b"\x00\x01a", 0), (b"\x00\x01a", 2), (b"\x00\x02a", 1), (b"\x00", 1),
     (b"\x00\x01a\x00", 1), (b"\x00\x01a\x00\x00", 1)],
)  # fmt: skip
def test_malformed_bundles_are_refused(data, width):
    with pytest.raises(Refused, match="bundle-malformed"):
        tiles.decode_bundle(data, width)


def test_a_leaf_that_fits_no_bundle_is_refused():
    with pytest.raises(Refused, match="leaf-too-long"):
        tiles.encode_bundle([b"x" * 65536])
