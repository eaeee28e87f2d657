"""`make bench`: QUICK=1, ONLY=abcdefgh, MESSAGES, ROWS, ENTRIES, OUT, from the environment.

Exit code 0: everything was measured (whether or not an aim was met: the table says it). 1: some was
not. 2: usage.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
from rich.console import Console

from bench import (
    auditing,
    floor,
    foreign,
    inbox,
    memory,
    orders,
    pace,
    path,
    plain,
    table,
    verifying,
)
from bench.calls import Answered
from bench.figures import Figures
from bench.orders import Orders
from bench.stand import Late, Stand, running
from meldeweg.kernel.errors import MeldewegError

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "performance.md"
_FAILURES = (
    MeldewegError, Late, Answered, OSError, AssertionError, EOFError, psutil.Error, psycopg.Error,
    subprocess.SubprocessError,
)  # fmt: skip


def main() -> int:
    """Run everything that was asked for; returns the exit code."""
    console = Console()
    try:
        asked = orders.read(os.environ)
    except ValueError as exc:
        console.print(f"usage: {exc}")
        return 2
    machine = orders.look()
    figures = Figures()
    run = _Run(console, asked, figures)
    run.item("b", lambda: floor.measure(asked, figures))
    if asked.only - {"b"}:
        run.item("", lambda: _with_a_stack(run))
    run.item("f", lambda: verifying.measure(asked, figures))
    table.write(console, asked, machine, figures)
    out = Path(os.environ.get("OUT") or _ROOT / ".cache" / "bench.json")
    table.keep(out, asked, machine, figures)
    console.print(f"{time.monotonic() - run.began:.0f} s; JSON: {out}", highlight=False)
    if (not asked.quick and len(asked.only) == len(orders.LETTERS)) or os.environ.get("PAGE"):
        table.write_page(_PAGE, asked, machine, figures)
    return 1 if figures.missed else 0


def _with_a_stack(run: "_Run") -> None:
    asked, figures = run.asked, run.figures
    with running() as stand:
        rest = memory.at_rest(stand)
        _one_message(stand)
        run.item("a", lambda: plain.measure(stand, asked, figures))
        run.item("cd", lambda: path.measure(stand, asked, figures))
        run.item("e", lambda: pace.measure(stand, asked, figures))
        run.item("h", lambda: foreign.measure(stand, asked, figures))
        run.item("g", lambda: memory.measure(stand, asked, rest, figures))
        run.item("g", lambda: inbox.measure(stand, asked, figures))
        run.item("f", lambda: auditing.measure(stand, asked, figures))


def _one_message(stand: Stand) -> None:
    """Send one message: others are measured with the bytes that it has on the broker."""
    memory.send(stand, 1)
    stand.settled()


class _Run:
    """What fails is told and left out; the rest goes on."""

    def __init__(self, console: Console, asked: Orders, figures: Figures) -> None:
        self.console, self.asked, self.figures = console, asked, figures
        self.began = time.monotonic()

    def item(self, letters: str, measure: Callable[[], None]) -> None:
        if letters and not any(self.asked.wants(letter) for letter in letters):
            return
        started = time.monotonic()
        try:
            measure()
        except _FAILURES as exc:
            code = getattr(exc, "code", None) or str(exc).partition("\n")[0][:200]
            self.figures.missed[letters or "stack"] = f"{type(exc).__name__} {code}"
        if letters:
            took = time.monotonic() - started
            self.console.print(f"  ({letters}) took {took:.0f} s", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
