"""JSON and base64url, read strictly and written in one way.

Guarantees: a document that two readers could understand differently is refused, never repaired:
duplicate names, NaN, numbers outside I-JSON (RFC 7493), the integer `-0`, lone surrogates,
encodings other than UTF-8, deep nesting, trailing data, base64url that is not the one canonical
form (RFC 7515, C).
Refusals say where, never what: no byte of the input is in an exception or in its context.
Trusts: nothing about the input; its size is bounded by the caller.
"""

import base64
import binascii
import json
import math
import re
from contextlib import suppress
from typing import Any, NoReturn

from meldeweg.kernel.errors import Refused

_INT_MAX = 2**53 - 1  # what every JSON reader holds exactly, RFC 7493, 2.2
_NUMBER_CHARS = 32  # the longest shortest form of a double has 24


class _RejectedError(ValueError):
    """Raised by the hooks below while the parser runs."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RejectedError("duplicate name")
    return members


def _integer(text: str) -> int:
    # Length first: converting a very long number takes quadratic time.
    if len(text) > _NUMBER_CHARS or not -_INT_MAX <= (number := int(text)) <= _INT_MAX:
        raise _RejectedError("integer out of range")
    if text == "-0":  # one reader keeps its sign, another does not
        raise _RejectedError("minus zero")
    return number


def _float(text: str) -> float:
    if len(text) > _NUMBER_CHARS or not math.isfinite(number := float(text)):
        raise _RejectedError("number out of range")
    return number


def _constant(text: str) -> NoReturn:
    raise _RejectedError("NaN or Infinity")


_STANDARD = bytes(
    {ord("-"): ord("+"), ord("_"): ord("/")}.get(each, ord("!") if each in b"+/=" else each)
    for each in range(256)
)
_PADDING = (b"", b"", b"==", b"=")
# Characters whose bits beyond the last byte are zero (RFC 4648, 3.5); one left over is never right.
_LAST = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")

# A string, also one that never ends: else each of its characters would be tried as a beginning.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)

_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
)
_ENCODER = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
)


def loads(data: bytes, *, max_depth: int = 32, code: str = "json-malformed") -> Any:
    """Read one JSON document from UTF-8 bytes, or raise `Refused(code)`.

    `max_depth`: how many objects and arrays may lie inside one another.
    """
    value, problem = _decode(data)
    if not problem:
        problem = _check(data, value, max_depth)
    if problem:
        # Outside any `except`: the parser's own errors carry the document as an attribute.
        raise Refused(code, problem)
    return value


def crowded(data: bytes, most: int) -> bool:
    """Tell whether a JSON text has more than `most` members and elements in all.

    For those who read a document of a known size: what has a million is refused before a parser or
    a schema makes an object, or a mistake, of each. Counted without parsing; strings are looked for
    only where commas and brackets are that many at all.
    """
    if _separators(data) <= most:
        return False
    return _separators(_STRING.sub(b"", data)) > most


def _separators(data: bytes) -> int:
    return data.count(b",") + data.count(b"{") + data.count(b"[")


def _decode(data: bytes) -> tuple[Any, str]:
    try:
        return _DECODER.decode(data.decode("utf-8")), ""
    except UnicodeDecodeError as exc:
        return None, f"not UTF-8 at byte {exc.start}"
    except json.JSONDecodeError as exc:
        return None, f"not JSON at character {exc.pos}"
    except _RejectedError as exc:
        return None, str(exc)
    except RecursionError:
        return None, "nested too deeply"


def _check(data: bytes, value: Any, max_depth: int) -> str:
    """Return what is wrong with nesting or text; each walk only where the bytes make it needed."""
    if data.count(b"{") + data.count(b"[") > max_depth and _deeper_than(value, max_depth):
        return "nested too deeply"
    # UTF-8 cannot hold a surrogate, so a lone one can only come from an escape.
    # One character is looked for many times faster than three.
    escapes = b"\\" in data and (b"\\ud" in data or b"\\uD" in data)
    if escapes and _has_surrogate(value):
        return "lone surrogate"
    return ""


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _has_surrogate(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def dumps(value: Any) -> bytes:
    """Write compact UTF-8 JSON with sorted names: the same value gives the same bytes.

    What is signed are these exact bytes; nobody writes them again to verify. Not a canonical form
    in the sense of RFC 8785. Whatever `loads` returned can be written and read again; larger
    integers are the caller's mistake. `Refused("json-unwritable")` for NaN and lone surrogates.
    """
    data = b""
    with suppress(ValueError):  # raised below, so that the value is not in the exception's context
        data = _ENCODER.encode(value).encode("utf-8")
    if not data:
        raise Refused("json-unwritable", "NaN, Infinity or a lone surrogate")
    return data


def b64u_encode(data: bytes) -> str:
    """Return base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64u_decode(text: str | bytes, *, code: str = "base64url-malformed") -> bytes:
    """Return the bytes of which `text` is *the* base64url form, or raise `Refused(code)`.

    The library passes over trailing bits; the last character shows them. Padding and what belongs
    to the other alphabet alone are turned into what its strict mode refuses.
    """
    data: bytes | None = None
    with suppress(ValueError):  # binascii.Error and UnicodeEncodeError; raised below, without text
        raw = text.encode("ascii") if isinstance(text, str) else bytes(text)
        rest = len(raw) % 4
        if rest == 0 or raw[-1] in _LAST[rest]:
            standard = raw.translate(_STANDARD) + _PADDING[rest]
            data = binascii.a2b_base64(standard, strict_mode=True)
    if data is None:
        raise Refused(code, "not canonical base64url")
    return data
