"""What is kept of a record: its sealed `record`, byte for byte, and of the content nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meldeweg.audit.project import project, sealed_record
from meldeweg.envelope.sealing import open_sealed, seal
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.leaf import leaf_of_record, parse_canonical, parse_leaf
from meldeweg.kernel.topics import SEALED_RECORD_MAX


def value(record):
    return b'{"content":{"ciphertext":"Yw"},"record":%b}' % record


def test_a_real_sealed_record_is_kept_so_that_it_still_opens():
    key = OpenKey(bytes(32))
    content, sealed = (seal(text, [key.public], b"a" * 32) for text in (b"x", b"why it was sent"))
    kept = sealed_record(b'{"content":%b,"record":%b}' % (content, sealed))
    assert kept == sealed
    assert open_sealed(kept, key, b"a" * 32) == b"why it was sent"


@pytest.mark.parametrize(
    "data",
    [
        None, b"", b"{}", b"[]", b"null", b"\xff", b'{"content":{"ciphertext":"Yw"}}',
        value(b'"text"'), value(b"[]"), value(b"{}"), value(b'{"ciphertext":1}'),
        value(b'{"ciphertext":"x","reason":"plain words"}'), value(b"[" * 100_000),
        value(b'{"ciphertext":"%b"}' % (b"x" * SEALED_RECORD_MAX)), value(b'{"ciphertext":"x"'),
        value(b"1" * 100_000),
    ],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_sealed_record_is_not_kept(data):
    assert sealed_record(data) is None


@given(st.binary(max_size=60) | st.binary(max_size=60).map(value))
def test_no_value_does_anything_but_be_kept_or_not(data):
    kept = sealed_record(data)
    assert kept is None or json.loads(kept)["ciphertext"] is not None


def test_an_entry_commits_to_the_record_and_holds_no_content():
    record = Record("t", 0, 7, 1, b"k", value(b'{"ciphertext":"cg"}'), (("statement", b"s"),))
    entry = project(bytes(16), record)
    assert parse_leaf(entry.leaf) == leaf_of_record(
        bytes(16), 7, record.key, record.headers, record.value
    )
    assert parse_canonical(entry.canonical).headers == ((b"statement", b"s"),)
    assert b'"Yw"' not in entry.canonical + (entry.sealed or b"")
