"""The growing tree: the tiles of the specification, however the leaves arrive."""

import random

import pytest

from meldeweg.audit.growing import GrowingTree
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.merkle import leaf_hash, root_of
from meldeweg.kernel.tiles import Tile, fold, levels_of, tiles_of

HASHES = [leaf_hash(b"%d" % n) for n in range(66_000)]


def expected(size):
    """Every tile of a tree of `size`, as the specification says."""
    made, row = {}, HASHES[:size]
    for level in levels_of(size):
        for tile in tiles_of(level, size):
            made[level, tile.index] = b"".join(row[tile.index * 256 :][: tile.width])
        row = [fold(row[at : at + 256]) for at in range(0, len(row) - len(row) % 256, 256)]
    return made


def fetcher(stored):
    return lambda tile: stored[tile.level, tile.index][: tile.width * 32]


@pytest.mark.parametrize("steps", [[1] * 600, [255, 1, 1, 255, 257], [66_000], [0, 300, 0, 65_700]])
def test_tiles_and_root_are_the_same_in_whatever_steps_the_leaves_come(steps):
    tree, stored = GrowingTree(), {}
    for step in steps:
        changed = tree.extend(HASHES[tree.size :][:step])
        for key, data in changed.items():
            assert data.startswith(stored.get(key, b""))  # a tile is only ever made longer
        stored |= changed
    assert stored == expected(tree.size)
    assert tree.root() == root_of(HASHES[: tree.size])
    tree.check(fetcher(stored))


def test_a_tree_that_is_taken_up_again_goes_on_as_if_it_had_never_stopped():
    rng = random.Random(3)
    whole, stored = GrowingTree(), {}
    while whole.size < 3000:
        step = rng.choice([1, 2, 100, 256, 300])
        again = GrowingTree.load(whole.size, whole.root(), fetcher(stored))
        added = HASHES[whole.size :][:step]
        changed = whole.extend(added)
        assert again.extend(added) == changed
        assert again.root() == whole.root()
        stored |= changed


def test_a_copy_grows_alone():
    tree = GrowingTree()
    tree.extend(HASHES[:300])
    other = tree.copy()
    other.extend(HASHES[300:310])
    assert tree.root() == root_of(HASHES[:300])
    assert tree.extend(HASHES[300:301])[0, 1] == b"".join(HASHES[256:301])


@pytest.mark.parametrize(("level", "index"), [(0, 0), (0, 2), (1, 0)])
def test_tiles_that_do_not_give_the_signed_root_are_not_taken_up(level, index):
    tree = GrowingTree()
    stored = tree.extend(HASHES[:600])
    bad = {**stored, (level, index): bytes(len(stored[level, index]))}
    if (level, index) != (0, 0):  # a full tile below is summed up in the one above
        with pytest.raises(Fatal, match="tiles-differ-from-checkpoint"):
            GrowingTree.load(600, tree.root(), fetcher(bad))
        with pytest.raises(Fatal, match="tiles-differ-from-leaves"):
            tree.check(fetcher(bad))
    assert Tile(level, index).path()
