"""Look for a payload's words in every file of a stack, in every encoding one could think of.

Guarantees: a word is found as UTF-8, UTF-16, percent-escaped, as JSON escapes, in hexadecimal, and
in base64 and base64url at each of the three alignments. What is compressed or encrypted is not
looked into; topics and stores here are neither compressed nor encrypted as a whole.
"""

import base64
import json
import mmap
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

_SHORTEST = 6  # bytes; shorter needles are found by chance


def encodings(word: str) -> frozenset[bytes]:
    """Return the byte strings that give the word away."""
    raw = word.encode()
    found = {
        raw,
        word.encode("utf-16-le"),
        word.encode("utf-16-be"),
        quote(word).encode(),
        json.dumps(word)[1:-1].encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    }
    for before in range(3):
        # Only whole groups of three bytes are the same whatever stands beside the word.
        whole = raw[(3 - before) % 3 :]
        inner = base64.b64encode(whole[: len(whole) // 3 * 3])
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return frozenset(needle for needle in found if len(needle) >= _SHORTEST)


def found_in(root: Path, words: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Yield each file below `root` that holds one of the words, with the word."""
    needles = {word: re.compile(b"|".join(map(re.escape, encodings(word)))) for word in words}
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        try:
            with path.open("rb") as file:
                if path.stat().st_size == 0:
                    continue
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    yield from ((path, word) for word, one in needles.items() if one.search(data))
        except (FileNotFoundError, ValueError):
            continue  # a segment that was deleted meanwhile
