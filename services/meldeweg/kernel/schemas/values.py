"""The values that the message types are built of: bounded text, times with offset, calendar days.

Guarantees: every text is bounded, not blank, and free of control characters and of marks that
reorder writing (a name must not be able to disguise itself on a screen); what pydantic accepts, the
published JSON Schema accepts, given that `format` is asserted.
"""

import re
import unicodedata
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, core_schema

# C0 and C1 controls, line and paragraph separators, and the bidirectional overrides and isolates
# (Unicode 9.0, UAX #9). Escapes that ECMA-262, Python and Rust's regex read alike.
_MARKS = r"\u007f-\u009f\u2028-\u202e\u2066-\u2069"
_NO_LINE = rf"\u0000-\u001f{_MARKS}"
_NO_TEXT = rf"\u0000-\u0008\u000b\u000c\u000e-\u001f{_MARKS}"
# Leading blanks, one character that is none, then anything allowed: linear in every engine.
LINE_PATTERN = rf"^[ \u00a0]*[^ \u00a0{_NO_LINE}][^{_NO_LINE}]*$"
TEXT_PATTERN = rf"^[ \u00a0\t\n\r]*[^ \u00a0\t\n\r{_NO_TEXT}][^{_NO_TEXT}]*$"

Line = Annotated[str, Field(max_length=200, pattern=LINE_PATTERN)]
"""One line of text, 1 to 200 characters."""

Text = Annotated[str, Field(max_length=4000, pattern=TEXT_PATTERN)]
"""Text of several lines, 1 to 4000 characters."""

Phone = Annotated[str, Field(max_length=40, pattern=r"^\+?[0-9][0-9 ()/-]{2,38}$")]
"""A telephone number as one would dial it."""

Postcode = Annotated[str, Field(pattern=r"^[0-9]{5}$")]

_HOUR = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_DAY_PATTERN = r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_MOMENT_PATTERN = rf"{_DAY_PATTERN}T{_HOUR}:[0-5][0-9](\.[0-9]{{1,6}})?(Z|[+-]{_HOUR})"
_DAY = re.compile(_DAY_PATTERN)
_MOMENT = re.compile(_MOMENT_PATTERN)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:  # the 30th of February; refused below, without the value
            pass
    raise PydanticCustomError("time_malformed", "expected RFC 3339 with offset")


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise PydanticCustomError("date_malformed", "expected YYYY-MM-DD")


Moment = Annotated[
    datetime,
    PlainValidator(_moment),
    PlainSerializer(datetime.isoformat, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_MOMENT_PATTERN}$"}),
]
"""A point in time as a person states it: RFC 3339 with seconds and offset; the offset is kept."""

Day = Annotated[
    date,
    PlainValidator(_day),
    PlainSerializer(date.isoformat, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{_DAY_PATTERN}$"}),
]
"""A day of the calendar, YYYY-MM-DD, for dates of birth."""


_FILLERS = "\u115f\u1160\u3164\uffa0"  # of Hangul: letters by their category, and never shown


def is_readable(text: str) -> bool:
    """Say whether there is a letter or a digit: invisible characters name nobody and no reason."""
    return any(unicodedata.category(each)[0] in "LN" for each in text if each not in _FILLERS)


def readable(text: str) -> str:
    """Refuse what nobody can read. Where people give it alone: what was signed stays readable."""
    if not is_readable(text):
        raise PydanticCustomError("string_pattern_mismatch", "neither letter nor digit")
    return text


def unique(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a list that names something twice (JSON Schema: `uniqueItems`)."""
    if len(set(items)) != len(items):
        raise PydanticCustomError("not_unique", "the same twice")
    return items


class Unique:
    """Marks a list that names nothing twice, to the reader and in the schema."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(unique, handler(source))

    def __get_pydantic_json_schema__(
        self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(core), "uniqueItems": True}
