"""Reads what a request brings: body and the headers with a meaning; each bounded and strict.

Guarantees: never more than the bound is held, a client that dawdles is ended, and a refusal names
where, never what. Trusts: `guard` refused what says of itself that it is too large.
"""

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect

from meldeweg.gateway.api.guard import fields
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.api.problems import declared
from meldeweg.gateway.api.shapes import Person, Pointer
from meldeweg.kernel import strictjson
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.schemas import invalid

BODY_SECONDS = 20.0
_PERSON: TypeAdapter[str] = TypeAdapter(Person)  # one rule with the `by` of a receipt
_KEY = re.compile(rb"[\x21-\x7e]{8,128}")
_M = TypeVar("_M", bound=Frozen)


async def body(request: Request, limit: int) -> bytes:
    """Return the whole body of at most `limit` bytes.

    Refused: `body-too-large`, `request-too-slow`.
    """
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise Refused("body-too-large")
                chunks.append(chunk)
    except TimeoutError:
        raise Refused("request-too-slow") from None
    except ClientDisconnect:
        raise Refused("request-too-slow", "gone") from None  # nobody reads this answer
    return b"".join(chunks)


def document(data: bytes, model: type[_M]) -> _M:
    """Parse a body as `model`. Refused `json-malformed`, Rejected `schema-violated`."""
    value = strictjson.loads(data)
    try:
        return model.model_validate_json(json.dumps(value))
    except ValidationError as exc:
        raise Rejected("schema-violated", errors=pointers(exc.errors())) from None
    except Refused as exc:
        raise Rejected("schema-violated", exc.code) from None


def pointers(errors: Iterable[Any]) -> tuple[Pointer, ...]:
    """Say where a document is wrong (pydantic's errors), by declared names alone."""
    found = []
    for item in errors:
        path = item["loc"][:-1] if item["type"] == "extra_forbidden" else item["loc"]
        pointer = declared("".join(f"/{part}" for part in path))
        found.append(Pointer(pointer=pointer, code=invalid.word(item["type"])))
    return tuple(found)


def idempotency_key(request: Request) -> str:
    """Return the key. Refused: `idempotency-key-missing`, `idempotency-key-malformed`."""
    values = fields(request.scope, b"idempotency-key")
    if not values:
        raise Refused("idempotency-key-missing")
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        raise Refused("idempotency-key-malformed")
    return values[0].decode("ascii")


def acting_person(request: Request) -> str:
    """Return who looks. Refused: `acting-person-missing`, `acting-person-malformed`."""
    values = fields(request.scope, b"acting-person")
    if not values or not values[0].strip():
        raise Refused("acting-person-missing")
    try:
        name = _PERSON.validate_python(values[0].decode("utf-8"))
    except ValueError:  # not UTF-8, or no name: pydantic's error would hold it
        raise Refused("acting-person-malformed") from None
    if len(values) > 1:
        raise Refused("acting-person-malformed", "more than one")
    return name
