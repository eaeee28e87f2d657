"""Say where a document is wrong without saying what stands there.

Guarantees: a pointer (RFC 6901) is made of declared names and of indexes alone, and an error is one
of a closed list; no value, no foreign name, and no library's message gets out, not even as the
exception's context.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from meldeweg.kernel.errors import Refused

_SHOWN = 50  # enough to mend a form; the rest shows once these are mended
_ERRORS = {
    "missing": "missing",
    "extra_forbidden": "unknown-member",
    "string_too_long": "too-long",
    "string_too_short": "too-short",
    "too_long": "too-many",
    "too_short": "too-few",
    "string_pattern_mismatch": "not-in-form",
    "enum": "not-in-list",
    "literal_error": "not-in-list",
    "greater_than_equal": "out-of-range",
    "less_than_equal": "out-of-range",
    "time_malformed": "not-a-time",
    "date_malformed": "not-a-date",
    "not_unique": "not-unique",
    "one_of": "one-of",
    "int_parsing": "wrong-type",
    "bool_parsing": "wrong-type",
}


@dataclass(frozen=True, slots=True)
class Pointer:
    """One mistake: `pointer` from the root of the content, `error` from a closed list."""

    pointer: str
    error: str


class SchemaInvalid(Refused):
    """The content does not follow its schema; `pointers` say where and how, never what."""

    def __init__(self, pointers: tuple[Pointer, ...]) -> None:
        shown = ", ".join(f"{found.pointer or '/'} {found.error}" for found in pointers[:3])
        super().__init__("schema-invalid", shown)
        self.pointers = pointers


def pointers(error: ValidationError, document: Any) -> tuple[Pointer, ...]:
    """Translate the library's findings about `document`, the parsed JSON that it judged."""
    found = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        kind = word(item["type"])
        found.append(Pointer(_path(item["loc"], document, kind), kind))
    # The library also counts an item that is wrong as one that is missing.
    wrong = {above for one in found for above in _above(one.pointer)}
    real = [one for one in found if one.error != "too-few" or one.pointer not in wrong]
    return tuple(dict.fromkeys(real))[:_SHOWN]


def word(library: str) -> str:
    """Return our word for the library's kind of mistake."""
    if library in _ERRORS:
        return _ERRORS[library]
    return "wrong-type" if library.endswith("_type") else "invalid"


def _above(pointer: str) -> Iterator[str]:
    while pointer:
        pointer = pointer.rpartition("/")[0]
        yield pointer


def _path(location: tuple[int | str, ...], document: Any, kind: str) -> str:
    # An unknown member's name comes from the document and could say anything: name its parent.
    steps = location[:-1] if kind == "unknown-member" else location
    path, here = "", document
    for step in steps:
        if isinstance(here, Mapping) and isinstance(step, str):
            path, here = f"{path}/{step}", here.get(step)
        elif isinstance(here, list) and isinstance(step, int):
            path, here = f"{path}/{step}", here[step]
    return path
