"""Signed notes and checkpoints, against the Go checksum database's own vectors and code."""

import base64
import contextlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from interop.sumdb_judge import judge  # noqa: F401 - a fixture
from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/note.json").read_text())
TEXT, LINE = VECTORS["text"], VECTORS["signature"]
PETER, ENOCH = note.parse_vkey(VECTORS["vkey"]), note.parse_vkey(VECTORS["other_vkey"])
GOOD = f"{TEXT}\n{LINE}".encode()
SIGNER = note.Signer.of("log.example/2026", Ed25519PrivateKey.from_private_bytes(bytes(32)))


def peter():
    raw = base64.b64decode(VECTORS["skey"].split("+", 4)[4])
    return note.Signer.of("PeterNeumann", Ed25519PrivateKey.from_private_bytes(raw[1:]))


def test_signing_gives_the_bytes_of_the_go_checksum_database():
    assert note.sign(TEXT, peter()) == GOOD
    assert peter().verifier().vkey() == VECTORS["vkey"]


def test_known_signatures_are_verified_and_unknown_ones_kept_but_not_believed():
    both = note.parse(GOOD + VECTORS["other_signature"].encode())
    assert both.text == TEXT
    assert len(both.signatures) == 2
    assert note.verify(both, [PETER]) == (PETER,)
    assert note.verify(both, [ENOCH, PETER]) == (ENOCH, PETER)


def test_a_note_that_no_known_key_signed_is_refused():
    with pytest.raises(Refused, match="note-unsigned"):
        note.verify(note.parse(GOOD), [ENOCH])
    with pytest.raises(Refused, match="note-unsigned"):
        note.verify(note.parse(GOOD), [])


def test_one_wrong_signature_of_a_known_key_refuses_the_note_though_another_is_right():
    raw = bytearray(base64.b64decode(VECTORS["other_signature"].split(" ")[2]))
    raw[-1] ^= 1
    line = f"— EnochRoot {base64.b64encode(raw).decode()}\n".encode()
    with pytest.raises(Refused, match="note-signature-invalid"):
        note.verify(note.parse(GOOD + line), [PETER, ENOCH])


def test_a_changed_text_is_refused():
    with pytest.raises(Refused, match="note-signature-invalid"):
        note.verify(note.parse(GOOD.replace(b"cryptography", b"kryptography")), [PETER])


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode() + b"\n",
        GOOD[:-1],
        b"\x01" + GOOD,
        b"\xff" + GOOD,
        GOOD.replace(b"PeterNeumann", b"Bad Name"),
        GOOD.replace(b"PeterNeumann", "Bad\u2003Name".encode()),
        GOOD.replace(b"PeterNeumann", b"Bad+Name"),
        GOOD.replace(b"PeterNeumann", b""),
        GOOD + b"Unexpected line.\n",
        GOOD + b"\n",
        GOOD.replace(b"nAM=\n", b"nAM\n"),
        GOOD.replace(b"nAM=\n", b"nAN=\n"),
        GOOD.replace(b"nAM=\n", b"nAM=@@\n"),
        GOOD.replace(LINE.encode(), "— PeterNeumann x08g\n".encode()),
        TEXT.encode() + b"\n" + LINE.encode() * 101,
        b"a" * 1_000_001 + GOOD,
        b"",
    ],
    ids=range(18),
)
def test_malformed_notes_are_refused(data):
    with pytest.raises(Refused, match="note-malformed"):
        note.parse(data)


@pytest.mark.parametrize("vkey", [*VECTORS["bad_vkeys"], "", "a+b", VECTORS["vkey"] + "\n"])
def test_malformed_vkeys_are_refused(vkey):
    with pytest.raises(Refused, match="vkey-malformed"):
        note.parse_vkey(vkey)


@pytest.mark.parametrize("weak", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, b"short"])
def test_a_key_under_which_anything_would_verify_is_refused(weak):
    with pytest.raises(Refused, match="vkey-malformed"):
        note.Verifier("log.example", weak)


@given(st.integers(0, len(VECTORS["vkey"]) - 1), st.characters())
def test_no_single_changed_character_of_a_vkey_is_accepted(at, char):
    vkey = VECTORS["vkey"]
    changed = vkey[:at] + char + vkey[at + 1 :]
    if changed != vkey:
        with pytest.raises(Refused, match="vkey-malformed"):
            note.parse_vkey(changed)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_single_changed_byte_of_a_note_is_accepted(at, flip):
    data = bytearray(GOOD)
    data[at] ^= flip
    with pytest.raises(Refused):
        note.verify(note.parse(bytes(data)), [PETER])


@given(st.binary(max_size=200))
def test_no_input_makes_the_parser_do_anything_but_read_or_refuse(data):
    with contextlib.suppress(Refused):
        assert note.parse(data + GOOD[len(TEXT) :]).signatures


@pytest.mark.parametrize("text", ["", "no newline", "a\n\x00\n"])
def test_what_is_not_a_note_is_never_signed(text):
    with pytest.raises(Refused, match="note-malformed"):
        note.sign(text, SIGNER)


def checkpoint(**changes):
    given_ = {"origin": SIGNER.name, "size": 7, "root": b"r" * 32} | changes
    return note.Checkpoint(**given_)


def test_a_checkpoint_is_read_back_as_it_was_signed():
    for made in (checkpoint(), checkpoint(size=0)):
        data = note.sign(made.text(), SIGNER)
        assert note.open_checkpoint(data, SIGNER.name, [SIGNER.verifier()]) == made


def test_the_go_checksum_database_opens_our_checkpoint(judge):  # noqa: F811
    data = note.sign(checkpoint().text(), SIGNER)
    vkey = SIGNER.verifier().vkey()
    assert judge.ask("note", Note=data, Vkey=vkey) == {"ok": True, "text": checkpoint().text()}
    assert not judge.ask("note", Note=data.replace(b"7", b"8"), Vkey=vkey)["ok"]


def test_a_checkpoint_of_another_log_is_refused():
    data = note.sign(checkpoint(origin="other.example").text(), SIGNER)
    with pytest.raises(Refused, match="checkpoint-of-another-log"):
        note.open_checkpoint(data, SIGNER.name, [SIGNER.verifier()])


@pytest.mark.parametrize(
    "change",
    [
        ("7", "07"), ("7", "+7"), ("7", "-7"), ("7", "7 "), ("7", "\u0667"), ("7", "7_0"),
        ("7", "9223372036854775808"), ("7", "1" * 5000), ("7", ""),
        ("=\n", "\n"), ("=\n", "=x\n"), ("cnI=", "cg=="), ("log.example/2026", ""),
        ("=\n", "=\n\n"),
    ],
    ids=range(14),
)  # fmt: skip
def test_malformed_checkpoints_are_refused(change):
    text = checkpoint().text()
    changed = text.replace(*change, 1) if change[0] != "7" else f"o\n{change[1]}\n" + text[19:]
    assert changed != text
    with pytest.raises(Refused, match="checkpoint-malformed"):
        note.parse_checkpoint(changed)


def test_a_short_checkpoint_is_refused():
    for text in ("", "\n", "a\n1\n", checkpoint().text()[:-1]):
        with pytest.raises(Refused, match="checkpoint-malformed"):
            note.parse_checkpoint(text)
