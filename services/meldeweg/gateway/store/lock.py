"""One active instance per store.

Guarantees: whoever holds the `Lock` is the only one on this machine until its process ends, however
it ends (flock dies with the process). Trusts: the directory is on a local file system.
"""

import fcntl
import os
from pathlib import Path

from meldeweg.kernel.errors import Fatal


class Lock:
    """Taken when constructed; `Fatal("store-locked")` if another process has it."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._fd)
            raise Fatal("store-locked", f"another gateway runs on {path.parent}") from exc
        os.truncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)  # for people; flock is what counts

    def release(self) -> None:
        os.close(self._fd)
