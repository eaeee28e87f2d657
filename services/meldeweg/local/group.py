"""Several processes started in order and stopped in reverse, for as long as a `with` lasts.

Guarantees: all or none: when one does not get ready, those before it are stopped again. Restarts
nothing; that is the supervisor's.
"""

from collections.abc import Iterable
from pathlib import Path

from meldeweg.local.keeper import Keeper
from meldeweg.local.processes import Child, ProcessSpec


class Group:
    """Owns its children and their keeper."""

    def __init__(self, logs: Path, keeper: Keeper) -> None:
        self._logs = logs
        self._keeper = keeper
        self._children: list[Child] = []

    @property
    def children(self) -> tuple[Child, ...]:
        return tuple(self._children)

    def start(self, specs: Iterable[ProcessSpec]) -> None:
        """Start all, then wait for all: they may need each other to get ready."""
        try:
            for spec in specs:
                self._children.append(Child(spec, self._logs, self._keeper))
            for child in self._children:
                child.wait_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ask all at once (brokers stop faster while a quorum is left), then make sure."""
        for child in self._children:
            child.ask_to_stop()
        for child in reversed(self._children):
            child.stop()
        self._children.clear()
        self._keeper.close()
