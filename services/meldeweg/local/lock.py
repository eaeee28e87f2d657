"""One `up` per directory.

Guarantees: while a stack runs, or its keeper is still ending what a killed supervisor left, nobody
else starts one in the same directory. The kernel holds the lock, so no stale one can exist.
Trusts a local file system (flock).
"""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from meldeweg.kernel.errors import Refused

LOCK = "lock"
_PATIENCE = 0.2  # seconds between looks


class StackLock:
    """An exclusive lock on `DIR/lock`, released when every copy of its handle is closed."""

    def __init__(self, handle: int) -> None:
        self.handle = handle  # the keeper gets a copy: it may outlive us by some seconds

    @classmethod
    def take(cls, directory: Path, patience: float = 0.0) -> Self:
        """Take the lock, or `Refused(stack-in-use)` after `patience` seconds."""
        handle = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(handle)
                    raise Refused("stack-in-use", f"a stack runs in {directory}") from None
                time.sleep(_PATIENCE)
            else:
                return cls(handle)

    def release(self) -> None:
        """Let others in. Idempotent."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
