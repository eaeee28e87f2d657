"""What every part of a message is: frozen, strict, and silent about its values.

Guarantees: neither `repr` nor `str` of a content shows any of it, so a log line or a traceback that
prints one tells its type alone. Which categories of data a message holds is declared beside each
field and found by walking it, never typed in by the sender.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

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

    def categories(self) -> Iterator[DataCategory]:
        """Yield the categories of all filled fields, those of inner parts included."""
        marks = _marks(type(self))
        for name, value in self.__dict__.items():
            if value is None or value == ():
                continue
            yield from marks[name]
            if isinstance(value, Element):
                yield from value.categories()
            elif isinstance(value, tuple):
                for part in value:
                    if isinstance(part, Element):
                        yield from part.categories()


@cache
def _marks(element: type[Element]) -> Mapping[str, tuple[DataCategory, ...]]:
    """Return the categories that each field of a class declares: asked for every message."""
    return {
        name: tuple(mark.category for mark in field.metadata if isinstance(mark, Holds))
        for name, field in element.model_fields.items()
    }
