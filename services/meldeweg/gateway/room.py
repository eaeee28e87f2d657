"""Whether there is room for one more message (I7): a bound on what waits, and on the disk.

Guarantees: intake refuses before the disk is full, so that what others send, receipts and events
still find room. Looks at the disk and counts at most once a second; between looks it adds up.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from meldeweg.gateway.settings import OutboxSettings
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.metrics import gauge

_LOOK = 1.0  # seconds
_waiting = gauge("outbox_waiting_bytes", "Bytes of messages that are not settled yet")


class Room:
    """`counted` returns the bytes that wait now."""

    def __init__(
        self, directory: Path, settings: OutboxSettings, counted: Callable[[], int]
    ) -> None:
        self._directory, self._settings, self._counted = directory, settings, counted
        self._looked = 0.0
        self._bytes = 0
        self._trouble: str | None = None

    def take(self, size: int) -> None:
        """Take `size` bytes, or raise `Unavailable`: `outbox-full`, `store-full`."""
        self.look(size)
        self._bytes += size

    def look(self, size: int) -> None:
        """Raise what `take` would, and take nothing."""
        now = time.monotonic()
        if now - self._looked >= _LOOK:
            self._looked = now
            self._refresh()
        if self._trouble is None and self._bytes + size > self._settings.bytes_max:
            raise Unavailable("outbox-full", "")
        if self._trouble is not None:
            raise Unavailable(self._trouble, "")

    def missing(self) -> str | None:
        """Return the code of what is short, for `/readyz`."""
        self._refresh()
        return self._trouble

    def _refresh(self) -> None:
        self._bytes = self._counted()
        _waiting.set(self._bytes)
        self._trouble = None
        try:
            disk = shutil.disk_usage(self._directory)
        except OSError:  # it is away: the next commit finds out
            self._trouble = "store-full"
            return
        if disk.free < disk.total * self._settings.free_min:
            self._trouble = "store-full"
        elif self._bytes >= self._settings.bytes_max:
            self._trouble = "outbox-full"
