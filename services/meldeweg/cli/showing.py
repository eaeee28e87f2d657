"""What commands print: JSON for programs, tables on a terminal, plain columns elsewhere.

Guarantees: foreign text (of a message, of a partner) cannot steer the terminal: control characters
and those that reorder text are replaced, and markup in it is not interpreted.
"""

import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

_BERLIN = ZoneInfo("Europe/Berlin")  # whatever the machine's own zone is
Json = Annotated[bool, typer.Option("--json", help="maschinenlesbar / machine-readable")]
URGENCIES = {"immediate": "SOFORT", "today": "heute", "routine": "normal"}
STATES = {
    "queued": "angenommen",
    "sent": "gesendet",
    "delivered": "zugestellt",
    "acknowledged": "bestätigt",
    "refused": "abgelehnt",
    "overdue": "ÜBERFÄLLIG",
    "retracted": "zurückgenommen",
    "undeliverable": "UNZUSTELLBAR",
    "received": "eingegangen",
    "opened": "geöffnet",
    "erased": "gelöscht",
    "expired": "Frist abgelaufen",
}


def safe(text: Any, *, lines: bool = False) -> str:
    """Return text without what a terminal would act on; `lines` keeps line breaks."""
    return "".join(
        one if one.isprintable() or (lines and one == "\n") else "\N{REPLACEMENT CHARACTER}"
        for one in str(text)
    )


def local(at: datetime) -> str:
    """Return a time as people here read it: `22.11.2026 19:43`, in German time."""
    return at.astimezone(_BERLIN).strftime("%d.%m.%Y %H:%M")


def zone(at: datetime) -> str:
    """Return the name of German time at that moment: `MEZ`, or `MESZ` in summer."""
    return "MESZ" if at.astimezone(_BERLIN).dst() else "MEZ"


def word(words: dict[str, str], code: str) -> str:
    """Return the German word of a code, or the code of a newer gateway itself."""
    return words.get(code, code)


def as_json(value: Any) -> str:
    """Return a value of the SDK as one line of JSON; times in UTC with three decimals."""
    return json.dumps(_plain(value), ensure_ascii=True, separators=(",", ":"))


def echo_json(value: Any) -> None:
    """Print a value of the SDK as JSON."""
    sys.stdout.write(as_json(value) + "\n")


def pretty(value: Any) -> str:
    """Return JSON to read, safe for a terminal."""
    return safe(json.dumps(_plain(value), ensure_ascii=False, indent=2), lines=True)


def pairs(rows: Iterable[tuple[str, Any]]) -> None:
    """Print what belongs to one thing: a name and its value per line; empty ones are left out."""
    for name, value in rows:
        if value not in (None, "", ()):
            sys.stdout.write(f"{name + ':':<18} {safe(value)}\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows: a table on a terminal, tab-separated lines elsewhere."""
    shown = [[safe(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [columns, *shown]:
            sys.stdout.write("\t".join(row) + "\n")
        return
    from rich import box  # noqa: PLC0415 - 60 ms that only a terminal needs
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    made = Table(*columns, box=box.SIMPLE_HEAD)
    for row in shown:
        made.add_row(*map(Text, row))  # Text: brackets in foreign text are no markup
    Console().print(made)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        return {name: _plain(one) for name, one in named.items() if one is not None}
    if isinstance(value, datetime):
        utc = value.astimezone(UTC)
        return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | frozenset):
        return [_plain(one) for one in value]
    return value
