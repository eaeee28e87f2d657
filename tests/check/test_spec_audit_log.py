"""docs/spec/audit-log.md suffices: its words, hashlib and Ed25519, and no line of our code.

Everything between the two rulers was written from the page. It reads an export that the tests of
our own verifier make, and the leaves of tests/vectors/way.json.
"""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from unit.audit.synthetic import EVENTS, POLICE, TO_OFFICE, TO_POLICE, Log, heartbeat, message

VECTORS = Path(__file__).parents[1] / "vectors"

# ---------------------------------------------------------------------------------------------


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def u32(number):
    return number.to_bytes(4)


def opt(data):
    return b"\0" if data is None else b"\1" + u32(len(data)) + data


def canonical(key, headers, value_sha256):
    """§ 1."""
    head = b"".join(u32(len(name)) + name + opt(value) for name, value in headers)
    value = b"\0" if value_sha256 is None else b"\1" + value_sha256
    return b"meldeweg.record.v1\n" + opt(key) + u32(len(headers)) + head + value


def leaf(topic_id, offset, key, headers, value_sha256):
    """§ 2."""
    said = [value for name, value in headers if name == b"statement"]
    statement = sha256(said[0]) if len(said) == 1 and said[0] is not None else bytes(32)
    record = sha256(canonical(key, headers, value_sha256))
    return b"MWLF\1\1\0\0" + topic_id + offset.to_bytes(8) + record + statement


def genesis(origin, year, previous=bytes(32)):
    zero = bytes(16)
    return b"MWLF\1\0\0\0" + zero + year.to_bytes(8) + sha256(origin.encode()) + previous


def root(hashes):
    """§ 3, by the definition of RFC 6962 itself."""
    if not hashes:
        return sha256()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1", root(hashes[:split]), root(hashes[split:]))


def tile_path(level, number, width):
    """§ 4."""
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*(f"x{each}" for each in groups[:-1]), groups[-1]])
    return f"tile/{level}/{name}" + (f".p/{width}" if width < 256 else "")


def note(data, vkey):
    """§ 5: the text that this key signed."""
    name, key_id, encoded = vkey.split("+", 2)
    typed = base64.b64decode(encoded, validate=True)
    assert typed[:1] == b"\1"
    assert sha256(name.encode(), b"\n", typed)[:4].hex() == key_id
    text, _, signatures = data.decode().rpartition("\n\n")
    text += "\n"
    for line in signatures.removesuffix("\n").split("\n"):
        assert line.startswith("\N{EM DASH} ")
        signer, blob = line[2:].split(" ")
        raw = base64.b64decode(blob, validate=True)
        assert base64.b64encode(raw).decode() == blob
        if (signer, raw[:4].hex()) == (name, key_id):
            Ed25519PublicKey.from_public_bytes(typed[1:]).verify(raw[4:], text.encode())
            return text
    raise AssertionError("not signed by this key")


def shown(value):
    if value is None or isinstance(value, str):
        return None if value is None else value.encode()
    return base64.b64decode(value["b64"], validate=True)


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def verify(export, vkey):
    """§ 10, steps 1 to 5; returns the number of entries and the names of the topics."""
    origin, size, top = note((export / "checkpoint").read_bytes(), vkey).splitlines()  # 1
    assert vkey.startswith(origin + "+")
    size = int(size)
    leaves, hashes = [], []
    for number in range(-(-size // 256)):  # 2
        width = min(256, size - number * 256)
        bundle = (export / tile_path("entries", number, width)).read_bytes()
        while bundle:
            length = int.from_bytes(bundle[:2])
            leaves.append(bundle[2 : 2 + length])
            bundle = bundle[2 + length :]
        tile = (export / tile_path(0, number, width)).read_bytes()
        hashes += [sha256(b"\0", each) for each in leaves[number * 256 :]]
        assert tile == b"".join(hashes[number * 256 :])
    assert len(leaves) == size
    level, row = 1, [root(hashes[at : at + 256]) for at in range(0, size - size % 256, 256)]
    while row:
        for number in range(-(-len(row) // 256)):
            part = row[number * 256 :][:256]
            assert (export / tile_path(level, number, len(part))).read_bytes() == b"".join(part)
        whole = len(row) - len(row) % 256
        level, row = level + 1, [root(row[at : at + 256]) for at in range(0, whole, 256)]
    assert base64.b64encode(root(hashes)).decode() == top
    following, topics = {}, {}
    lines = (export / "leaves.jsonl").read_bytes().removesuffix(b"\n").split(b"\n")
    assert len(lines) == size
    for index, (line, data) in enumerate(zip(lines, leaves, strict=True)):
        said = json.loads(line)
        assert compact(said).encode() == line
        assert said["index"] == index
        assert base64.b64decode(said["leaf"]) == data
        if index == 0:  # 3, 4
            year = int.from_bytes(data[24:32])
            assert data == genesis(origin, year, data[64:])
            assert said["genesis"] == {"year": year, "previous": data[64:].hex()}
            continue
        topic_id, offset = data[8:24], int.from_bytes(data[24:32])
        assert offset == said["offset"] == following.get(topic_id, 0)
        following[topic_id] = offset + 1
        assert topics.setdefault(topic_id, said["topic"]) == said["topic"]
        if said.get("erased"):
            assert list(said) == ["index", "leaf", "topic", "offset", "erased"]
            continue
        assert list(said) == ["index", "leaf", "topic", "offset", "statement"]
        statement = shown(said["statement"])
        assert data[64:] == (bytes(32) if statement is None else sha256(statement))
    manifests(export, vkey, origin, leaves, topics)
    return size, set(topics.values())


def manifests(export, vkey, origin, leaves, topics):
    """§ 7 and step 5 of § 10."""
    previous, index, text = bytes(32), 0, ""
    lines = (export / "manifests.jsonl").read_text().splitlines()
    for number, line in enumerate(lines):
        text = json.loads(line)
        assert compact(text) == line
        assert text.endswith("\n")
        head = text.removesuffix("\n").split("\n")
        assert head[:3] == ["meldeweg.manifest.v1", origin, str(number)]
        start, end = map(int, head[3].split(" "))
        assert (start, head[4]) == (index, previous.hex())
        for said in head[5:]:
            what, *rest = said.split(" ")
            if what == "genesis":
                assert (number, index) == (0, 0)
                assert rest == [str(int.from_bytes(leaves[0][24:32])), leaves[0][64:].hex()]
                index += 1
                continue
            assert what == "range"
            topic, topic_id, first, last, digest = rest
            assert topics[bytes.fromhex(topic_id)] == topic
            part = leaves[index : index + int(last) - int(first)]
            assert [int.from_bytes(each[24:32]) for each in part] == [*range(int(first), int(last))]
            assert {each[8:24].hex() for each in part} == {topic_id}
            assert sha256(*(sha256(b"\0", each) for each in part)).hex() == digest
            index += len(part)
        assert index == end
        previous = sha256(text.encode())
    assert index == len(leaves)
    assert note((export / "manifest").read_bytes(), vkey) == text


# ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A log with everything odd in it, over more than one tile and several manifests."""
    log = Log()
    log.messages(400)
    log.messages(200, TO_POLICE, "jugendamt-musterstadt", POLICE)
    log.add(TO_OFFICE, message(401), headers=((b"\xff\xfe", b"\x00\xff"), (b"empty", None)))
    log.add(TO_OFFICE, None, value=b"nonsense", key=None)
    log.add(TO_OFFICE, message(402), headers=((b"statement", b"a second one"),))
    log.add(TO_OFFICE, b"\xff not a token \xfe")
    log.add(EVENTS, heartbeat([("jugendamt-musterstadt", 402)]))
    return log.write(tmp_path_factory.mktemp("log") / "export", every=100)


def test_the_spec_alone_suffices_to_verify_an_export(export):
    vkey = (export / "vkey").read_text().removesuffix("\n")
    assert verify(export, vkey) == (606, {TO_OFFICE, TO_POLICE, EVENTS})


@pytest.mark.parametrize(
    "name",
    ["checkpoint", "manifest", "manifests.jsonl", "leaves.jsonl", "tile/0/001", "tile/1/000.p/2"],
)
def test_a_verifier_written_from_the_spec_finds_a_changed_byte(export, name, tmp_path):
    vkey = (export / "vkey").read_text().removesuffix("\n")
    copy = tmp_path / "copy"
    for path in export.rglob("*"):
        if path.is_file():
            target = copy / path.relative_to(export)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises((AssertionError, InvalidSignature, ValueError, KeyError)):
        verify(copy, vkey)


def test_the_spec_alone_gives_the_leaves_and_the_root_of_the_vector():
    way = json.loads((VECTORS / "way.json").read_text())
    expected = way["expected"]
    leaves = [genesis(expected["origin"], expected["year"])]
    for record in way["records"]:
        if re.match(r"inbox\.|events\.", record["topic"]):
            headers = [(name.encode(), value.encode()) for name, value in record["headers"]]
            made = leaf(
                bytes.fromhex(record["topic_id"]),
                record["offset"],
                record["key"].encode(),
                headers,
                sha256(record["value"].encode()),
            )
            assert made.hex() == record["leaf"]
            leaves.append(made)
    assert root([sha256(b"\0", each) for each in leaves]).hex() == expected["root"]
