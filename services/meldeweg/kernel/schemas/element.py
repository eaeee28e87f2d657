"""What every part of a message is: frozen, strict, and silent about its values.

Guarantees: neither `repr` nor `str` of a content shows any of it, so a log line or a traceback that
prints one tells its type alone. Which categories of data a message holds is declared beside each
field and found by walking it, never typed in by the sender.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import ConfigDict

from meldeweg.kernel.model import Frozen
from meldeweg.kernel.schemas.vocabulary import DataCategory


@dataclass(frozen=True, slots=True)
class Holds:
    """Metadata of a field: once filled, the message holds data of this category."""

    category: DataCategory


def german(title: str, description: str, **schema: Any) -> ConfigDict:
    """Return the model's configuration with what people read in its JSON Schema."""
    return ConfigDict(title=title, json_schema_extra={"description": description, **schema})


class Element(Frozen):
    """A part of a message's content."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        return iter(())

    def __str__(self) -> str:
        return repr(self)

    def collect(self, found: set[DataCategory]) -> None:
        """Add the categories of all filled fields, those of inner parts included."""
        # On the way of every message: so the declarations are read once, and fields directly.
        values = self.__dict__
        for name, marks in _declared(type(self)):
            value = values[name]
            if value is None:
                continue
            if type(value) is tuple:
                if not value:
                    continue
                for part in value:
                    if isinstance(part, Element):
                        part.collect(found)
            elif isinstance(value, Element):
                value.collect(found)
            if marks:
                found.update(marks)


@cache
def _declared(part: type[Element]) -> tuple[tuple[str, tuple[DataCategory, ...]], ...]:
    """Return the fields that can add something, each with the categories declared beside it."""
    found = []
    for name, field in part.model_fields.items():
        marks = tuple(mark.category for mark in field.metadata if isinstance(mark, Holds))
        if marks or _can_add(field.annotation):
            found.append((name, marks))
    return tuple(found)


def _can_add(annotation: Any) -> bool:
    """Say whether a value of this type is, or holds, a part that can add something."""
    if isinstance(annotation, type) and issubclass(annotation, Element):
        return annotation.collect is not Element.collect or bool(_declared(annotation))
    return any(map(_can_add, get_args(annotation)))
