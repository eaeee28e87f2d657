"""The Merkle tree of the audit log: RFC 6962 hashing, RFC 9162 proofs, SHA-256.

Guarantees: a verification that returns has proven its claim; one that cannot raises `Refused`.
Trusts nothing but SHA-256; proofs, indices and sizes may come from anyone.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from meldeweg.kernel.errors import Refused

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

ReadNode = Callable[[int, int], bytes]
"""(level, index) -> hash of the complete subtree over leaves [index << level, index+1 << level)."""


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962, 2.1: the prefix 0x00 keeps a leaf from passing as a node."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962, 2.1: the prefix 0x01 keeps a node from passing as a leaf."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: one hash for each complete subtree, largest first.

    All that appending needs, so a tree of any size fits in at most 63 hashes.
    """

    __slots__ = ("_edge", "size")

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        if size < 0 or len(edge) != size.bit_count() or any(len(h) != HASH_SIZE for h in edge):
            raise Refused("frontier-malformed", f"{len(edge)} hashes for a tree of {size}")
        self.size = size
        self._edge = list(edge)

    @property
    def edge(self) -> tuple[bytes, ...]:
        return tuple(self._edge)

    def copy(self) -> "Frontier":
        return Frontier(self.size, self._edge)

    def append(self, hashed: bytes) -> None:
        """Add one leaf by its `leaf_hash`."""
        size, edge = self.size, self._edge
        while size & 1:
            hashed = sha256(b"\x01" + edge.pop() + hashed).digest()
            size >>= 1
        edge.append(hashed)
        self.size += 1

    def extend(self, hashes: Iterable[bytes]) -> None:
        for hashed in hashes:
            self.append(hashed)

    def root(self) -> bytes:
        if not self._edge:
            return EMPTY_ROOT
        root = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            root = node_hash(left, root)
        return root


def root_of(hashes: Iterable[bytes]) -> bytes:
    """Root over leaf hashes."""
    frontier = Frontier()
    frontier.extend(hashes)
    return frontier.root()


def range_hash(start: int, end: int, read: ReadNode) -> bytes:
    """MTH(D[start:end]) where `start` is aligned as RFC 6962 splits trees; never an empty range."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return read(level, start >> level)
    middle = start + _split(width)
    return node_hash(range_hash(start, middle, read), range_hash(middle, end, read))


def root_at(size: int, read: ReadNode) -> bytes:
    """Root of the first `size` leaves."""
    return range_hash(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: ReadNode) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962, 2.1.1, from the leaf upwards."""
    if not 0 <= index < size:
        raise Refused("index-out-of-range", f"{index} of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_hash(middle, end, read))
            end = middle
        else:
            path.append(range_hash(start, middle, read))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, read: ReadNode) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962, 2.1.2; empty from nothing and to itself."""
    if not 0 <= old <= new:
        raise Refused("size-out-of-range", f"{old} of {new}")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, end = 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_hash(middle, end, read))
            end = middle
        else:
            path.append(range_hash(start, middle, read))
            start = middle
    if start:  # a subtree that begins at 0 is the old tree itself, whose root is known
        path.append(range_hash(start, end, read))
    return path[::-1]


def verify_inclusion(
    index: int, size: int, hashed: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """RFC 9162, 2.1.3.2. Raises `Refused("inclusion-unproven")`."""
    if not 0 <= index < size:
        raise Refused("inclusion-unproven", f"index {index} is not in a tree of {size}")
    _check_sizes("inclusion-unproven", hashed, root, *proof)
    inner, last, result = index, size - 1, hashed
    for step in proof:
        if last == 0:
            raise Refused("inclusion-unproven", "the proof is too long")
        if inner & 1 or inner == last:
            result = node_hash(step, result)
            while not inner & 1 and inner:
                inner, last = inner >> 1, last >> 1
        else:
            result = node_hash(result, step)
        inner, last = inner >> 1, last >> 1
    if last != 0 or result != root:
        raise Refused("inclusion-unproven", f"index {index}, tree of {size}")


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """RFC 9162, 2.1.4.2. Raises `Refused("consistency-unproven")`."""
    _check_sizes("consistency-unproven", old_root, new_root, *proof)
    if not 0 <= old <= new:
        raise Refused("consistency-unproven", f"a tree of {new} cannot extend one of {old}")
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if proof or old_root != expected or (new == 0 and new_root != EMPTY_ROOT):
            raise Refused("consistency-unproven", f"{old} to {new}")
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise Refused("consistency-unproven", "the proof is empty")
    inner, last = old - 1, new - 1
    while inner & 1:
        inner, last = inner >> 1, last >> 1
    old_result, new_result, rest = _chain(inner, last, path)
    if rest != 0 or old_result != old_root or new_result != new_root:
        raise Refused("consistency-unproven", f"{old} to {new}")


def _chain(inner: int, last: int, path: Sequence[bytes]) -> tuple[bytes, bytes, int]:
    """Return both roots that `path` leads to, and what is left of the way to the top (0: none)."""
    old_result = new_result = path[0]
    for step in path[1:]:
        if last == 0:
            raise Refused("consistency-unproven", "the proof is too long")
        if inner & 1 or inner == last:
            old_result, new_result = node_hash(step, old_result), node_hash(step, new_result)
            while not inner & 1 and inner:
                inner, last = inner >> 1, last >> 1
        else:
            new_result = node_hash(new_result, step)
        inner, last = inner >> 1, last >> 1
    return old_result, new_result, last


def _split(width: int) -> int:
    """Return the largest power of two smaller than `width` (at least 2)."""
    return 1 << (width - 1).bit_length() - 1


def _check_sizes(code: str, *hashes: bytes) -> None:
    if any(len(hashed) != HASH_SIZE for hashed in hashes):
        raise Refused(code, "a hash is not 32 bytes long")
