"""Mutations that keep the outer form, so that what lies behind a strict parser is reached as well.

libFuzzer bends bytes; most bent JSON is no JSON. These take a document apart, change one place of
it in a way a forger would think of, and write it again. `again`: libFuzzer's own mutation.
"""

import json
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

Again = Callable[[bytes, int], bytes]
_ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**53 - 1,
    2**53,
    2**63,
    10**400,
    int("9" * 4299),
    1.5,
    1e300,
    "",
    " ",
    "\x00",
    "\ud800",
    "\u202e",
    "\x1b[2J",
    "a" * 300,
    "0001-01-01T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "2026-02-30T00:00:00.000Z",
    "9999-12-01",
    "1000-01-01",
    "2026-11-22",
    "0" * 64,
    "f" * 64,
    "A" * 43,
    "none",
    "EdDSA",
    "polizei-viersen",
    "jugendamt-kreis-viersen",
    "05166008",
    [],
    {},
    [[]],
    [[[[[[[[[]]]]]]]]],
    {"a": {"a": {}}},
    "meldeweg.statement.v1+jws",
    "meldeweg.heartbeat.v1+jws",
    "immediate",
    "receipt",
    "message",
)


def mutate(shape: str, data: bytes, size: int, seed: int, again: Again) -> bytes:
    """Return a bent input of at most `size` bytes."""
    drawn = random.Random(seed)
    if shape == "bytes" or drawn.random() < 0.35:
        return again(data, size)
    head, rest = (data[:1], data[1:]) if shape == "byte+json" else (b"", data)
    if shape == "byte+json" and drawn.random() < 0.05:
        return bytes([drawn.randrange(10)]) + rest
    bent = _jws(rest, drawn, again) if rest.count(b".") == 2 else _json(rest, drawn)
    if bent is None or len(bent) + len(head) > size:
        return again(data, size)
    return head + bent


def _jws(token: bytes, drawn: random.Random, again: Again) -> bytes | None:
    prefix = token[:1] if token[:1] in (b"\x00", b"\x01", b"\x08") else b""
    parts = token[len(prefix) :].split(b".")
    which = drawn.randrange(3)
    try:
        inner = urlsafe_b64decode(parts[which] + b"=" * (-len(parts[which]) % 4))
    except ValueError:
        return None
    bent = _json(inner, drawn) if which < 2 else None
    bent = again(inner, len(inner) + 20) if bent is None else bent
    parts[which] = urlsafe_b64encode(bent).rstrip(b"=")
    return prefix + b".".join(parts)


def _json(data: bytes, drawn: random.Random) -> bytes | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    for _ in range(drawn.choice((1, 1, 1, 2, 4))):
        document = _bent(document, drawn)
    try:
        text = _written(document)
        return text.encode("utf-8", "surrogatepass") if drawn.random() < 0.1 else text.encode()
    except (ValueError, RecursionError):
        return None


def _written(document: Any) -> str:
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return text.replace("\ud800", "\\ud800")


def _bent(value: Any, drawn: random.Random) -> Any:  # noqa: PLR0911 - each way to bend
    """Walk down to a place and change it."""
    if isinstance(value, dict) and value and drawn.random() < 0.8:
        name = drawn.choice(list(value))
        match drawn.randrange(12):
            case 0:
                return {each: one for each, one in value.items() if each != name}
            case 1:
                return value | {name + drawn.choice(("x", "_", "\ud800", "")): drawn.choice(_ODD)}
            case 2:
                moved = dict(value)
                moved[name] = moved.pop(name)
                return moved
            case _:
                return value | {name: _bent(value[name], drawn)}
    if isinstance(value, list) and value and drawn.random() < 0.8:
        at = drawn.randrange(len(value))
        match drawn.randrange(6):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value + [value[at]] * drawn.choice((1, 2, 60, 300))
            case _:
                return [*value[:at], _bent(value[at], drawn), *value[at + 1 :]]
    if isinstance(value, str) and drawn.random() < 0.4:
        return _text(value, drawn)
    if type(value) is int and drawn.random() < 0.4:
        return value + drawn.choice((-1, 1, -value, 2**53))
    return drawn.choice(_ODD)


def _text(text: str, drawn: random.Random) -> str:
    at = drawn.randrange(len(text) + 1)
    return text[:at] + drawn.choice(("", "\n", "0", "9", "-", "Z", "\x7f", "ä")) + text[at + 1 :]
