"""Which inputs of a corpus are worth keeping: those that reach what the others do not.

Pure. Trusts libFuzzer for what each input reaches: the control file of its merge says so.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet


def features(control: str) -> dict[str, frozenset[int]]:
    """Read the control file of a merge: path of an input → numbers of what it reaches.

    Lines: how many files, how many of them were there before, their paths; then `FT n feature…`
    for the n-th (libFuzzer, FuzzerMerge.h). An input without such a line made the target fail.
    """
    lines = control.splitlines()
    count = int(lines[0])
    paths = lines[2 : 2 + count]
    found = (line.split() for line in lines[2 + count :] if line.startswith("FT "))
    return {paths[int(n)]: frozenset(map(int, reached)) for _, n, *reached in found}


def covering(
    reached: Mapping[bytes, AbstractSet[int]],
    known: AbstractSet[int] = frozenset(),
    limit: int = 40,
) -> list[bytes]:
    """Return at most `limit` inputs, the one that adds most to the ones before it first.

    Of two that add the same the shorter is taken, then the lesser by its bytes. What adds nothing
    to `known` and the others is left out.
    """
    left = {each: set(found) - known for each, found in reached.items()}
    kept: list[bytes] = []
    while left and len(kept) < limit:
        best = min(left, key=lambda each: (-len(left[each]), len(each), each))
        added = left.pop(best)
        if not added:
            break
        kept.append(best)
        left = {each: found - added for each, found in left.items()}
    return kept
