"""Files of commands: a wrong one is said in one line; a result is whole, or it is not there."""

import os
from pathlib import Path

from meldeweg.kernel.errors import Refused


def read(path: Path) -> bytes:
    """Return a file's bytes, or `Refused("file-unreadable")`."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise Refused("file-unreadable", f"{path}: {exc.strerror}") from exc


def token(path: Path) -> str:
    """Return the token that a file holds, or `Refused("token-unreadable")`, without a byte of it.

    It goes into a header of HTTP, so it is printable ASCII.
    """
    try:
        found = read(path).decode("ascii").strip()
    except (Refused, UnicodeDecodeError) as exc:
        raise Refused("token-unreadable", str(path)) from exc
    if not (found and found.isprintable()):
        raise Refused("token-unreadable", str(path))
    return found


def create(path: Path, content: bytes) -> None:
    """Create a file, whole and durable; one that is there is `Refused("file-exists")`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)  # unlike a rename, replaces nothing
        finally:
            temporary.unlink()
    except FileExistsError as exc:
        raise Refused("file-exists", str(path)) from exc
    except OSError as exc:
        raise Refused("file-not-writable", f"{path}: {exc.strerror}") from exc
