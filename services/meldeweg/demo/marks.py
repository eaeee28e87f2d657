"""Look for a payload's words in every file of a stack, in every encoding one could think of.

Guarantees: a word is found as UTF-8, UTF-16, Latin-1, percent-escaped, as JSON escapes in small or
capital letters, in hexadecimal, and in base64 and base64url at each of the three alignments. What
is compressed or encrypted is not looked into; topics and stores here are neither compressed nor
encrypted as a whole.
"""

import base64
import errno
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

_ESCAPE = re.compile(rb"\\u[0-9a-f]{4}")
_SHORTEST = 6  # bytes; shorter needles are found by chance


def encodings(word: str) -> frozenset[bytes]:
    """Return the byte strings that give the word away."""
    raw = word.encode()
    found = {
        raw,
        word.encode("utf-16-le"),
        word.encode("utf-16-be"),
        quote(word).encode(),
        escaped := json.dumps(word)[1:-1].encode(),
        _ESCAPE.sub(lambda one: one[0].upper().replace(b"U", b"u"), escaped),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    }
    with suppress(UnicodeEncodeError):
        found.add(word.encode("latin-1"))
    for before in range(3):
        # Only whole groups of three bytes are the same whatever stands beside the word.
        whole = raw[(3 - before) % 3 :]
        inner = base64.b64encode(whole[: len(whole) // 3 * 3])
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return frozenset(needle for needle in found if len(needle) >= _SHORTEST)


def found_in(root: Path, words: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Yield each file below `root` that holds one of the words, with the word."""
    needles = {word: encodings(word) for word in words}
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        try:
            found = {
                word
                for extent in _written(path)
                for word, forms in needles.items()
                if any(form in extent for form in forms)
            }
        except FileNotFoundError:
            continue  # a segment that was deleted meanwhile
        yield from ((path, word) for word in sorted(found))


def _written(path: Path) -> Iterator[bytes]:
    """Yield what was ever written of a file: the broker reserves far more than it writes."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while at < size:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError as exc:
                if exc.errno == errno.ENXIO:
                    return  # nothing but a hole up to the end
                raise
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            yield os.pread(file.fileno(), end - at, at)
            at = end
