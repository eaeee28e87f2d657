"""Closed vocabularies: an English code for machines, a German label for people.

Guarantees: a code and its label stand in one place; the JSON Schema offers each code as `const`
with the label as its `title`, so that a form can be drawn from the schema alone.
"""

from enum import StrEnum
from typing import Any, Self

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Labelled(StrEnum):
    """A member is declared as `CODE = "code", "Bezeichnung"`; it compares as its code."""

    german: str
    __hash__ = str.__hash__  # equal to its code, so the same hash; the enumeration's own is slow

    def __new__(cls, code: str, german: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.german = german
        return member

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"oneOf": [{"const": member.value, "title": member.german} for member in cls]}
