"""That a store was here: a file beside it, since one that is gone looks like a first start.

Guarantees: once a store was made ready in a directory, none is begun there again unless somebody
takes the mark away. Trusts: the directory's owner. What is gone with its directory (a volume that
is not mounted) leaves no mark: `publication` notices that this agency was announced before.
"""

import os
from pathlib import Path

from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.keyfile import sync_directory

FILE = "gateway.mark"
_TEXT = (
    "The store of a gateway was begun here. If gateway.sqlite is gone, messages that were accepted"
    " may be in it alone: restore it from a copy. Only who knows that nothing is to be restored"
    " removes this file; then the next start begins a new store.\n"
)


def demand_none(directory: Path) -> None:
    """Raise `Fatal("store-gone")` where a store was and is not."""
    if (directory / FILE).exists():
        why = f"a store was begun in {directory} and is gone: see {FILE} there"
        raise Fatal("store-gone", why)


def put(directory: Path) -> None:
    """Leave the mark, durable; nothing where it is already."""
    path = directory / FILE
    if path.exists():
        return
    new = path.with_name(f".{FILE}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(_TEXT)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)  # whole, or on a full disk not at all
        sync_directory(directory)
    except OSError as exc:
        raise Fatal("store-unreadable", f"{path}: {exc.strerror}") from exc
