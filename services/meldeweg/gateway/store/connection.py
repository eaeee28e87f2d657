"""How a connection to the store is set up: durable, suspicious, and without surprises."""

import sqlite3
from pathlib import Path

from meldeweg.kernel.errors import Fatal

_BUSY = 10.0  # seconds; only the command line (tokens) ever writes beside the gateway
_COMMON = ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "temp_store=MEMORY")
_WRITER = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "secure_delete=ON",  # what is erased is overwritten (I9)
    "wal_autocheckpoint=2000",  # pages: the WAL is about 8 MiB unless one transaction is larger
    "journal_size_limit=67108864",
)


def open_writer(path: Path) -> sqlite3.Connection:
    """Open for writing, creating the file with mode 0600; explicit transactions alone."""
    try:
        path.touch(mode=0o600)
    except OSError as exc:
        raise Fatal("store-unreadable", f"{path}: {exc.strerror}") from exc
    return _open(path.as_uri(), (*_COMMON, *_WRITER))


def open_reader(path: Path) -> sqlite3.Connection:
    """Open read-only; each statement sees the last commit."""
    return _open(f"{path.as_uri()}?mode=ro", (*_COMMON, "query_only=ON", "cache_size=-1024"))


def _open(uri: str, pragmas: tuple[str, ...]) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(
            uri, uri=True, isolation_level=None, timeout=_BUSY, check_same_thread=False
        )
        for pragma in pragmas:
            db.execute(f"PRAGMA {pragma}").close()
    except sqlite3.Error as exc:
        raise Fatal("store-unreadable", str(exc.sqlite_errorname)) from exc
    return db


def check(db: sqlite3.Connection) -> None:
    """Stop on a damaged file: `Fatal("store-damaged")`. Reads every page."""
    try:
        found = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as exc:
        raise Fatal("store-damaged", "unreadable") from exc
    if found != ("ok",):
        raise Fatal("store-damaged", "restore it from a copy; topics fill in what the copy lacks")
