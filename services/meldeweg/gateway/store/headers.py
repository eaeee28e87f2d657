"""Headers of a record in one column, as their exact bytes."""

import struct

from meldeweg.kernel.errors import Fatal

Headers = tuple[tuple[str, bytes | None], ...]
_NULL = 0xFFFFFFFF


def pack(headers: Headers) -> bytes:
    """Return length-prefixed names and values; names keep bytes that are not UTF-8."""
    parts = []
    for name, value in headers:
        raw = name.encode("utf-8", "surrogateescape")
        parts.append(struct.pack(">II", len(raw), _NULL if value is None else len(value)))
        parts.append(raw)
        parts.append(value or b"")
    return b"".join(parts)


def unpack(data: bytes) -> Headers:
    """Read what `pack` wrote; `Fatal("store-damaged")` for anything else."""
    found: list[tuple[str, bytes | None]] = []
    place = 0
    while place < len(data):
        try:
            name_size, size = struct.unpack_from(">II", data, place)
        except struct.error as exc:
            raise Fatal("store-damaged", "headers") from exc
        start = place + 8 + name_size
        place = start + (0 if size == _NULL else size)
        if place > len(data):
            raise Fatal("store-damaged", "headers")
        name = data[start - name_size : start].decode("utf-8", "surrogateescape")
        found.append((name, None if size == _NULL else data[start:place]))
    return tuple(found)
