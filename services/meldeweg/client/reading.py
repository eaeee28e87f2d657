"""Turns JSON into the values of `types`. Unknown members are passed over, missing ones refused.

Trusts nothing of an answer. What is raised is raised outside any `except`: the exceptions of the
parsers carry the answer, and nothing of it may reach whoever shows ours.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from meldeweg.client.errors import UnexpectedAnswer

T = TypeVar("T")
NOT_JSON = object()


def document(data: bytes) -> Any:
    """Return the JSON that an answer is, or NOT_JSON; text that can't be written again is none."""
    with suppress(ValueError, RecursionError):
        found = json.loads(data)
        if b"\\" in data:  # a lone surrogate can only come from an escape
            json.dumps(found, ensure_ascii=False).encode()
        return found
    return NOT_JSON


def value(kind: type[T], data: Any) -> T:
    """Return `data` as the dataclass `kind`, or raise UnexpectedAnswer without its content."""
    try:
        made: T = _convert(kind, data)
    except (TypeError, ValueError, KeyError, OverflowError) as exc:
        why = type(exc).__name__
    else:
        return made
    raise UnexpectedAnswer(f"not a {kind.__name__} ({why})")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _convert(kind: Any, data: Any) -> Any:
    if is_dataclass(kind):
        return _dataclass(kind, data)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        if data is None:
            return None
        return _convert(next(one for one in arguments if one is not NoneType), data)
    if origin is tuple:
        if not isinstance(data, list):
            raise TypeError("a list was expected")
        return tuple(_convert(arguments[0], one) for one in data)
    if kind is datetime:
        return _time(data)
    expected = Mapping if origin is Mapping else kind
    if not isinstance(data, expected) or (kind is int and isinstance(data, bool)):
        raise TypeError("another type was expected")
    return data


def _dataclass(kind: Any, data: Any) -> Any:
    if not isinstance(data, Mapping):
        raise TypeError("an object was expected")
    hints = _hints(kind)
    return kind(
        **{
            one.name: _convert(hints[one.name], data[one.name])
            for one in fields(kind)
            if one.name in data or (one.default is MISSING and one.default_factory is MISSING)
        }
    )


def _time(data: Any) -> datetime:
    at = datetime.fromisoformat(data)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at.astimezone(UTC)
