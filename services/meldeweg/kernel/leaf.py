"""Leaves of the audit log: what a Kafka record looks like in the tree. Byte-exact, version 1.

Guarantees: every record has exactly one leaf, however malformed it is, and two different records
have different leaves; a leaf says nothing about what it commits to. Trusts nothing.

Leaf, 96 bytes, big-endian:

    0   4   magic "MWLF"
    4   1   version, 1
    5   1   kind: 0 genesis, 1 record; 2 is kept for the log's own entries (deletion of a range)
    6   2   zero
    8   16  topic id (Kafka's UUID)            genesis: zero
    24  8   offset in the topic's partition 0   genesis: calendar year
    32  32  SHA-256 of the canonical record     genesis: SHA-256 of the log's origin
    64  32  SHA-256 of the header `statement`   genesis: SHA-256 of the text of the last checkpoint
            (zero: none, or not exactly one)             of the year before (zero: the first log)

Canonical record: "meldeweg.record.v1\\n", key, number of headers (uint32), each header as name and
value, value. Key, header value: 0x00 for null, else 0x01, length (uint32), bytes. Header name:
length (uint32), the bytes on the wire. Value: 0x00 for null, else 0x01 and its SHA-256: so the
audit can keep what was committed without keeping the content.
"""

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from meldeweg.kernel.errors import Refused

LEAF_SIZE = 96
GENESIS = 0
RECORD = 1
NO_STATEMENT = bytes(32)

_MAGIC = b"MWLF\x01"
_LEAF = struct.Struct(">5sBH16sQ32s32s")
_DOMAIN = b"meldeweg.record.v1\n"
_STATEMENT = b"statement"
_NULL = b"\x00"
_LENGTH = struct.Struct(">I")
_PRESENT = struct.Struct(">BI")
# Names are few and always the same ones, so their forms are kept in memory. One that an attacker
# made long is not: some hundred of them would fill it.
_NAME = 64

Headers = Sequence[tuple[bytes, bytes | None]]


class Leaf(NamedTuple):
    """A record's place and the digests of what stood there; see the module for a genesis."""

    topic_id: bytes
    offset: int
    record: bytes
    statement: bytes = NO_STATEMENT
    kind: int = RECORD

    def encode(self) -> bytes:
        return _LEAF.pack(
            _MAGIC, self.kind, 0, self.topic_id, self.offset, self.record, self.statement
        )


class Committed(NamedTuple):
    """A canonical record, taken apart."""

    key: bytes | None
    headers: tuple[tuple[bytes, bytes | None], ...]
    value_sha256: bytes | None


def parse_leaf(data: bytes) -> Leaf:
    """Read a leaf; refuses `leaf-malformed`."""
    if len(data) != LEAF_SIZE:
        raise Refused("leaf-malformed", f"{len(data)} bytes")
    magic, kind, zero, topic_id, offset, record, statement = _LEAF.unpack(data)
    if magic != _MAGIC or kind not in (GENESIS, RECORD) or zero != 0:
        raise Refused("leaf-malformed", "magic, version or kind")
    if kind == GENESIS and any(topic_id):
        raise Refused("leaf-malformed", "a genesis is of no topic")
    return Leaf(topic_id, offset, record, statement, kind)


def genesis(origin: str, year: int, previous: bytes = NO_STATEMENT) -> Leaf:
    """First leaf of a year's log; `previous`: SHA-256 of the last checkpoint's text before it."""
    return Leaf(bytes(16), year, sha256(origin.encode()).digest(), previous, GENESIS)


def raw_headers(headers: Iterable[tuple[str, bytes | None]]) -> Headers:
    """Give header names back their bytes on the wire (read with `surrogateescape`)."""
    return tuple((name.encode("utf-8", "surrogateescape"), value) for name, value in headers)


def canonical_record(key: bytes | None, headers: Headers, value_sha256: bytes | None) -> bytes:
    """The bytes whose digest a leaf carries; `value_sha256` None for a null value."""
    parts = [_DOMAIN, _NULL if key is None else _present(len(key)) + key]
    parts.append(_LENGTH.pack(len(headers)))
    for name, value in headers:
        parts.append(_known_name(name) if len(name) <= _NAME else _counted_name(name))
        if value is None:
            parts.append(_NULL)
        else:
            parts.append(_present(len(value)))
            parts.append(value)
    parts.append(_NULL if value_sha256 is None else b"\x01" + value_sha256)
    return b"".join(parts)


def _counted_name(name: bytes) -> bytes:
    return _LENGTH.pack(len(name)) + name


_known_name = lru_cache(256)(_counted_name)


@lru_cache(4096)
def _present(length: int) -> bytes:
    return _PRESENT.pack(1, length)


def parse_canonical(data: bytes) -> Committed:
    """Take a canonical record apart; refuses `canonical-malformed`."""
    if not data.startswith(_DOMAIN):
        raise Refused("canonical-malformed", "domain")
    try:
        at = len(_DOMAIN)
        key, at = _optional(data, at)
        (count,) = _LENGTH.unpack_from(data, at)
        at += 4
        headers = []
        for _ in range(count):
            name, at = _counted(data, at)
            value, at = _optional(data, at)
            headers.append((name, value))
        value_sha256 = None if data[at:] == b"\x00" else data[at + 1 :]
    except (struct.error, IndexError) as exc:
        raise Refused("canonical-malformed", "cut short") from exc
    if value_sha256 is not None and (len(value_sha256) != 32 or data[at] != 1):
        raise Refused("canonical-malformed", "value")
    return Committed(key, tuple(headers), value_sha256)


def statement_of(headers: Headers) -> bytes | None:
    """Return the one `statement` header; None when there is none, or not exactly one."""
    found = None
    seen = False
    for name, value in headers:
        if name == _STATEMENT:
            if seen:
                return None
            found, seen = value, True
    return found


def leaf_of(topic_id: bytes, offset: int, canonical: bytes, headers: Headers) -> Leaf:
    """Leaf of a record whose `canonical_record` and headers are given."""
    statement = statement_of(headers)
    return Leaf(
        topic_id,
        offset,
        sha256(canonical).digest(),
        NO_STATEMENT if statement is None else sha256(statement).digest(),
    )


def leaf_of_record(
    topic_id: bytes,
    offset: int,
    key: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
    value: bytes | None,
) -> Leaf:
    """Leaf of a record as Kafka hands it over: what a gateway looks for in the log."""
    raw = raw_headers(headers)
    digest = None if value is None else sha256(value).digest()
    return leaf_of(topic_id, offset, canonical_record(key, raw, digest), raw)


def _counted(data: bytes, at: int) -> tuple[bytes, int]:
    (length,) = _LENGTH.unpack_from(data, at)
    end = at + 4 + length
    if end > len(data):
        raise Refused("canonical-malformed", "cut short")
    return data[at + 4 : end], end


def _optional(data: bytes, at: int) -> tuple[bytes | None, int]:
    flag = data[at]
    if flag == 0:
        return None, at + 1
    if flag != 1:
        raise Refused("canonical-malformed", "flag")
    return _counted(data, at + 1)
