"""What the search of a stack's files finds: a word, however it is written, and nothing else."""

import base64
import json
import re
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from meldeweg.demo import marks
from meldeweg.demo.story import LABELS, MARKS, OFFICE_PERSON, POLICE_PERSON, example
from meldeweg.kernel.schemas import MessageType

ENCODINGS = (
    lambda raw: raw,
    lambda raw: raw.decode().encode("utf-16-le"),
    lambda raw: raw.decode().encode("utf-16-be"),
    lambda raw: raw.hex().encode(),
    lambda raw: raw.hex().upper().encode(),
    lambda raw: json.dumps(raw.decode()).encode(),
    lambda raw: re.sub(r"\\u....", capital, json.dumps(raw.decode())).encode(),
    lambda raw: quote(raw.decode()).encode(),
    base64.b64encode,
    base64.urlsafe_b64encode,
    lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"="),
)


def capital(escape):
    return "\\u" + escape[0][2:].upper()


def test_each_mark_is_a_word_of_what_the_story_sends():
    sent = [*map(example, MessageType), LABELS, POLICE_PERSON, OFFICE_PERSON]
    text = json.dumps(sent, ensure_ascii=False)
    assert [word for word in MARKS if word not in text] == []


def found(tmp_path, data, words=MARKS):
    (tmp_path / "file").write_bytes(data)
    return {word for _, word in marks.found_in(tmp_path, words)}


@given(
    word=st.sampled_from(MARKS),
    encode=st.sampled_from(ENCODINGS),
    before=st.text(max_size=40),
    after=st.text(max_size=40),
)
def test_a_word_is_found_at_any_alignment_in_any_encoding(word, encode, before, after):
    text = f"{before}{word}{after}".encode("utf-8", "replace")
    encoded = encode(text)
    assert any(needle in encoded for needle in marks.encodings(word))


@given(
    words=st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=9, max_size=30),
    encode=st.sampled_from(ENCODINGS),
    before=st.binary(max_size=7).map(bytes.hex),
    after=st.binary(max_size=7).map(bytes.hex),
)
def test_so_is_any_other_word_that_is_long_enough(words, encode, before, after):
    encoded = encode(f"{before}{words}{after}".encode())
    assert any(needle in encoded for needle in marks.encodings(words))


@given(st.binary(max_size=4096))
def test_bytes_that_hold_no_word_are_not_taken_for_one(data):
    assert not any(needle in data for word in MARKS for needle in marks.encodings(word))


def test_files_are_named_with_the_word_they_hold_and_others_are_not(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_bytes(b"\0" * 70_000 + MARKS[1].encode())
    (tmp_path / "clean").write_bytes(b"nothing")
    assert list(marks.found_in(tmp_path, MARKS)) == [(tmp_path / "deep" / "log", MARKS[1])]


def test_a_word_is_found_as_latin_1(tmp_path):
    assert found(tmp_path, "xy Musterstraße 4 z".encode("latin-1")) == {"Musterstraße 4"}


def test_what_was_written_behind_a_hole_is_looked_at(tmp_path):
    with (tmp_path / "segment").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
        file.seek(32 * 1024 * 1024)
        file.write(MARKS[0].encode())
    assert list(marks.found_in(tmp_path, MARKS[:1])) == [(tmp_path / "segment", MARKS[0])]


def test_no_needle_is_so_short_that_chance_finds_it():
    for word in MARKS:
        assert all(len(needle) >= 6 for needle in marks.encodings(word))
        assert len(marks.encodings(word)) >= 8
