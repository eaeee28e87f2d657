"""Small files that must never be half written nor readable by others.

Guarantees: a reader sees the old content or the new one, whole; from the first byte on only the
owner may read it. Trusts the directory to belong to the caller.
"""

import errno
import os
import secrets
from pathlib import Path


def located(directory: Path) -> Path:
    """Return the one path that a directory has, through all links; `OSError` for a ring of them."""
    try:
        return directory.resolve()
    except RuntimeError as exc:  # what Python 3.11 and 3.12 make of it
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(directory)) from exc


def private_directory(path: Path) -> Path:
    """Create `path` (and parents) for the owner alone; an existing one is narrowed to that."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write_private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path` by `content` in one step, on disk before it is visible."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def secret(path: Path, length: int = 32) -> str:
    """Return the URL-safe secret kept in `path`; made from `length` random bytes at first use."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(length).encode())
    return path.read_text(encoding="ascii")
