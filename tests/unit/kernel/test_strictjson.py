"""Strict JSON and base64url: what two readers could read differently is refused."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps, loads

MARKER = "Erika-Beispiel"
INT_MAX = 2**53 - 1


def _refused(data: bytes, **options) -> Refused:
    with pytest.raises(Refused) as caught:
        loads(data, **options)
    return caught.value


def _everything_an_error_holds(error: BaseException | None) -> str:
    text = ""
    while error is not None:
        text += repr(error) + repr(error.args) + repr(vars(error))
        text += "".join(repr(getattr(error, name, "")) for name in ("doc", "object", "msg"))
        error = error.__cause__ or error.__context__
    return text


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":2}',
        '[{"b":{"a":1,"a":null}}]',
        "NaN",
        "[Infinity]",
        "[-Infinity]",
        "1e999",
        "[-1e999]",
        str(INT_MAX + 1),
        str(-INT_MAX - 1),
        "9" * 5000,
        "0." + "1" * 5000,
        "1 2",
        "{}{}",
        "{} x",
        "",
        "   ",
        "{'a':1}",
        '{"a":1,}',
        "[1,]",
        "// no\n1",
        "01",
        "-0",
        '{"a":-0}',
        "+1",
        ".5",
        "1.",
        "0x10",
        '"a\nb"',
        '"a\x00b"',
        '"\\x41"',
        '"\\ud800"',
        '"\\uDC00 x"',
        '["\\udc00\\ud800"]',
        '{"\\ud834":1}',
        '[[["\\uD83D"]]]',
        "\ufeff{}",
        "tru",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text):
    assert _refused(text.encode()).code == "json-malformed"


@pytest.mark.parametrize(
    "data",
    [
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32-be"),
        '"ä"'.encode("latin-1"),
        b'"\xc0\xaf"',  # overlong
        b'"\xed\xa0\x80"',  # a surrogate in UTF-8's clothes
        b'"\xf4\x90\x80\x80"',  # above U+10FFFF
        b"\xff{}",
    ],
)
def test_anything_but_utf8_is_refused(data):
    assert _refused(data).code == "json-malformed"


@pytest.mark.parametrize("bracket", ["[]", '{"a":}'])
def test_nesting_is_bounded_exactly(bracket):
    opening, closing = bracket[:-1], bracket[-1]

    def nested(depth: int) -> bytes:
        return (opening * depth + "1" + closing * depth).encode()

    loads(nested(32))
    loads(nested(3), max_depth=3)
    _refused(nested(33))
    _refused(nested(4), max_depth=3)
    _refused(nested(1), max_depth=0)


def test_a_very_deep_document_is_refused_and_does_not_crash():
    assert _refused(b"[" * 1_000_000 + b"]" * 1_000_000).code == "json-malformed"
    assert _refused(b'{"a":' * 100_000).code == "json-malformed"


def test_brackets_in_text_and_wide_documents_are_not_depth():
    assert loads(json.dumps("[{" * 500).encode()) == "[{" * 500
    assert loads(b"[" + b"[]," * 500 + b"[]]", max_depth=2) == [[]] * 501


def test_the_largest_exact_integers_and_pairs_of_surrogates_are_read():
    assert loads(str(INT_MAX).encode()) == INT_MAX
    assert loads(str(-INT_MAX).encode()) == -INT_MAX
    assert loads(b'"\\ud83d\\ude00"') == "\U0001f600"
    assert loads(b' {"a" : [1.5, true, null]}\n') == {"a": [1.5, True, None]}


def test_the_code_is_the_callers():
    assert _refused(b"{", code="schema-malformed").code == "schema-malformed"


@pytest.mark.parametrize(
    "data",
    [
        f'{{"name":"{MARKER}"'.encode(),
        f'{{"{MARKER}":1,"{MARKER}":2}}'.encode(),
        f'["{MARKER}","\\ud800"]'.encode(),
        f'["{MARKER}",NaN]'.encode(),
        MARKER.encode() + b"\xff",
        f'["{MARKER}",[[[[]]]]]'.encode(),
    ],
)
def test_a_refusal_holds_nothing_of_the_document(data):
    error = _refused(data, max_depth=2)
    assert MARKER not in _everything_an_error_holds(error)
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"\udfff": 1}])
def test_what_could_not_be_read_is_not_written_and_not_shown(value):
    with pytest.raises(Refused) as caught:
        dumps({"who": MARKER, "x": value})
    assert caught.value.code == "json-unwritable"
    assert MARKER not in _everything_an_error_holds(caught.value)


_documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-INT_MAX, INT_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(_documents)
def test_what_is_written_is_read_again_and_written_the_same(document):
    data = dumps(document)
    assert loads(data) == document
    assert dumps(loads(data)) == data
    assert json.loads(data) == document


def test_the_bytes_written_are_compact_sorted_utf8():
    assert dumps({"b": 1, "a": ["ä", None]}) == '{"a":["ä",null],"b":1}'.encode()


@given(st.binary(max_size=200))
def test_base64url_round_trip(data):
    text = b64u_encode(data)
    assert b64u_decode(text) == b64u_decode(text.encode()) == data


_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def test_of_all_short_texts_only_canonical_base64url_is_read():
    def canonical(text: bytes) -> bool:
        values = [_ALPHABET.find(chr(octet)) for octet in text]
        unused = {0: 0, 2: 4, 3: 2}.get(len(text) % 4)
        return -1 not in values and unused is not None and values[-1] % (1 << unused) == 0

    singles = [bytes([octet]) for octet in range(256)]
    texts = singles + [a + b for a in singles for b in singles]
    texts += [b"AA" + a + b for a in singles for b in singles]
    texts += [a + b"A" + b for a in singles for b in singles]
    for text in texts:
        try:
            b64u_decode(text)
            read = True
        except Refused:
            read = False
        assert read == canonical(text), text


@pytest.mark.parametrize("text", ["AA@@AA==", "AA==", "AA=", "A", "AA\n", " AA", "++", "//", "ÄA"])
def test_base64url_traps_are_refused(text):
    with pytest.raises(Refused) as caught:
        b64u_decode(text, code="x-malformed")
    assert caught.value.code == "x-malformed"
    assert caught.value.__context__ is None
