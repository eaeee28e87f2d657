"""How a run is shown: a table, JSON, and the figures' part of docs/performance.md."""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Figures, shown
from bench.orders import Machine, Orders

BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"
_COLUMNS = ("", "figure", "value", "aim", "", "of")


def verdict(figure: Figure, machine: Machine) -> str:
    """Return what a figure says of its aim: of another size, or beside others' work, nothing."""
    if figure.aim is None:
        return ""
    if not figure.judged:
        return "not judged"
    if machine.loaded:
        return "loaded"
    return "met" if figure.met else "missed"


def write(console: Console, orders: Orders, machine: Machine, figures: Figures) -> None:
    """Print the run: as a table in a terminal, as plain lines elsewhere."""
    rows = [_row(each, machine) for each in figures]
    for line in _about(orders, machine):
        console.print(line, highlight=False, soft_wrap=True)
    if console.is_terminal:
        table = Table(*_COLUMNS, box=None)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    else:
        widths = [max(len(row[n]) for row in [_COLUMNS, *rows]) for n in range(len(_COLUMNS))]
        for row in rows:
            text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            console.print(text.rstrip(), highlight=False, soft_wrap=True, markup=False)
    for letter, why in figures.missed.items():
        console.print(f"({letter}) not measured: {why}", highlight=False, soft_wrap=True)


def keep(path: Path, orders: Orders, machine: Machine, figures: Figures) -> None:
    """Write the run as JSON."""
    found = {
        "quick": orders.quick,
        "valid": not machine.loaded,
        "machine": {name: getattr(machine, name) for name in Machine.__slots__},
        "orders": {
            name: getattr(orders, name)
            for name in Orders.__slots__
            if name not in ("only", "quick")
        },
        "figures": [{**each.as_json(), "verdict": verdict(each, machine)} for each in figures],
        "missed": figures.missed,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_page(path: Path, orders: Orders, machine: Machine, figures: Figures) -> None:
    """Put the figures of this run between the page's marks; the rest of it is left alone."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{path}: the marks are gone")
    lines = [BEGIN, "", *(f"- {line}" for line in _about(orders, machine)), ""]
    lines += ["| | figure | value | aim | | of |", "|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(_row(each, machine)) + " |" for each in figures]
    lines += ["", *(f"- ({letter}) not measured: {why}" for letter, why in figures.missed.items())]
    path.write_text(before + "\n".join(lines).rstrip() + "\n\n" + END + after, encoding="utf-8")


def _row(figure: Figure, machine: Machine) -> tuple[str, ...]:
    return (
        figure.letter,
        figure.name,
        f"{shown(figure.value)} {figure.unit}",
        "" if figure.aim is None else f"{figure.aim} {figure.unit}",
        verdict(figure, machine),
        figure.note,
    )


def _about(orders: Orders, machine: Machine) -> tuple[str, ...]:
    load = " ".join(f"{each:.2f}" for each in machine.load)
    said = "loaded: others were at work, no figure is valid" if machine.loaded else "quiet"
    return (
        f"{machine.at}, {orders.kind} run",
        f"{machine.system}, {machine.cores} cores, {machine.processor}",
        f"load average at start {load} ({said})",
        ", ".join(f"{name} {found}" for name, found in machine.versions.items()),
    )
