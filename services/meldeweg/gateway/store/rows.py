"""Rows as frozen dataclasses: a field per column, of the same name.

Guarantees: what a dataclass wrote is read back equal: times as text that sorts, headers as their
exact bytes, enumerations and ids by their text. Column names come from declarations alone, so no
SQL is ever made from data.
"""

import dataclasses
import sqlite3
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from meldeweg.gateway.store.headers import Headers, pack, unpack
from meldeweg.kernel.clock import from_rfc3339, to_rfc3339

R = TypeVar("R")
_Convert = Callable[[Any], Any]


class Rows(Generic[R]):
    """Reads and inserts rows of one dataclass; `columns` is the list for a SELECT."""

    def __init__(self, row: type[R]) -> None:
        hints = typing.get_type_hints(row)
        assert dataclasses.is_dataclass(row)
        names = [field.name for field in dataclasses.fields(row)]
        self._row = row
        self._readers = [_reader(hints[name]) for name in names]
        self._writers = [_writer(hints[name]) for name in names]
        self._names = names
        self.columns = ", ".join(names)
        self._insert = f"({self.columns}) VALUES ({', '.join('?' * len(names))})"

    def insert(self, db: sqlite3.Connection, table: str, row: R) -> int:
        """Insert and return the rowid."""
        values = [
            _written(getattr(row, name), write)
            for name, write in zip(self._names, self._writers, strict=True)
        ]
        found = db.execute(f"INSERT INTO {table} {self._insert}", values)
        return found.lastrowid or 0

    def select(
        self, db: sqlite3.Connection, table: str, rest: str, args: Sequence[Any] = ()
    ) -> list[R]:
        """Return the rows of `SELECT columns FROM table <rest>`."""
        return list(self.each(db, table, rest, args))

    def each(
        self, db: sqlite3.Connection, table: str, rest: str, args: Sequence[Any] = ()
    ) -> Iterator[R]:
        """Return the same row by row; what is not asked for is not read."""
        return self._read(db.execute(f"SELECT {self.columns} FROM {table} {rest}", args))  # noqa: S608 - declared

    def first(
        self, db: sqlite3.Connection, table: str, rest: str, args: Sequence[Any] = ()
    ) -> R | None:
        """Return the first row of `select`, or None."""
        row = db.execute(f"SELECT {self.columns} FROM {table} {rest} LIMIT 1", args).fetchone()  # noqa: S608 - declared
        return next(self._read((row,))) if row else None

    def _read(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[R]:
        for row in rows:
            fields = zip(self._names, self._readers, row, strict=True)
            yield self._row(
                **{
                    name: value if read is None or value is None else read(value)
                    for name, read, value in fields
                }
            )


def _written(value: Any, write: _Convert | None) -> Any:
    return value if write is None or value is None else write(value)


def _plain(hint: Any) -> Any:
    """Return the type without its `| None`."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return hint


def _reader(hint: Any) -> _Convert | None:
    kind = _plain(hint)
    if kind == Headers:
        return unpack
    if kind is datetime:
        return from_rfc3339
    if kind in (str, int, bytes):
        return None
    return typing.cast("_Convert", kind)  # bool, an enumeration, an id


def _writer(hint: Any) -> _Convert | None:
    kind = _plain(hint)
    if kind == Headers:
        return pack
    if kind is datetime:
        return to_rfc3339
    return str.__str__ if isinstance(kind, type) and issubclass(kind, StrEnum) else None
