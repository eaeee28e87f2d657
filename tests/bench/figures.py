"""Figures, each beside its aim."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Aim:
    """`most`: it is met by this much or less; else by this much or more."""

    value: float
    most: bool = True

    def met_by(self, value: float) -> bool:
        return value <= self.value if self.most else value >= self.value

    def __str__(self) -> str:
        return f"{'≤' if self.most else '≥'} {self.value:,.10g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `note`: what it counted, where that is not the name's default.

    `judged`: it was measured at the size that its aim speaks of; else it says nothing of its aim.
    """

    letter: str
    name: str
    value: float
    unit: str
    aim: Aim | None = None
    note: str = ""
    judged: bool = True

    @property
    def met(self) -> bool | None:
        return self.aim.met_by(self.value) if self.aim and self.judged else None

    def as_json(self) -> dict[str, Any]:
        return {
            "item": self.letter,
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "aim": None if self.aim is None else str(self.aim),
            "met": self.met,
            "note": self.note,
        }


@dataclass(slots=True)
class Figures:
    """All of a run, in the order they were measured; what could not be measured says why."""

    found: list[Figure] = field(default_factory=list)
    missed: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        letter: str,
        name: str,
        value: float,
        unit: str,
        aim: Aim | None = None,
        note: str = "",
        *,
        judged: bool = True,
    ) -> float:
        self.found.append(Figure(letter, name, value, unit, aim, note, judged))
        return value

    def value(self, letter: str, name: str) -> float | None:
        """Return a figure that was measured before in this run, or None."""
        for each in self.found:
            if (each.letter, each.name) == (letter, name):
                return each.value
        return None

    def ratio(
        self,
        letter: str,
        name: str,
        over: float | None,
        under: float | None,
        aim: Aim | None = None,
    ) -> None:
        """Add `over` ÷ `under`, where both were measured."""
        if over is not None and under:
            self.add(letter, name, over / under, "times", aim)

    def __iter__(self) -> Iterator[Figure]:
        return iter(sorted(self.found, key=lambda each: each.letter))


def shown(value: float) -> str:
    """Return a number with three figures that count, thousands separated."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
