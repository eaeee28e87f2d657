"""Where an exported log is read from: a directory, a zip file, or an audit service's URL.

Guarantees: never reads more than it was told to expect, never follows a name out of the export,
never waits for ever. Trusts nothing: the export may have been made to harm whoever verifies it.
"""

import os
import re
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Protocol

import httpx2

from meldeweg.kernel import note
from meldeweg.kernel.authority import trusting
from meldeweg.kernel.errors import Refused, Unavailable

LINE_MAX = 16 * 1024 * 1024  # bytes; a record's headers are at most 2 MiB, base64 and JSON included
_CHUNK = 256 * 1024
_TIMEOUT = 30  # seconds without a byte
_DEADLINE = 120  # seconds for one small file
_SLOWEST = 1024  # bytes/s of a large one: no size bounds how long its lines may drip
_YEAR_AT_END = re.compile(r"/([0-9]{4})\Z")  # of an origin: `audit.example/log/2026`
_NAME = re.compile(r"[a-z0-9]+(?:[./][a-z0-9]+)*", re.ASCII)


# Of the others Python's reader unpacks all at once, whatever bound it is given.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # zipfile's word for "encrypted", and for methods that it lacks
    struct.error,
    ValueError,
)


class Source(Protocol):
    """Files by name, as `meldeweg audit export` lays them out."""

    def read(self, name: str, limit: int) -> bytes:
        """Return a whole file of at most `limit` bytes.

        Raises `Refused`: `file-missing`, `file-too-large`, `file-unreadable`.
        """
        ...

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield lines without their newline; a last line without one is `line-cut-short`."""
        ...

    def names(self) -> Iterator[str]:
        """Yield the names of all files that are there, as far as this kind of source can tell."""
        ...


@contextmanager
def open_source(
    place: str, token: str | None = None, ca: Path | None = None, year: int | None = None
) -> Iterator[Source]:
    """Open DIR, ZIP or URL; `ca`: the URL's private authority (PEM); `year`: the log of which a
    service is asked, by default its newest, one and the same throughout. That it is this one,
    `verify` and `export` find out.

    `Refused`: `export-missing`, `zip-malformed`, `ca-unreadable`, `audit-not-named`.
    """
    path = Path(place)
    if re.match(r"https?://", place):
        with closing(Url(place, token, ca, year)) as url:
            yield url
    elif path.is_dir():
        yield Directory(path)
    elif path.is_file():
        with path.open("rb") as raw:  # closed here, whatever the zip file's own end does
            yield Zip(_opened_zip(raw))
    else:
        raise Refused("export-missing", "neither a directory nor a file")


def _opened_zip(raw: IO[bytes]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(raw)
    except _ZIP_ERRORS as exc:
        raise Refused("zip-malformed") from exc


class Directory:
    """An export as it was written."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str, limit: int) -> bytes:
        with self._open(name) as file:
            return _bounded(name, file, limit)

    def lines(self, name: str) -> Iterator[bytes]:
        with self._open(name) as file:
            yield from _lines(name, file)

    def names(self) -> Iterator[str]:
        for directory, below, names in os.walk(self._root):
            # A link to a directory is not walked: what it leads to is not here, but the link is.
            for name in (*names, *(each for each in below if Path(directory, each).is_symlink())):
                path = Path(directory, name).relative_to(self._root).as_posix()
                yield os.fsencode(path).decode("utf-8", "backslashreplace")

    def _open(self, name: str) -> IO[bytes]:
        try:
            descriptor = _below(self._root, _checked(name))
        except FileNotFoundError as exc:
            raise Refused("file-missing", name) from exc
        except OSError as exc:
            raise Refused("file-unreadable", name) from exc
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Refused("file-unreadable", f"{name} is no plain file")
        return os.fdopen(descriptor, "rb", buffering=1 << 20)


def _below(root: Path, name: str) -> int:
    """Open a file below `root` step by step: what a link leads to is not in the export."""
    *above, last = name.split("/")
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for each in above:
            inner = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        # A pipe would wait for its writer: open without waiting, then take plain files only.
        return os.open(last, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=at)
    finally:
        os.close(at)


class Zip:
    """An export in a zip file, with or without a directory around it; nothing is unpacked."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._zip = file
        names = file.namelist()
        if len(set(names)) != len(names):
            raise Refused("zip-malformed", "a name stands twice")
        found = [name for name in names if name.count("/") <= 1 and name.endswith("checkpoint")]
        found = [
            name for name in found if name in ("checkpoint", f"{name.split('/')[0]}/checkpoint")
        ]
        if len(found) != 1:
            raise Refused("file-missing", "checkpoint")
        self._prefix = found[0].removesuffix("checkpoint")

    def read(self, name: str, limit: int) -> bytes:
        with self._open(name) as file:
            return _bounded(name, file, limit)

    def lines(self, name: str) -> Iterator[bytes]:
        with self._open(name) as file:
            yield from _lines(name, file)

    def names(self) -> Iterator[str]:
        for name in self._zip.namelist():
            if not name.endswith("/"):  # a directory's own entry
                yield name.removeprefix(self._prefix)

    def _open(self, name: str) -> IO[bytes]:
        try:
            entry = self._zip.getinfo(self._prefix + _checked(name))
        except KeyError as exc:
            raise Refused("file-missing", name) from exc
        if entry.compress_type not in _METHODS:
            raise Refused("file-unreadable", f"{name} is compressed in another way")
        try:
            return self._zip.open(entry)
        except _ZIP_ERRORS as exc:
            raise Refused("file-unreadable", name) from exc


class Url:
    """A running audit service, or any web server on which an export lies.

    A running log grows: what has no size in its name is asked for at the checkpoint's size. A year
    turns: where none is named, the checkpoint that is read first says which log is the newest, and
    everything after it is asked of that one. What it is worth, `verify` finds out.
    """

    def __init__(
        self,
        base: str,
        token: str | None = None,
        ca: Path | None = None,
        year: int | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            self._client = httpx2.Client(
                base_url=base.rstrip("/") + "/",
                headers=headers,
                timeout=_TIMEOUT,
                verify=trusting(base, ca),
                trust_env=False,
            )
        except httpx2.InvalidURL as exc:
            raise Refused("audit-not-named", "not an address") from exc
        self._year = {} if year is None else {"year": str(year)}
        self._size: int | None = None
        self._settled = year is not None

    def close(self) -> None:
        self._client.close()

    def read(self, name: str, limit: int) -> bytes:
        self._settle(name)
        until = time.monotonic() + _DEADLINE
        data = bytearray()
        for chunk in self._chunks(name):
            data += chunk
            if len(data) > limit:
                raise Refused("file-too-large", name)
            if time.monotonic() > until:
                raise Unavailable("source-too-slow", name)
        if name == "checkpoint":
            head = note.parse_checkpoint(note.parse(bytes(data)).text)
            self._size = head.size
            if not self._settled and (year := _YEAR_AT_END.search(head.origin)):
                self._year = {"year": year[1]}
            self._settled = True
        return bytes(data)

    def _settle(self, name: str) -> None:
        if not self._settled and name != "checkpoint":
            self.read("checkpoint", note.NOTE_MAX)

    def lines(self, name: str) -> Iterator[bytes]:
        self._settle(name)
        left = b""
        for chunk in self._not_dripping(name):
            *whole, left = (left + chunk).split(b"\n")
            yield from whole
            if len(left) > LINE_MAX:
                raise Refused("line-too-long", name)
        if left:
            raise Refused("line-cut-short", name)

    def _not_dripping(self, name: str) -> Iterator[bytes]:
        """Yield chunks; what a reader does between two of them is not the source's time."""
        got, waited, asked = 0, 0.0, time.monotonic()
        for chunk in self._chunks(name):
            got, waited = got + len(chunk), waited + time.monotonic() - asked
            if waited > _DEADLINE and got < waited * _SLOWEST:
                raise Unavailable("source-too-slow", name)
            yield chunk
            asked = time.monotonic()

    def names(self) -> Iterator[str]:
        """Nothing: a web server is asked for names, and does not say which it has."""
        yield from ()

    def _chunks(self, name: str) -> Iterator[bytes]:
        sized = self._size is not None and name.startswith(("leaves", "manifest"))
        query = self._year | ({"size": str(self._size)} if sized else {})
        try:
            with self._client.stream("GET", _checked(name), params=query) as answer:
                if answer.status_code != 200:
                    raise _unanswered(answer.status_code, name)
                yield from answer.iter_bytes()
        except httpx2.HTTPError as exc:
            raise Unavailable("source-unreachable", name) from exc


def _unanswered(status: int, name: str) -> Refused | Unavailable:
    match status:
        case 404:
            return Refused("file-missing", name)
        case 401 | 403:
            return Refused("token-refused", name)
        case _:
            return Unavailable("source-unreachable", f"{name}: status {status}")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Refused("file-missing", "not a name of an export")
    return name


def _bounded(name: str, file: IO[bytes], limit: int) -> bytes:
    try:
        data = file.read(limit + 1)
    except _ZIP_ERRORS as exc:
        raise Refused("file-unreadable", name) from exc
    if len(data) > limit:
        raise Refused("file-too-large", name)
    return data


def _lines(name: str, file: IO[bytes]) -> Iterator[bytes]:
    left = b""
    try:
        while chunk := file.read(_CHUNK):
            *whole, left = (left + chunk).split(b"\n")
            yield from whole
            if len(left) > LINE_MAX:
                raise Refused("line-too-long", name)
    except _ZIP_ERRORS as exc:
        raise Refused("file-unreadable", name) from exc
    if left:
        raise Refused("line-cut-short", name)
