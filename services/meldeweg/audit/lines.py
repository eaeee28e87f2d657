"""`leaves.jsonl`: what each leaf commits to where it may be shown, one line per entry.

Guarantees: a line that is accepted is, byte for byte, the one that its leaf and statement give.
The topic's *name* is not in the leaf: it is bound by the manifests.

    {"index":0,"leaf":"…","genesis":{"year":2026,"previous":"…"}}
    {"index":1,"leaf":"…","topic":"inbox.…","offset":0,"statement":"…"}
    {"index":2,"leaf":"…","topic":"inbox.…","offset":1,"erased":true}

`statement` is the header's bytes as text where they are UTF-8, else {"b64":"…"}; null where the
record has not exactly one. Of a record's other parts the leaf alone is shown: its digest is checked
by those who hold the record.
"""

import base64
import json
from binascii import b2a_base64
from hashlib import sha256
from typing import Any, NamedTuple

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.leaf import (
    GENESIS,
    NO_STATEMENT,
    Leaf,
    parse_canonical,
    parse_leaf,
    statement_of,
)

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_decode = json.JSONDecoder().decode
_UNESCAPED = bytes(range(0x20, 0x7F)).replace(b"\\", b"").replace(b'"', b"")


class Shown(NamedTuple):
    """What a line shows, found to be what its leaf commits to. No `topic`: the genesis."""

    topic: str | None
    erased: bool
    statement: bytes | None


def write_line(index: int, leaf: bytes, topic: str | None, canonical: bytes | None) -> bytes:
    """Return the line of an entry, without a newline; `canonical` None: erased, or genesis."""
    statement = None if canonical is None else statement_of(parse_canonical(canonical).headers)
    return _line(index, leaf, parse_leaf(leaf), topic, statement, erased=canonical is None)


def read_line(data: bytes, index: int, leaf: bytes, parsed: Leaf) -> Shown:
    """Read the line of entry `index`, whose leaf is known from the tree.

    Refuses `line-malformed`, and `line-differs-from-leaf` when it shows something else.
    """
    return _plain(data, index, leaf, parsed) or _any(data, index, leaf, parsed)


def _plain(data: bytes, index: int, leaf: bytes, parsed: Leaf) -> Shown | None:
    """Read a line whose statement needs no escapes, as nearly all are; None: another line.

    Without JSON, as there is one such line for a leaf and a topic: in a fifth of the time.
    """
    start = b'{"index":%d,"leaf":"%s","topic":"' % (index, b2a_base64(leaf, newline=False))
    if not data.startswith(start):
        return None
    topic, _, rest = data[len(start) :].partition(b'"')
    middle = b',"offset":%d,"statement":"' % parsed.offset
    if not rest.startswith(middle) or not rest.endswith(b'"}'):
        return None
    statement = rest[len(middle) : -2]
    if statement.translate(None, _UNESCAPED) or topic.translate(None, _UNESCAPED):
        return None
    if sha256(statement).digest() != parsed.statement:
        raise Refused("line-differs-from-leaf", str(index))
    return Shown(topic.decode(), False, statement)


def _any(data: bytes, index: int, leaf: bytes, parsed: Leaf) -> Shown:
    try:
        line = _decode(data.decode())
        topic, erased = line.get("topic"), "statement" not in line
        statement = _bytes(line.get("statement"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise Refused("line-malformed", str(index)) from exc
    if topic is not None and not isinstance(topic, str):
        raise Refused("line-malformed", str(index))
    hashed = NO_STATEMENT if statement is None else sha256(statement).digest()
    same = _line(index, leaf, parsed, topic, statement, erased=erased) == data
    if not same or (hashed != parsed.statement and not erased):
        raise Refused("line-differs-from-leaf", str(index))
    genesis = parsed.kind == GENESIS
    return Shown(None if genesis else topic or "", erased and not genesis, statement)


def _line(
    index: int,
    leaf: bytes,
    parsed: Leaf,
    topic: str | None,
    statement: bytes | None,
    *,
    erased: bool,
) -> bytes:
    line: dict[str, Any] = {"index": index, "leaf": base64.b64encode(leaf).decode()}
    if parsed.kind == GENESIS:
        line["genesis"] = {"year": parsed.offset, "previous": parsed.statement.hex()}
    else:
        line |= {"topic": topic, "offset": parsed.offset}
        line |= {"erased": True} if erased else {"statement": _shown(statement)}
    return _encode(line).encode()


def _shown(data: bytes | None) -> str | dict[str, str] | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(data).decode()}


def _bytes(shown: Any) -> bytes | None:
    if isinstance(shown, str):
        return shown.encode()
    if shown is None:
        return None
    return base64.b64decode(shown["b64"])


def write_text(text: str) -> bytes:
    """Return the line of manifests.jsonl for the text of one manifest."""
    return _encode(text).encode()


def read_text(data: bytes) -> str:
    """Read a line of manifests.jsonl; refuses `line-malformed`."""
    try:
        text = _decode(data.decode())
    except (ValueError, RecursionError) as exc:
        raise Refused("line-malformed") from exc
    if not isinstance(text, str) or write_text(text) != data:
        raise Refused("line-malformed", "not in its one form")
    return text
