"""The proofs of log.json (see make_log): good ones, and bent in every way that may be missed."""

from typing import Any

from meldeweg.kernel.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    range_hash,
    root_of,
)
from vectors.log_export import b64

TREE = 23
PROVEN = ((0, 1), (0, 2), (1, 2), (2, 3), (5, 7), (0, 8), (7, 8), (8, 9), (12, 23), (22, 23))
EXTENDED = ((1, 1), (1, 2), (2, 3), (3, 4), (4, 8), (6, 8), (7, 8), (8, 9), (16, 23), (23, 23))


def proofs() -> dict[str, list[dict[str, Any]]]:
    """Proofs of a tree of 23 leaves, and the same bent in every way that a reader could miss."""
    hashes = [leaf_hash(b"%d" % n) for n in range(TREE)]

    def read(level: int, index: int) -> bytes:
        return root_of(hashes[index << level : (index + 1) << level])

    def root(size: int) -> bytes:
        return range_hash(0, size, read)

    included = [
        {"index": index, "size": size, "leaf": hashes[index], "root": root(size),
         "proof": inclusion_proof(index, size, read)}
        for index, size in PROVEN
    ]  # fmt: skip
    extended = [
        {"old": old, "size": size, "old_root": root(old), "root": root(size),
         "proof": consistency_proof(old, size, read)}
        for old, size in EXTENDED
    ]  # fmt: skip
    return {
        "inclusion": [case for each in included for case in _bent(each, "leaf", "index")],
        "consistency": [case for each in extended for case in _bent(each, "old_root", "old")],
    }


def _bent(good: dict[str, Any], hashed: str, at: str) -> list[dict[str, Any]]:
    """The good case and its bent ones, for each of which `ok` is false."""
    proof, zero = good["proof"], bytes(32)
    cases = [
        ("good", good),
        ("zero root", good | {"root": zero}),
        ("zero hash", good | {hashed: zero}),
    ]
    cases += [
        ("a node more at the end", good | {"proof": [*proof, zero]}),
        ("a node more at the beginning", good | {"proof": [zero, *proof]}),
        ("the root as a node more", good | {"proof": [*proof, good["root"]]}),
        ("beyond the tree", good | {at: good["size"] + 1}),
        ("of nothing", good | {"size": 0}),
    ]
    if good["size"] > 1 and proof:
        cases += [
            ("a node less", good | {"proof": proof[:-1]}),
            ("the first node less", good | {"proof": proof[1:]}),
            ("no node", good | {"proof": []}),
            (
                "a node changed",
                good | {"proof": [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]]},
            ),
            (
                "the last node changed",
                good | {"proof": [*proof[:-1], proof[-1][:-1] + bytes([proof[-1][-1] ^ 1])]},
            ),
        ]
    if len(proof) > 1:
        cases.append(("nodes in another order", good | {"proof": proof[::-1]}))
    return [
        {"name": name, "ok": name == "good"}
        | {member: _plain(value) for member, value in case.items()}
        for name, case in cases
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [b64(each) for each in value]
    return b64(value) if isinstance(value, bytes) else value
