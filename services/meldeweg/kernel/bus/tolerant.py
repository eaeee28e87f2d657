"""Lets aiokafka read records whose header names are not UTF-8.

As it comes, aiokafka 0.14 decodes header names strictly while it unpacks a batch: one record of one
sender makes `getmany` raise for ever, and what had been drained from other partitions in that call
is lost. Here a batch that the native parser can't read is parsed again, names decoded with
`surrogateescape`, so that their exact bytes survive (`records.header_name_bytes`).

Guarantees: batches that the native parser can read are read by it, at its speed. Trusts: the layout
of aiokafka 0.14, and refuses to be installed into another.
"""

import struct
from collections.abc import Iterator
from typing import Any

import aiokafka  # noqa: TID251 - bus is the place
from aiokafka.consumer import fetcher  # noqa: TID251 - bus is the place
from aiokafka.record.default_records import (  # noqa: TID251 - bus is the place
    _DefaultRecordBatchPy,
)
from aiokafka.record.memory_records import MemoryRecords  # noqa: TID251 - bus is the place

from meldeweg.kernel.errors import Fatal

_VERSION = "0.14."
_LENGTH = struct.Struct(">8xi")  # base offset, then the length of what follows
_HEAD = _LENGTH.size


def install() -> None:
    """Make every consumer of this process tolerant; again is no harm.

    Raises Fatal `aiokafka-unknown` for a version this was not written for.
    """
    if not aiokafka.__version__.startswith(_VERSION):
        raise Fatal("aiokafka-unknown", aiokafka.__version__)
    fetcher.MemoryRecords = TolerantRecords


class TolerantRecords:
    """Stands for aiokafka's MemoryRecords: the batches of one fetched partition."""

    def __init__(self, data: bytes) -> None:
        self._native = MemoryRecords(data)
        self._data = data
        self._at = 0

    def has_next(self) -> bool:
        return bool(self._native.has_next())

    def size_in_bytes(self) -> int:
        return int(self._native.size_in_bytes())

    def next_batch(self) -> "_Batch | None":
        batch = self._native.next_batch()
        if batch is None:
            return None
        start = self._at
        self._at += _HEAD + _LENGTH.unpack_from(self._data, start)[0]
        return _Batch(batch, memoryview(self._data)[start : self._at])


class _Batch:
    """One batch: the native one in everything but the failure to decode a name."""

    def __init__(self, native: Any, raw: memoryview) -> None:
        self._native = native
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._native))
        except UnicodeDecodeError:
            return self._tolerant()

    def _tolerant(self) -> Iterator[Any]:
        batch = _DefaultRecordBatchPy(self._raw)
        iterator: Iterator[Any] = iter(batch)  # decompresses, if need be
        batch._buffer = _Names(batch._buffer)  # noqa: SLF001 - what it cuts names from
        return iterator


class _Names(bytearray):
    """A buffer whose slices decode without loss and without raising."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _Names(found) if isinstance(index, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self).decode(encoding, "surrogateescape")
