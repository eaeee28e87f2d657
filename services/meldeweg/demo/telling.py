"""How the demonstration speaks: one or two lines a step, with its evidence; a table at the end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from meldeweg.local.description import Description
from meldeweg.local.timings import Timings


class StepFailedError(Exception):
    """A step of the demonstration did not hold."""


class Teller:
    """Numbers the steps and times them."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self.steps = 0

    def headline(self, text: str) -> None:
        self._console.print(f"\n[bold]{text}[/bold]")

    def warn(self, text: str) -> None:
        self._console.print(f"[yellow]! {text}[/yellow]")

    @contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """Tell one step; what it appends to the list is its evidence."""
        evidence: list[str] = []
        started = time.monotonic()
        self.steps += 1
        try:
            yield evidence
        except BaseException:
            self._console.print(f"[red]✗ {self.steps}. {title}[/red]")
            for line in evidence:
                self._console.print(f"     {line}", markup=False)
            raise
        took = (time.monotonic() - started) * 1000
        self._console.print(f"[green]✓[/green] {self.steps}. {title} [dim]{took:.0f} ms[/dim]")
        for line in evidence:
            self._console.print(f"     {line}", markup=False)

    def table(self, stack: Description, timings: Timings) -> None:
        """Say what ran, where it listens, and what it took."""
        memory = timings.memory
        where = {f"gateway-{agency}": entry.url for agency, entry in stack.agencies.items()}
        where |= {name: entry.url for name, entry in stack.services.items()}
        where["broker-1"] = f"{stack.broker.bootstrap} (mTLS)"
        where["postgres"] = "Unix socket"
        table = Table("Prozess", "erreichbar unter", "Speicher", title="Was lief / what ran")
        for name, size in sorted(memory.items()):
            table.add_row(name, where.get(name, ""), f"{size / 2**20:.0f} MiB")
        table.add_row("zusammen / total", "", f"{sum(memory.values()) / 2**20:.0f} MiB")
        self._console.print(table)
        parts = ", ".join(f"{title} {took:.1f} s" for title, took in timings.phases.items())
        total = f"Bereit nach / ready after {timings.total:.1f} s: {parts}"
        self._console.print(total, markup=False)

    def held(self) -> None:
        """Say that every step told so far held: the first that does not ends the story."""
        self._console.print(f"Alle {self.steps} Schritte hielten / all steps held.", markup=False)

    def where(self, directory: Path, *, passing: bool) -> None:
        """Say where all keys, stores and logs are, or were: `passing` ones go with the end."""
        if passing:
            said = "Alles lag in einem Verzeichnis nur für diesen Lauf / in a directory of this run"
            self._console.print(said, markup=False)
        else:
            self._console.print(f"Alles liegt in / everything is in: {directory}", markup=False)

    def look(self, directory: Path, agency: str) -> None:
        """Say how to look for oneself while it runs: commands need the directory."""
        self._console.print(f"  meldeweg inbox --dir {directory} --agency {agency}", markup=False)
        self._console.print(f"  meldeweg doctor --dir {directory}", markup=False)


def must(holds: object, otherwise: str) -> None:
    """Go on if it holds; else the demonstration has failed."""
    if not holds:
        raise StepFailedError(otherwise)
