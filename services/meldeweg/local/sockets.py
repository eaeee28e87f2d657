"""A directory for Unix sockets whose path is short enough to be one.

Guarantees: a path that with PostgreSQL's file name stays within the system's 107 bytes, in a
directory that others can't enter; where that is, is recorded, so that it can be removed again.
Trusts nobody else in `/tmp`: a recorded directory that is not ours any more is not used.
"""

import os
import shutil
import stat
import tempfile
from pathlib import Path

from meldeweg.local.files import private_directory, write_private

_LONGEST = 107 - len("/.s.PGSQL.5432.lock")  # bytes; sun_path holds 108 with its final zero


class SocketDirectory:
    """`DIR/run` if that is short enough, else one below `XDG_RUNTIME_DIR` or `/tmp`."""

    def __init__(self, directory: Path) -> None:
        self._inside = directory / "run"
        self._record = directory / "socket-directory"

    @property
    def path(self) -> Path:
        """Where it is; `create` comes first."""
        if _short_enough(self._inside):
            return self._inside
        return Path(self._record.read_text(encoding="utf-8"))

    def create(self) -> Path:
        """Make it, or find the recorded one again."""
        if _short_enough(self._inside):
            return private_directory(self._inside)
        if not (self._record.exists() and _is_private(self.path)):
            base = os.environ.get("XDG_RUNTIME_DIR", "")
            if not base or not _short_enough(Path(base) / "meldeweg-12345678"):
                base = "/tmp"  # noqa: S108 - short is the point; mkdtemp makes it ours alone
            made = Path(tempfile.mkdtemp(prefix="meldeweg-", dir=base))
            write_private(self._record, str(made).encode())
        return self.path

    def remove(self) -> None:
        """Remove it with what is left in it."""
        if _short_enough(self._inside) or self._record.exists():
            shutil.rmtree(self.path, ignore_errors=True)
        self._record.unlink(missing_ok=True)


def _short_enough(path: Path) -> bool:
    return len(os.fsencode(path)) <= _LONGEST


def _is_private(path: Path) -> bool:
    """Whether this is a directory (no link) that only we, or whom we as root gave it to, enter."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    ours = os.geteuid() in (0, status.st_uid)
    return ours and stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700
