"""Header names of any bytes, at the native parser's speed for all others."""

import pytest
from aiokafka.record.default_records import (  # noqa: TID251 - what is made tolerant
    _DefaultRecordBatchBuilderPy,
)
from aiokafka.record.memory_records import MemoryRecords  # noqa: TID251 - as above
from hypothesis import given
from hypothesis import strategies as st

from meldeweg.kernel.bus import tolerant
from meldeweg.kernel.bus.records import header_name_bytes
from meldeweg.kernel.bus.tolerant import TolerantRecords
from meldeweg.kernel.errors import Fatal


class RawName(str):
    __slots__ = ("raw",)

    def __new__(cls, raw):
        name = super().__new__(cls, "")
        name.raw = raw
        return name

    def encode(self, *_):
        return self.raw


def encoded(*batches, codec=0):
    """Batches of (key, value, ((name bytes, value), ...)), as a broker would send them."""
    data = b""
    for records in batches:
        builder = _DefaultRecordBatchBuilderPy(2, codec, False, -1, -1, 0, 1 << 24)
        for offset, (key, value, headers) in enumerate(records):
            named = [(RawName(name), each) for name, each in headers]
            builder.append(offset, 7, key, value, named)
        data += bytes(builder.build())
    return data


def decoded(data):
    records = TolerantRecords(data)
    found = []
    while records.has_next():
        batch = records.next_batch()
        assert batch.validate_crc()
        found.append(
            [
                (each.key, each.value, tuple((header_name_bytes(n), v) for n, v in each.headers))
                for each in batch
            ]
        )
    assert records.next_batch() is None
    return found


optional = st.none() | st.binary(max_size=20)
record = st.tuples(
    optional, optional, st.lists(st.tuples(st.binary(max_size=8), optional), max_size=4).map(tuple)
)


@given(st.lists(st.lists(record, min_size=1, max_size=5), max_size=4), st.sampled_from([0, 1]))
def test_every_byte_survives_whatever_the_names_are(batches, codec):
    assert decoded(encoded(*batches, codec=codec)) == batches


def test_names_that_are_utf8_read_as_the_native_parser_reads_them():
    data = encoded([(b"k", b"v", (("ä€".encode(), b"1"), (b"b", None)))])
    native = MemoryRecords(data).next_batch()
    ours = TolerantRecords(data).next_batch()
    assert [(r.offset, r.timestamp, r.headers) for r in ours] == [
        (r.offset, r.timestamp, r.headers) for r in native
    ]
    assert (ours.base_offset, ours.next_offset, ours.is_control_batch) == (0, 1, False)


def test_a_batch_cut_off_by_the_fetch_is_left_for_the_next():
    data = encoded([(None, b"1", ())], [(None, b"2", ())])
    records = TolerantRecords(data[:-1])
    assert [each.value for each in records.next_batch()] == [b"1"]
    assert not records.has_next()
    assert records.size_in_bytes() == len(data) - 1


def test_another_version_of_aiokafka_is_refused(monkeypatch):
    monkeypatch.setattr(tolerant.aiokafka, "__version__", "0.15.0")
    with pytest.raises(Fatal) as fatal:
        tolerant.install()
    assert fatal.value.code == "aiokafka-unknown"
