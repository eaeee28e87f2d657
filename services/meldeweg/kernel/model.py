"""The base of everything that is parsed: frozen, nothing extra, no conversions; and exact times."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)

from meldeweg.kernel import strictjson
from meldeweg.kernel.clock import from_rfc3339, to_rfc3339
from meldeweg.kernel.errors import Refused

# Far more than the largest of our own, a snapshot of the register: what has more is of no use, and
# each member in it that is wrong would be an object of its own.
_ENTRIES_MAX = 50_000
_MISTAKES_MAX = 100


def _instant(value: Any) -> Any:
    return from_rfc3339(value) if isinstance(value, str) else value


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(to_rfc3339, when_used="json"),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
    ),
]
"""A point in time: RFC 3339, UTC, exactly three decimals; `datetime` with timezone inside."""

Version1 = Annotated[int, Field(ge=1, le=1, strict=True)]
"""The number 1 as a format's version. `Literal[1]` compares by `==`, and so takes `true` for 1."""


class Frozen(BaseModel):
    """A value object of the protocol."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
        # A foreign value must not reach a log through an error's text (I3).
        hide_input_in_errors=True,
    )

    @classmethod
    def read(cls, data: bytes, code: str) -> Self:
        """Parse JSON bytes strictly, or `Refused(code)` without any of their content.

        The caller has already refused duplicate names where the bytes come from outside
        (`kernel.strictjson`); signed objects are judged by their exact bytes anyway.
        """
        if strictjson.crowded(data, _ENTRIES_MAX):
            raise Refused(code, "too many members")
        try:
            return cls.model_validate_json(data)
        except ValidationError as exc:
            raise Refused(code, where(exc)) from None
        except Refused as exc:
            raise Refused(code, exc.code) from None

    @classmethod
    def made(cls, code: str, /, **members: Any) -> Self:
        """Make one of what a person gave, or `Refused(code)` with the members that are wrong."""
        try:
            return cls(**members)
        except ValidationError as exc:
            raise Refused(code, where(exc)) from None

    @classmethod
    def read_signed(cls, data: bytes, code: str) -> Self:
        """Parse a signed payload, which must be in the one form that `bytes` writes.

        A name that stands there twice, or a member under another name, would let two readers of
        one signature see two things.
        """
        body = cls.read(data, code)
        if body.bytes() != data:
            raise Refused(code, "not in canonical form")
        return body

    def bytes(self) -> bytes:
        """Serialise: compact, members in declared order, absent optionals left out."""
        return self.model_dump_json(exclude_none=True).encode()


def where(error: ValidationError) -> str:
    """Say which members are wrong and how, by declared names alone: foreign text stays out."""
    if (count := error.error_count()) > _MISTAKES_MAX:  # a list of them all would take seconds
        return f"{count} mistakes"
    found = []
    for item in error.errors(include_url=False, include_context=False, include_input=False)[:8]:
        path = "/".join(str(part) for part in item["loc"][:6])
        safe = (
            path if path.isascii() and len(path) <= 80 and item["type"] != "extra_forbidden" else ""
        )
        found.append(f"{safe or '?'}: {item['type']}")
    return "; ".join(found)
