"""Both implementations take the same texts for strict JSON, base64url and the lines of the log:
whatever one of them reads and the other does not is a document that two see differently."""

import json
import random
from base64 import b64encode
from hashlib import sha256
from itertools import product
from pathlib import Path

import pytest

from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.manifest import parse_manifest
from meldeweg.kernel.strictjson import b64u_decode, loads

LOG = json.loads((Path(__file__).parents[1] / "vectors" / "log.json").read_text())
EDGE = 2**53
LARGE = (EDGE - 1, EDGE, EDGE + 1, 2**63, 2**64, 10**30, 10**31, 10**32)
NUMBERS = [
    *("".join(each) for size in range(1, 5) for each in product("-+01.eE", repeat=size)),
    *(form % n for n in LARGE for form in ("%d", "-%d", "%d.0", "%de0", "[%d]")),
    *("1e308", "1e309", "-1e309", "1e-400", "0e99999", "-0.0", "-0e0", '{"a":-0}', "0x1", "1_0"),
    *("1.7976931348623157e308", "1.7976931348623159e308", "NaN", "Infinity", "-Infinity", "٣"),
    *(f"0.{'0' * more}" for more in (29, 30, 31)),
]
UNITS = ("0000", "001f", "0061", "d800", "dbff", "DC00", "dfff", "D83D", "de00", "00g0", "+123",
         "1_2", "")  # fmt: skip
STRINGS = [
    *(f'"\\u{a}{between}\\u{b}"' for a in UNITS for b in UNITS for between in ("", "x", "\\\\")),
    *(f'{{"\\u{a}\\u{b}":1}}' for a in UNITS for b in UNITS),
]
NAMES = ('""', '" "', '"\\u0020"', '"\\t"', '"\\u0009"', '"\u00a0"', '"\\u00a0"', '"a"',
         '"\\u0061"', '"A"', '"/"', '"\\/"', '"\u00e4"', '"a\u0308"', '"\\ud83d\\ude00"',
         '"\U0001f600"',
         '"\\u0000"', '"\\\\"', '"\\u005C"', "1", "null", "a", "'a'")  # fmt: skip
OBJECTS = [
    form % pair
    for pair in product(NAMES, repeat=2)
    for form in ("{%s:1,%s:1}", '{%s:1,"x":{%s:1}}')
]
BLANKS = (" ", "\t", "\r", "\n", "\v", "\f", "\0", "\x1c", "\x85", "\u00a0", "\u2028", "\u200b",
          "\u3000", "\ufeff", "/**/")  # fmt: skip
PLACES = ("%s1", "1%s", "[%s]", "[1%s]", "[1,%s2]", "{%s}", '{"a"%s:1}', '{"a":%s1}', '"%s"')
SPACED = [form % blank for blank in BLANKS for form in PLACES]
NESTED = [
    opening * deep + "1" + closing * deep
    for deep in range(7)
    for opening, closing in (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"))
]
OCTETS = [
    form.replace(b"%c", bytes([octet]))
    for octet in range(256)
    for form in (b'"%c"', b'"\\%c"', b"%c1", b"1%c", b'"\xc3%c"', b'"\xe2\x80%c"', b'"\xed%c\x80"',
                 b'"\xf0%c\x80\x80"', b'"\xf4%c\x80\x80"', b'"\xe0%c\x80"', b'{"%c":1,"a":1}')
]  # fmt: skip
TEXTS = {
    "numbers": NUMBERS,
    "strings": STRINGS,
    "names": OBJECTS,
    "blanks": SPACED,
    "nested": NESTED,
    "octets": OCTETS,
}
DEPTH = 4


def soup(draw):
    """Parts of JSON in any order, and a header with two changes: what nobody thought of."""
    parts = ("{", "}", "[", "]", ",", ":", '"', '"a"', '"\\u0061"', "1", "-0", "-", ".5", "e",
             "null", "true", " ", "\n", "\\", "\\ud800", "ä", "\0")  # fmt: skip
    for _ in range(4000):
        yield "".join(draw.choices(parts, k=draw.randint(1, 9)))
    for _ in range(4000):
        text = list('{"alg":"EdDSA","kid":"k","typ":"x","value_size":12,"a":[-2.5e3,null]}')
        for _ in range(2):
            at = draw.randrange(len(text))
            text[at : at + draw.randint(0, 2)] = draw.choice(parts)
        yield "".join(text)


def is_json(text):
    try:
        loads(text, max_depth=DEPTH)
    except Refused:
        return False
    return True


def is_base64url(text):
    try:
        b64u_decode(text)
    except Refused:
        return False
    return True


def differing(second, op, texts, ours):
    """Return what the two do not agree on, and of how many both said yes."""
    differ, taken = [], 0
    for text in texts:
        octets = text if isinstance(text, bytes) else text.encode()
        mine, other = ours(octets), second.ask(op, Value=octets, Depth=DEPTH)["ok"]
        taken += mine and other
        if mine != other:
            differ.append((octets, mine))
    return differ, taken


@pytest.mark.parametrize("what", TEXTS)
def test_both_take_the_same_for_json(second, what):
    differ, taken = differing(second, "json", TEXTS[what], is_json)
    assert differ == []
    assert 5 < taken < len(TEXTS[what]) * 3 // 4


def test_both_take_the_same_of_what_nobody_thought_of(second):
    texts = list(soup(random.Random(7)))  # the same texts each time
    differ, taken = differing(second, "json", texts, is_json)
    assert differ == []
    assert taken > 100


def test_both_take_the_same_for_base64url(second):
    """Each octet as the last one of a text of one to four characters, and between."""
    octets = [bytes([octet]) for octet in range(256)]
    texts = [b"", *octets]
    texts += [form % octet for form in (b"A%b", b"AA%b", b"AAA%b", b"A%bAA") for octet in octets]
    texts += [b"AAAA" + end for end in (b"=", b"==", b"A===", b"\n", b"\r\n", b" ", b"AA==", b"A")]
    differ, taken = differing(second, "base64url", texts, is_base64url)
    assert differ == []
    assert taken > 100


def bent(draw, texts, count=1500):
    """Lines with one or two changes, of characters that an eye or a reader may pass over."""
    parts = [*map(chr, range(256)), "\u2014", "\u2028", "\u3000", "\n\n", "\r\n", "=", "00", "-0",
             "9" * 19, str(2**63), "٣"]  # fmt: skip
    for _ in range(count):
        text = list(draw.choice(texts))
        for _ in range(draw.randint(1, 2)):
            at = draw.randrange(len(text))
            text[at : at + draw.randint(0, 3)] = draw.choice(parts)
        yield "".join(text)


def code_of(read, *given):
    try:
        read(*given)
    except Refused as exc:
        return exc.code
    return None


def test_both_read_the_same_of_bent_notes_and_verifier_keys(second):
    draw, notes = random.Random(7), LOG["notes"]
    key = note.parse_vkey(notes["vkey"])
    differ = []
    for text in bent(draw, list(notes["good"].values())):
        mine = code_of(lambda said: note.verify(note.parse(said.encode()), [key]), text)
        other = second.ask("note", Text=text, Vkeys=[notes["vkey"]]).get("why")
        differ += [(text, mine, other)] * (mine != other)
    named = [verifier_named(f"a{chr(character)}b", key) for character in (*range(256), 0x2028)]
    for line in [*named, *bent(draw, [notes["vkey"]])]:
        said = second.ask("note", Text=notes["good"]["one signature"], Vkeys=[line]).get("why")
        mine, other = code_of(note.parse_vkey, line), said if said == "vkey-malformed" else None
        differ += [(line, mine, other)] * (mine != other)
    assert differ == []


def verifier_named(name, key):
    """The line of a key under a name that no reader may take, with the id that belongs to it."""
    whole = b"\x01" + key.public
    key_id = sha256(name.encode() + b"\n" + whole).digest()[:4]
    return f"{name}+{key_id.hex()}+{b64encode(whole).decode()}"


@pytest.mark.parametrize(
    ("kind", "read"), [("checkpoint", note.parse_checkpoint), ("manifest", parse_manifest)]
)
def test_both_read_the_same_of_bent_checkpoints_and_manifests(second, kind, read):
    texts = LOG[f"{kind}s"]["good"]
    lines = [text.split("\n") for text in texts]
    odd = ("", "0", "-0", "+1", "01", "1 ", " 1", "1_0", "1.0", "1e0", "٣")
    odd += (str(2**63 - 1), str(2**63))
    cases = [
        "\n".join([*each[:at], instead, *each[at + 1 :]])
        for each in lines
        for at in range(len(each))
        for instead in (*odd, f"{each[at]}\r", f"{each[at]} ", each[at].upper())
    ]
    cases += bent(random.Random(7), texts)
    said = [(code_of(read, text), second.ask(kind, Text=text).get("why")) for text in cases]
    assert [each for each in zip(cases, said, strict=True) if len(set(each[1])) > 1] == []
    assert 10 < [mine for mine, _ in said].count(None) < len(cases) // 2
