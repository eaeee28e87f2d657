"""The tree, against RFC 6962's known hashes and against Go code that nobody here wrote."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interop.sumdb_judge import judge  # noqa: F401 - a fixture
from meldeweg.kernel import merkle
from meldeweg.kernel.errors import Refused

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/rfc6962.json").read_text())
LEAVES = [bytes.fromhex(text) for text in VECTORS["leaves"]]
HASHES = [merkle.leaf_hash(b"%d" % n) for n in range(300)]


def reader(hashes):
    """Nodes computed from all leaves: slow, obvious, and no code shared with Frontier."""

    def read(level, index):
        nodes = hashes[index << level : (index + 1) << level]
        assert len(nodes) == 1 << level
        while len(nodes) > 1:
            nodes = [merkle.node_hash(*nodes[at : at + 2]) for at in range(0, len(nodes), 2)]
        return nodes[0]

    return read


def root(size):
    return merkle.root_at(size, reader(HASHES))


def test_leaf_and_node_hash_as_in_rfc6962():
    leaf, node = VECTORS["leaf"], VECTORS["node"]
    assert merkle.leaf_hash(bytes.fromhex(leaf["input"])).hex() == leaf["hash"]
    left, right = bytes.fromhex(node["left"]), bytes.fromhex(node["right"])
    assert merkle.node_hash(left, right).hex() == node["hash"]
    assert [merkle.leaf_hash(data).hex() for data in LEAVES] == VECTORS["leaf_hashes"]


@pytest.mark.parametrize("size", range(9))
def test_known_roots_of_every_size(size):
    hashes = [merkle.leaf_hash(data) for data in LEAVES[:size]]
    assert merkle.root_of(hashes).hex() == VECTORS["roots"][size]
    assert merkle.root_at(size, reader(hashes)).hex() == VECTORS["roots"][size]


def test_appending_one_by_one_gives_the_root_of_the_whole_at_every_size():
    frontier = merkle.Frontier()
    for size, hashed in enumerate(HASHES, 1):
        frontier.append(hashed)
        assert frontier.root() == root(size)
        again = merkle.Frontier(size, frontier.edge)
        assert again.root() == frontier.root()


def test_a_copied_frontier_grows_alone():
    one = merkle.Frontier()
    one.extend(HASHES[:5])
    two = one.copy()
    two.append(HASHES[5])
    assert (one.root(), two.root()) == (root(5), root(6))


@pytest.mark.parametrize(
    ("size", "edge"), [(1, []), (0, [b"x" * 32]), (3, [b"x" * 32, b"y"]), (-1, [])]
)
def test_a_frontier_that_fits_no_tree_is_refused(size, edge):
    with pytest.raises(Refused, match="frontier-malformed"):
        merkle.Frontier(size, edge)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 64, 100])
def test_every_leaf_is_proven_and_no_other_leaf_in_its_place(size):
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, reader(HASHES))
        merkle.verify_inclusion(index, size, HASHES[index], proof, root(size))
        for wrong in {index - 1, index + 1, size, -1}:
            with pytest.raises(Refused, match="inclusion-unproven"):
                merkle.verify_inclusion(wrong, size, HASHES[index], proof, root(size))
        with pytest.raises(Refused, match="inclusion-unproven"):
            merkle.verify_inclusion(index, size, HASHES[index + 1], proof, root(size))


@pytest.mark.parametrize("new", [1, 2, 3, 7, 8, 9, 33])
def test_every_older_tree_is_proven_and_no_fork_of_it(new):
    for old in range(1, new + 1):
        proof = merkle.consistency_proof(old, new, reader(HASHES))
        merkle.verify_consistency(old, new, proof, root(old), root(new))
        for roots in [(root(old), root(new + 1)), (HASHES[-1], root(new))]:
            with pytest.raises(Refused, match="consistency-unproven"):
                merkle.verify_consistency(old, new, proof, *roots)


@pytest.mark.parametrize(
    ("old", "new", "old_root", "new_root"),
    [(0, 5, "00" * 32, "01" * 32), (0, 0, "00" * 32, "00" * 32), (3, 2, "00" * 32, "01" * 32)],
)
def test_no_tree_extends_what_it_cannot(old, new, old_root, new_root):
    with pytest.raises(Refused, match="consistency-unproven"):
        merkle.verify_consistency(old, new, [], bytes.fromhex(old_root), bytes.fromhex(new_root))


def test_hashes_of_another_length_prove_nothing():
    with pytest.raises(Refused, match="inclusion-unproven"):
        merkle.verify_inclusion(0, 1, b"short", [], b"short")
    with pytest.raises(Refused, match="consistency-unproven"):
        merkle.verify_consistency(1, 1, [], b"short", b"short")


@pytest.mark.parametrize("index", [-1, 4])
def test_no_proof_is_made_for_what_is_not_there(index):
    with pytest.raises(Refused, match="index-out-of-range"):
        merkle.inclusion_proof(index, 4, reader(HASHES))
    with pytest.raises(Refused, match="size-out-of-range"):
        merkle.consistency_proof(5, 4, reader(HASHES))


def bent(proof, rng):
    """The proof as it is, or changed in one of the ways in which verifiers have failed before."""
    proof = list(proof)
    match rng.randrange(7):
        case 0 if proof:
            at = rng.randrange(len(proof))
            proof[at] = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        case 1 if proof:
            proof.pop(rng.randrange(len(proof)))
        case 2:
            proof.insert(rng.randrange(len(proof) + 1), rng.choice(HASHES))
        case 3 if proof:
            proof.append(proof[-1])
        case 4:
            rng.shuffle(proof)
        case _:
            pass
    return proof


def accepts(check, *args):
    try:
        check(*args)
    except Refused:
        return False
    return True


def test_verdicts_on_thousands_of_bent_proofs_are_those_of_two_go_implementations(judge):  # noqa: F811
    rng = random.Random(6962)
    accepted = 0
    for _ in range(2000):
        size = rng.randrange(1, 70)
        index = rng.randrange(size)
        proof = bent(merkle.inclusion_proof(index, size, reader(HASHES)), rng)
        index, size = max(0, index + rng.choice([0, 0, 0, 1, -1])), size + rng.choice([0, 0, 0, 1])
        if index >= size:
            continue  # the checksum database panics there; ours is tested above
        leaf = HASHES[index]
        verdict = judge.ask(
            "inclusion", Index=index, Size=size, Leaf=leaf, Root=root(size), Proof=proof
        )
        assert "disagree" not in verdict.get("why", "")
        assert (
            accepts(merkle.verify_inclusion, index, size, leaf, proof, root(size)) is verdict["ok"]
        )
        accepted += verdict["ok"]
    for _ in range(2000):
        size = rng.randrange(2, 70)
        old = rng.randrange(1, size)  # from nothing and to itself: tested above
        proof = bent(merkle.consistency_proof(old, size, reader(HASHES)), rng)
        claimed = min(max(1, old + rng.choice([0, 0, 0, 1, -1])), size - 1)
        verdict = judge.ask(
            "consistency", Old=claimed, Size=size, OldRoot=root(old), Root=root(size), Proof=proof
        )
        assert "disagree" not in verdict.get("why", "")
        ours = accepts(merkle.verify_consistency, claimed, size, proof, root(old), root(size))
        assert ours is verdict["ok"]
        accepted += verdict["ok"]
    assert 500 < accepted < 3000  # both verdicts were really asked for


@given(st.integers(0, 80), st.integers(0, 80), st.lists(st.binary(max_size=33), max_size=9))
def test_no_input_makes_a_verifier_do_anything_but_prove_or_refuse(a, b, proof):
    accepts(merkle.verify_inclusion, a, b, HASHES[0], proof, HASHES[1])
    accepts(merkle.verify_consistency, a, b, proof, HASHES[0], HASHES[1])
