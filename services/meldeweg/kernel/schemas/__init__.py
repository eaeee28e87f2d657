"""The message types: what may be said, in which form, with which version.

Guarantees: `validate` returns a frozen model or refuses with pointers and no values; a document
that two readers could understand differently (duplicate names, NaN, other encodings) is refused.
Trusts: nothing of the document; the caller bounds its size. Adding a type or version: write the
model, enter it in `TYPES`, run `python -m meldeweg.kernel.schemas.generate` (schemas/README.md).
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from meldeweg.kernel import strictjson
from meldeweg.kernel.errors import Early
from meldeweg.kernel.schemas.amendment import (
    Correction,
    Correction2,
    Retraction,
    without_categories,
)
from meldeweg.kernel.schemas.content import Content
from meldeweg.kernel.schemas.immediate_action import ImmediateAction
from meldeweg.kernel.schemas.inquiry import Inquiry, Reply
from meldeweg.kernel.schemas.invalid import Pointer, SchemaInvalid, pointers
from meldeweg.kernel.schemas.notification import Notification
from meldeweg.kernel.schemas.published import schema_of
from meldeweg.kernel.schemas.vocabulary import MessageType

TYPES: Mapping[MessageType, Mapping[int, type[Content]]] = {
    MessageType.NOTIFICATION: {1: Notification},
    MessageType.IMMEDIATE_ACTION: {1: ImmediateAction},
    MessageType.INQUIRY: {1: Inquiry},
    MessageType.REPLY: {1: Reply},
    MessageType.CORRECTION: {1: Correction, 2: Correction2},
    MessageType.RETRACTION: {1: Retraction},
}

# Members and elements in all; the largest content that has the form of its type has half of that.
ENTRIES_MAX = 5_000

__all__ = [
    "ENTRIES_MAX",
    "TYPES",
    "Content",
    "MessageType",
    "Pointer",
    "SchemaInvalid",
    "in_version",
    "json_schema",
    "known",
    "model",
    "newest_common",
    "validate",
]


def known() -> Mapping[str, tuple[int, ...]]:
    """Return the types and versions this software reads, for the agency's announcement."""
    return {str(kind): tuple(sorted(versions)) for kind, versions in TYPES.items()}


def newest_common(kind: MessageType, announced: Mapping[str, tuple[int, ...]]) -> int:
    """Return the newest version of `kind` that both read, or `Early("schema-unknown")`."""
    common = set(TYPES[kind]) & set(announced.get(str(kind), ()))
    if not common:
        raise Early("schema-unknown", f"no common version of {kind}")
    return max(common)


def model(kind: MessageType, version: int) -> type[Content]:
    """Return the model of a type and version, or `Early("schema-unknown")`."""
    try:
        return TYPES[kind][version]
    except KeyError:
        raise Early("schema-unknown", f"{kind} version {version}") from None


def validate(kind: MessageType, version: int, raw: bytes | object) -> Content:
    """Read a content, given as JSON bytes or as what a strict JSON reader made of them.

    Raises `Early("schema-unknown")`, or `SchemaInvalid` (code `schema-invalid`) with its pointers.
    """
    wanted = model(kind, version)
    data = raw if isinstance(raw, bytes) else strictjson.dumps(raw)
    if strictjson.crowded(data, ENTRIES_MAX):
        raise SchemaInvalid((Pointer("", "too-many"),))
    document = strictjson.loads(raw, code="schema-invalid") if isinstance(raw, bytes) else raw
    try:
        return wanted.model_validate_json(data)
    except ValidationError as exc:
        found = pointers(exc, document)
    # Outside the `except`: the library's error would stay attached, and it knows the values.
    raise SchemaInvalid(found)


def in_version(kind: MessageType, version: int, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a content that the newest version took as an older one can say it."""
    if kind is MessageType.CORRECTION and version == 1:
        return without_categories(document)
    return document


def json_schema(kind: MessageType, version: int) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a message type, as published under `schemas/`."""
    return schema_of(model(kind, version), str(kind), version)
