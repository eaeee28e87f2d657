"""Write log.json: the audit log's bytes, good ones and such as must be refused.

`PYTHONPATH=tests python -m vectors.make_log` derives everything from fixed keys; nothing is random.
A test fails when the committed file is not what this module derives. Bytes are base64 where the
name of a member does not say hex. All names are invented.

`export` is a small log as `meldeweg audit export` writes it, with records that are nonsense,
and with two manifests. Each of `changes` gives other bytes (null: none) for
some files, and the step of docs/spec/audit-log.md § 10 that must find it.
"""

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from meldeweg.kernel import note
from meldeweg.kernel.leaf import genesis, leaf_of_record
from meldeweg.kernel.tiles import ENTRIES, Tile
from unit.audit.synthetic import ORIGIN, SIGNER, TO_OFFICE, topic_id
from vectors.log_export import IMPOSTOR, OTHER, b64, export, small_log
from vectors.log_proofs import proofs

FILE = Path(__file__).parent / "log.json"


def leaves() -> list[dict[str, Any]]:
    """Records, from ordinary to nonsense, and the leaf of each."""
    ordinary = [("statement", b"eyJ.e30.c2ln"), ("ce_id", b"1")]
    cases: list[tuple[str, bytes | None, list[tuple[str, bytes | None]], bytes | None]] = [
        ("ordinary", b"k", ordinary, b'{"content":1}'),
        ("no key", None, ordinary, b"{}"),
        ("an empty key", b"", ordinary, b"{}"),
        ("no value", b"k", ordinary, None),
        ("an empty value", b"k", ordinary, b""),
        ("no headers", b"k", [], b"{}"),
        ("headers in another order", b"k", ordinary[::-1], b"{}"),
        ("a null header", b"k", [*ordinary, ("n", None)], b"{}"),
        ("an empty header without a name", b"k", [*ordinary, ("", b"")], b"{}"),
        ("two statements", b"k", [*ordinary, ordinary[0]], b"{}"),
        ("a null statement", b"k", [("statement", None)], b"{}"),
        ("an empty statement", b"k", [("statement", b"")], b"{}"),
        ("bytes that are no text", b"\xff\x00", [("statement", b"\xfe")], b"\x00\xff"),
        ("a name that is no ASCII", b"k", [("stätement", b"x")], b"{}"),
    ]
    return [
        {
            "name": name,
            "topic_id": topic_id(TO_OFFICE).hex(),
            "offset": offset * 1_000_003,
            "key": b64(key),
            "headers": [[b64(header.encode()), b64(said)] for header, said in headers],
            "value": b64(value),
            "leaf": leaf_of_record(
                topic_id(TO_OFFICE), offset * 1_000_003, key, headers, value
            ).encode().hex(),
        }
        for offset, (name, key, headers, value) in enumerate(cases)
    ]  # fmt: skip


def refused_leaves() -> dict[str, str]:
    """What is no leaf."""
    good = bytes.fromhex(leaves()[0]["leaf"])
    return {
        "another magic": b"MWLE".hex() + good[4:].hex(),
        "another version": (good[:4] + b"\2" + good[5:]).hex(),
        "an unknown kind": (good[:5] + b"\3" + good[6:]).hex(),
        "the kind that is reserved": (good[:5] + b"\2" + good[6:]).hex(),
        "a genesis of a topic": (first := genesis(ORIGIN, 2026).encode())[:8].hex()
        + b"t".hex()
        + first[9:].hex(),
        "reserved bytes used": (good[:7] + b"\1" + good[8:]).hex(),
        "a byte short": good[:-1].hex(),
        "a byte more": (good + b"\0").hex(),
    }


def notes() -> dict[str, Any]:
    """Signed notes and verifier keys."""
    text = note.Checkpoint(ORIGIN, 1, sha256(b"x").digest()).text()
    good = note.sign(text, SIGNER).decode()
    both = note.sign(text, OTHER, SIGNER).decode()
    line, vkey = good.split("\n")[-2], SIGNER.verifier().vkey()
    encoded = line.split(" ")[2]
    name, key_id, key = vkey.split("+", 2)
    weak = note.ED25519.to_bytes(1) + b"\1" + bytes(31)
    weak_id = sha256(name.encode() + b"\n" + weak).digest()[:4].hex()
    bad = "note-malformed"
    forged = base64.b64encode(bytes.fromhex(key_id) + bytes(64)).decode()
    weak_key = base64.b64encode(weak).decode()
    return {
        "vkey": vkey,
        "text": text,
        "good": {
            "one signature": good,
            "a signature of somebody else before it": both,
            "the same signature twice": good + line + "\n",
        },
        "refused": [
            {"name": what, "note": data, "code": code}
            for what, data, code in (
                ("another text", good.replace("\n1\n", "\n2\n"), "note-signature-invalid"),
                ("an impostor", note.sign(text, IMPOSTOR).decode(), "note-unsigned"),
                ("somebody else alone", note.sign(text, OTHER).decode(), "note-unsigned"),
                ("the right name and id, another's signature",
                 good.replace(encoded, forged),
                 "note-signature-invalid"),
                ("a good and a bad signature",
                 good + line.replace(encoded, forged) + "\n",
                 "note-signature-invalid"),
                ("a wrong signature, then a line that is none",
                 good.replace(encoded, forged) + "none\n", bad),
                ("a wrong signature, then one of no name",
                 good.replace(encoded, forged) + f"\u2014  {encoded}\n", bad),
                ("an unknown key's signature, then a line that is none",
                 note.sign(text, OTHER).decode() + "none\n", bad),
                ("an unknown key's signature, then a wrong one",
                 note.sign(text, OTHER).decode() + line.replace(encoded, forged) + "\n",
                 "note-signature-invalid"),
                ("no signature", text + "\n", bad),
                ("no empty line", good.replace("\n\n", "\n"), bad),
                ("no newline at the end", good[:-1], bad),
                ("a hyphen for the dash", good.replace("\u2014", "-"), bad),
                ("no padding", good.replace("=\n", "\n"), bad),
                ("base64url", good.replace(encoded, "-" + encoded[1:]), bad),
                ("two spaces", good.replace("\u2014 ", "\u2014  "), bad),
                ("a carriage return", good.replace("\n", "\r\n"), bad),
                ("a tab in the text", good.replace("\n1\n", "\n1\t\n"), bad),
                ("no name", good.replace(f"\u2014 {name} ", "\u2014  "), bad),
                ("101 signatures", good + (line + "\n") * 100, bad),
            )
        ],
        "refused_vkeys": {
            "another id": f"{name}+00000000+{key}",
            "id in capitals": f"{name}+{key_id.upper()}+{key}",
            "another type": f"{name}+{key_id}+{base64.b64encode(b'2' + bytes(32)).decode()}",
            "no padding": vkey[:-1] if vkey.endswith("=") else vkey + "=",
            "a space in the name": vkey.replace(name, name + " x"),
            "a control character in the name": _vkey_named(f"{name}\x1b", key),
            "no name": "+" + vkey.split("+", 1)[1],
            "a key under which anything verifies": f"{name}+{weak_id}+{weak_key}",
        },
    }  # fmt: skip


def _vkey_named(name: str, key: str) -> str:
    """The key's line under another name, with the id that belongs to it."""
    key_id = sha256(name.encode() + b"\n" + base64.b64decode(key)).digest()[:4]
    return f"{name}+{key_id.hex()}+{key}"


def checkpoints() -> dict[str, Any]:
    root = base64.b64encode(sha256(b"x").digest()).decode()
    return {
        "good": [f"{ORIGIN}\n{size}\n{root}\n" for size in (0, 1, 2**63 - 1)],
        "refused": {
            "leading zero": f"{ORIGIN}\n01\n{root}\n",
            "a sign": f"{ORIGIN}\n+1\n{root}\n",
            "a size of 2^63": f"{ORIGIN}\n{2**63}\n{root}\n",
            "hexadecimal": f"{ORIGIN}\n0x1\n{root}\n",
            "other digits": f"{ORIGIN}\n\u0661\n{root}\n",
            "no padding": f"{ORIGIN}\n1\n{root[:-1]}\n",
            "31 bytes": f"{ORIGIN}\n1\n{base64.b64encode(bytes(31)).decode()}\n",
            "no origin": f"\n1\n{root}\n",
            "a line short": f"{ORIGIN}\n1\n",
            "no newline at the end": f"{ORIGIN}\n1\n{root}",
            "an empty line": f"{ORIGIN}\n1\n{root}\n\n",
            "an extension line": f"{ORIGIN}\n1\n{root}\nmore\n",
        },
    }


def manifests() -> dict[str, Any]:
    first, second = (each.text() for each in small_log().manifests(8))
    lines = first.split("\n")
    ranges = [line for line in lines if line.startswith("range")]
    return {
        "good": [first, second],
        "refused": {
            "another mark": first.replace("manifest.v1", "manifest.v2"),
            "no genesis": "\n".join(line for line in lines if "genesis" not in line),
            "a genesis later": second.replace("\nrange", f"\n{lines[5]}\nrange", 1),
            "a year of five digits": first.replace("genesis 2026", "genesis 12026"),
            "number with a leading zero": first.replace("\n0\n0 8\n", "\n00\n0 8\n"),
            "number beyond 63 bits": second.replace("\n1\n", f"\n{2**63}\n", 1),
            "two spaces": first.replace("range ", "range  ", 1),
            "digest in capitals": first.replace(
                ranges[0], ranges[0][:-64] + ranges[0][-64:].upper()
            ),
            "an empty range": first
            + ranges[0].replace(" 0 ", " 9 ", 1).replace(" 6 ", " 9 ")
            + "\n",
            "counts that do not add up": first.replace("\n0 8\n", "\n0 9\n"),
            "a manifest before the first": first.replace(f"\n{'0' * 64}\n", f"\n{'a' * 64}\n", 1),
            "number 1 at index 0": first.replace("\n0\n0 8\n", "\n1\n0 8\n"),
            "a word of another kind": first.replace("range ", "Range ", 1),
            "no newline at the end": first[:-1],
            "an empty line": first + "\n",
        },
    }


def build() -> dict[str, Any]:
    """Derive the whole file."""
    return {
        "about": "Written by make_log.py. All names are invented.",
        "leaves": leaves(),
        "genesis": [
            {"origin": ORIGIN, "year": year, "previous": previous.hex(),
             "leaf": genesis(ORIGIN, year, previous).encode().hex()}
            for year, previous in ((2026, bytes(32)), (2027, sha256(b"2026").digest()))
        ],
        "refused_leaves": refused_leaves(),
        "tiles": [
            {"level": level, "index": index, "width": width,
             "path": Tile(level, index, width).path()}
            for level, index, width in (
                (0, 0, 256), (0, 0, 1), (0, 999, 256), (0, 1000, 255), (1, 1234067, 256),
                (7, 0, 3), (ENTRIES, 0, 256), (ENTRIES, 1234067, 7),
            )
        ],
        "refused_bundles": [
            {"width": width, "bytes": b64(data)}
            for width, data in (
                (1, b""), (1, b"\0"), (1, b"\0\3ab"), (2, b"\0\1a"), (1, b"\0\1a\0\1b"),
                (1, b"\0\1ab"),
            )
        ],
        "proofs": proofs(),
        "notes": notes(),
        "checkpoints": checkpoints(),
        "manifests": manifests(),
        "export": export(),
    }  # fmt: skip


def main() -> None:
    """Write the file beside this one."""
    FILE.write_text(json.dumps(build(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
