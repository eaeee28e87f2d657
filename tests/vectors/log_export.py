"""The small export of log.json (see make_log), and what a verifier must find in it."""

import base64
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meldeweg.audit.lines import write_line, write_text
from meldeweg.kernel import note
from meldeweg.kernel.leaf import genesis
from meldeweg.kernel.merkle import leaf_hash, root_of
from meldeweg.kernel.tiles import ENTRIES, Tile, encode_bundle
from unit.audit.synthetic import (
    EVENTS,
    OFFICE,
    ORIGIN,
    POLICE,
    SIGNER,
    TO_OFFICE,
    TO_POLICE,
    Log,
    given_up,
    heartbeat,
    message,
)

OTHER = note.Signer.of("witness.example/muster", Ed25519PrivateKey.from_private_bytes(b"w" * 32))
IMPOSTOR = note.Signer.of(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"i" * 32))


def b64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def small_log() -> Log:
    """Fourteen entries: three are nonsense, and one number was given up."""
    log = Log()
    log.messages(5)
    log.messages(2, TO_POLICE, OFFICE, POLICE)
    log.add(TO_OFFICE, None, value=b"nonsense", key=None)
    log.add(TO_OFFICE, b"\xff not a token \xfe", headers=((b"\xff", None),))
    log.add(TO_OFFICE, 'erfunden: ä \x7f € \U0001f600 \n " \\ /'.encode())
    log.add(EVENTS, heartbeat([(OFFICE, 8)]))
    log.add(EVENTS, given_up(OFFICE, 6))
    log.add(TO_OFFICE, message(7))
    return log


class Changes:
    """Collects the changes of one export."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.found = files, list[dict[str, Any]]()

    def add(self, name: str, step: int, path: str, data: bytes | None) -> None:
        """Give one file other bytes."""
        assert self.files[path] != data, name
        self.found.append({"name": name, "step": step, "files": {path: _text(data)}})

    def line(self, name: str, old: bytes, new: bytes) -> None:
        """Write one thing in leaves.jsonl in another way."""
        path = "leaves.jsonl"
        self.add(name, 3, path, self.files[path].replace(old, new, 1))

    def log(self, name: str, step: int, log: Log) -> None:
        """Another whole log, signed by the right key: only the step's own check can find it."""
        other = _written(log)
        found: dict[str, bytes | None] = dict.fromkeys(sorted(self.files.keys() - other.keys()))
        found |= {path: data for path, data in other.items() if self.files.get(path) != data}
        named = {path: _text(data) for path, data in sorted(found.items())}
        self.found.append({"name": name, "step": step, "files": named})


def signed(head: note.Checkpoint, signer: note.Signer = SIGNER) -> bytes:
    return note.sign(head.text(), signer)


def export() -> dict[str, Any]:
    """The log as files, and what may not pass."""
    files = _written(small_log())
    head = note.parse_checkpoint(note.parse(files["checkpoint"]).text)
    hashes = [leaf_hash(leaf) for leaf in small_log().leaves]
    changes = Changes(files)
    first_steps(changes, head)
    third_step(changes)
    fourth_step(changes)
    fifth_step(changes)
    sixth_step(changes)
    forks = ((5, bytes(32)), (99, head.root), (head.size, bytes(32)))
    return {
        "vkey": SIGNER.verifier().vkey(),
        "size": head.size,
        "files": {path: _text(data) for path, data in sorted(files.items())},
        "changes": changes.found,
        "extends": signed(note.Checkpoint(ORIGIN, 5, root_of(hashes[:5]))).decode(),
        "forked": [signed(note.Checkpoint(ORIGIN, size, root)).decode() for size, root in forks],
    }


def first_steps(changes: Changes, head: note.Checkpoint) -> None:
    """Signature, tiles, root."""
    for name, data in (
        ("checkpoint of an impostor", signed(head, IMPOSTOR)),
        ("checkpoint by another name", signed(head, OTHER)),
        ("no checkpoint", None),
    ):
        changes.add(name, 1, "checkpoint", data)
    own = changes.files["vkey"]
    for name, data in (
        ("no vkey, whose keys are given", None),
        ("vkey without its last newline", own[:-1]),
        ("vkey with a key twice", own * 2),
        ("vkey with an empty line", own + b"\n"),
        ("vkey whose key id is another", own.replace(b"+", b"+0", 1)),
        ("vkey that is not UTF-8", own[:-1] + b"\xff\n"),
    ):
        changes.add(name, 1, "vkey", data)
    for name, size, root in (
        ("another root", head.size, bytes(32)),
        ("a size that is not there", 2**40, head.root),
    ):
        changes.add(name, 2, "checkpoint", signed(note.Checkpoint(ORIGIN, size, root)))
    tile, bundle = Tile(0, 0, head.size).path(), Tile(ENTRIES, 0, head.size).path()
    flipped = bytearray(changes.files[tile])
    flipped[40] ^= 1
    changes.add("a bit of a tile", 2, tile, bytes(flipped))
    changes.add("no tile", 2, tile, None)
    *leaves, _ = small_log().leaves
    changes.add("an entry less in the bundle", 2, bundle, encode_bundle(leaves))
    other = encode_bundle([*leaves, leaves[1]])
    changes.add("an entry exchanged in the bundle", 2, bundle, other)


def third_step(changes: Changes) -> None:
    """Each line is exactly what its leaf commits to."""
    lines = changes.files["leaves.jsonl"].split(b"\n")[:-1]
    for name, shown in (
        ("a line less", lines[:-1]),
        ("a line more", [*lines, lines[-1]]),
        ("two lines exchanged", [lines[0], lines[2], lines[1], *lines[3:]]),
    ):
        changes.add(name, 3, "leaves.jsonl", b"".join(line + b"\n" for line in shown))
    changes.line("a space in a line", b',"leaf"', b', "leaf"')
    changes.line("another statement", b'"statement":"eyJ', b'"statement":"eyK')
    changes.line("an escape in capitals", b"\\u00e4", b"\\u00E4")
    changes.line("a character not escaped", b"\\u007f", b"\x7f")
    erased = small_log()
    erased.lines[3] = write_line(3, erased.leaves[3], TO_OFFICE, None)
    changes.log("an entry that is said to be erased", 3, erased)
    beats = Log()
    beats.messages(2)
    for _ in range(3):
        beats.add(EVENTS, heartbeat([(OFFICE, 3)]))
        beats.lines[-1] = write_line(len(beats.lines) - 1, beats.leaves[-1], EVENTS, None)
    changes.log("heartbeats that are said to be erased", 3, beats)


def fourth_step(changes: Changes) -> None:
    """The genesis, and dense offsets."""
    gap = Log()
    gap.messages(3)
    gap.add(TO_OFFICE, message(4), offset=4)
    changes.log("an offset left out", 4, gap)
    late = Log()
    late.add(TO_OFFICE, message(1), offset=1)
    changes.log("a first offset that is not 0", 4, late)
    twice = Log()
    twice.messages(2)
    twice.leaves.append(genesis(ORIGIN, 2026).encode())
    twice.lines.append(write_line(3, twice.leaves[3], None, None))
    twice.where.append(None)
    changes.log("a second genesis", 4, twice)


def fifth_step(changes: Changes) -> None:
    """Manifests."""
    first, second = (each.text() for each in small_log().manifests(8))
    bent = first.replace(f"range {TO_OFFICE} ", f"range {TO_POLICE} ", 1)
    for name, texts in (
        ("a manifest less", (first,)),
        ("manifests exchanged", (second, first)),
        ("a topic under another name", (bent, second)),
    ):
        data = b"".join(write_text(text) + b"\n" for text in texts)
        changes.add(name, 5, "manifests.jsonl", data)
    for name, data in (
        ("the last manifest not signed by the log", note.sign(second, IMPOSTOR)),
        ("the manifest before the last, signed", note.sign(first, SIGNER)),
    ):
        changes.add(name, 5, "manifest", data)


def sixth_step(changes: Changes) -> None:
    """Numbers."""
    missing = Log()
    missing.messages(3)
    missing.add(TO_OFFICE, message(5))
    changes.log("a number left out", 6, missing)
    unsent = Log()
    unsent.messages(3)
    for _ in range(3):
        unsent.add(f"events.{OFFICE}", heartbeat([], [(POLICE, 4)], agency=OFFICE))
    changes.log("a message that its recipient has and the log has not", 6, unsent)
    claimed = Log()
    claimed.messages(3)
    claimed.add(EVENTS, given_up(OFFICE, 4))
    for _ in range(3):
        claimed.add(f"events.{OFFICE}", heartbeat([], [(POLICE, 4)], agency=OFFICE))
    changes.log("a number given up that its recipient has", 6, claimed)
    claimed = Log()
    claimed.messages(4)
    claimed.add(EVENTS, given_up(OFFICE, 5))
    for n in (5, 5, 5, 6, 6, 6):
        claimed.add(f"events.{OFFICE}", heartbeat([], [(POLICE, n)], agency=OFFICE))
    claimed.add(TO_OFFICE, message(6))
    changes.log("a number given up that its recipient has, and a later one", 6, claimed)
    others = Log()
    others.messages(3)
    others.add(f"events.{OFFICE}", given_up(OFFICE, 4))
    others.add(TO_OFFICE, message(5))
    changes.log("a number given up by somebody else", 6, others)


def _written(log: Log) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        root = log.write(Path(place), every=8)
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file()
        }


def _text(data: bytes | None) -> Any:
    """Text where it is text, else base64 in an object; null stands for no file."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"b64": b64(data)}
