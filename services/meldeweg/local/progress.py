"""What `up` shows while it works: a spinner in a terminal, plain lines elsewhere.

Guarantees: one line per finished phase with its seconds, in the same words both ways.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO


class Progress(Protocol):
    """Where phases are announced."""

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Show `title` while inside, and how long it took after."""
        ...

    def say(self, line: str) -> None:
        """Show one line."""
        ...


class Silent:
    """For tests."""

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        yield

    def say(self, line: str) -> None:
        return


class Lines:
    """Plain lines: a log file, a CI job."""

    def __init__(self, out: TextIO = sys.stderr) -> None:
        self._out = out

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.say(f"{title}: {time.monotonic() - started:.1f} s")

    def say(self, line: str) -> None:
        print(line, file=self._out, flush=True)


class Terminal:
    """A spinner for what is under way, a tick for what is done."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - only where somebody looks

        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        with self._console.status(title):
            yield
        took = time.monotonic() - started
        self._console.print(f"[green]✓[/green] {title} [dim]{took:.1f} s[/dim]")

    def say(self, line: str) -> None:
        self._console.print(line, markup=False)


def for_this_terminal() -> Progress:
    """Choose by whether anybody looks."""
    return Terminal() if sys.stderr.isatty() else Lines()
