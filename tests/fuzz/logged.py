"""The audit log: what is made of any record, and what anybody may hand in as an export."""

import contextlib
import io
import tempfile
import zipfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from fuzz import stage
from fuzz.harness import target, text_of
from meldeweg.audit import lines, project
from meldeweg.audit import verify as offline
from meldeweg.audit.numbering import Numbering
from meldeweg.audit.sources import LINE_MAX, open_source
from meldeweg.cli import audit as command
from meldeweg.cli.showing import as_json
from meldeweg.gateway.store import headers as packed
from meldeweg.kernel import leaf as leaves
from meldeweg.kernel import manifest, note, tiles
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Fatal, Refused
from unit.audit.synthetic import EVENTS, SIGNER, TO_OFFICE, Log, heartbeat, message

_TOPIC_ID = UUID(int=7).bytes


@cache
def _log(statement=None, topic=TO_OFFICE):
    log = Log()
    log.messages(3)
    log.add(EVENTS, heartbeat([("jugendamt-musterstadt", 3)]))
    log.add(TO_OFFICE, b"\xff\xfe", b"", headers=((b"\xff", None),))
    if statement is not None:
        log.add(topic, statement)
    return log


def _files(log):
    with tempfile.TemporaryDirectory() as directory:
        root = log.write(Path(directory))
        return {str(path.relative_to(root)): path.read_bytes() for path in _below(root)}


def _below(root):
    return sorted(path for path in root.rglob("*") if path.is_file())


@cache
def _export():
    return _files(_log())


class Memory:
    """An export that somebody hands in."""

    def __init__(self, files):
        self._files = files

    def read(self, name, limit):
        data = self._files.get(name)
        if data is None:
            raise Refused("file-missing", name)
        if len(data) > limit:
            raise Refused("file-too-large", name)
        return data

    def lines(self, name):
        *whole, left = self.read(name, LINE_MAX).split(b"\n")
        yield from whole
        if left:
            raise Refused("line-cut-short", name)

    def names(self):
        yield from self._files


def _verified(files):
    report = offline.verify(Memory(files), vkeys=[SIGNER.verifier().vkey()])
    screen = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="")
    with contextlib.redirect_stdout(screen):
        command._show(report.as_json(), 0.1)
    screen.flush()
    shown = screen.buffer.getvalue().decode()
    assert all(one.isprintable() or one == "\n" for one in shown)  # nothing steers a terminal
    as_json(report.as_json()).encode("ascii")
    return report


def _named():
    return sorted(_export().items())


@target(lambda: [bytes([n]) + data for n, (_, data) in enumerate(_named())])
def export(data):
    """First byte: which file of an export; the rest: what lies there instead."""
    which, rest = (data[0], data[1:]) if data else (0, b"")
    named = _named()
    name, whole = named[which % len(named)]
    report = _verified(dict(named) | {name: rest})
    assert report.ok <= (rest == whole or name == "checkpoint")
    if not report.ok:
        raise Refused(report.broken[0].code if report.broken else report.missing[0].code, "")


@target(lambda: [b"\x00" + message(4), b"\x01" + heartbeat([("x", 9)], [("y", 2)])], shape="jws")
def logged_statement(data):
    """First byte: inbox or events; the rest: the header `statement` of a record in the log."""
    which, rest = (data[0] % 2, data[1:]) if data else (0, b"")
    log = Log()
    log.messages(3)
    log.add((TO_OFFICE, EVENTS)[which], rest)
    report = _verified(_files_of(log))
    assert not report.broken  # what a sender writes never makes the log itself wrong
    if report.missing:
        raise Refused(report.missing[0].code, "")


def _files_of(log):
    """As `_files` for a log of one tile, without a disk."""
    hashes = [leaves_hash(each) for each in log.leaves]
    width = len(hashes)
    head = note.Checkpoint(log.origin, width, tiles.root_at(width, _node(hashes)))
    (last,) = log.manifests()
    return {
        "checkpoint": note.sign(head.text(), SIGNER),
        "vkey": (SIGNER.verifier().vkey() + "\n").encode(),
        "leaves.jsonl": b"".join(line + b"\n" for line in log.lines),
        "manifests.jsonl": lines.write_text(last.text()) + b"\n",
        "manifest": note.sign(last.text(), SIGNER),
        tiles.Tile(0, 0, width).path(): b"".join(hashes),
        tiles.Tile(tiles.ENTRIES, 0, width).path(): tiles.encode_bundle(log.leaves),
    }


def leaves_hash(data):
    return sha256(b"\x00" + data).digest()


def _node(hashes):
    return lambda level, index: tiles.fold(hashes[index << level : (index + 1) << level])


def _zipped():
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as file:
        for name, data in _named():
            info = zipfile.ZipInfo(f"log/{name}", (2026, 11, 22, 18, 0, 0))
            file.writestr(info, data)
    return [raw.getvalue()]


@target(_zipped)
def zip_file(data):
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(data)
        file.flush()
        with open_source(file.name) as source:
            report = offline.verify(source)
    if not report.ok:
        raise Refused("broken", "")


@target(lambda: [_log().leaves[0], _log().leaves[1]])
def leaf(data):
    assert leaves.parse_leaf(data).encode() == data


def _canonical():
    record = stage.message()
    odd = (("a", None), ("\udcff", b""), ("statement", b"x"), ("statement", b"y"))
    return [
        project.project(_TOPIC_ID, each).canonical
        for each in (
            record,
            Record("t", 0, 0, 0, None, None, ()),
            Record("t", 0, 0, 0, b"", b"", odd),
        )
    ]


@target(_canonical)
def canonical(data):
    found = leaves.parse_canonical(data)
    assert leaves.canonical_record(found.key, found.headers, found.value_sha256) == data
    leaves.statement_of(found.headers)


@target(lambda: [packed.pack((("", None), *each.headers)) for each in stage.on("inbox.")], Fatal)
def projected(data):
    """Headers of a record, the first of which has the value in it: as the audit takes it in."""
    found = packed.unpack(data)
    value = found[0][1] if found else None
    entry = project.project(_TOPIC_ID, Record("t", 0, 5, 1, None, value, found))
    read = leaves.parse_canonical(entry.canonical)
    assert read.headers == tuple(leaves.raw_headers(found))
    assert leaves.parse_leaf(entry.leaf).record == sha256(entry.canonical).digest()
    line = lines.write_line(0, entry.leaf, "t", entry.canonical)
    lines.read_line(line, 0, entry.leaf, leaves.parse_leaf(entry.leaf))


@target(
    lambda: [stage.message().value, stage.on("inbox.")[-1].value, b'{"record":{}}'], shape="json"
)
def sealed_record(data):
    kept = project.sealed_record(data)
    if kept is None:
        raise Refused("nothing-kept", "")
    assert data.endswith(kept + b"}")
    assert b'"content":' not in kept or data.count(b'"content":') > 1


def _notes():
    files = _export()
    return [files["checkpoint"], files["manifest"]]


@target(_notes)
def signed_note(data):
    read = note.parse(data)
    again = read.text + "\n"
    for each in read.signatures:
        encoded = note.base64.b64encode(each.key_id + each.value).decode()
        again += f"\N{EM DASH} {each.name} {encoded}\n"
    assert again.encode() == data
    note.verify(read, [SIGNER.verifier()])
    assert read.text in [note.parse(one).text for one in _notes()]  # nobody else can sign it


@target(lambda: [SIGNER.verifier().vkey().encode()])
def vkey(data):
    assert note.parse_vkey(text_of(data)).vkey().encode() == data


@target(lambda: [note.parse(_notes()[0]).text.encode(), b"o\n0\n" + b"A" * 43 + b"=\nmore\n"])
def checkpoint(data):
    assert note.parse_checkpoint(text_of(data)).text().encode() == data


@target(lambda: [note.parse(_notes()[1]).text.encode()])
def manifest_text(data):
    text = text_of(data)
    made = manifest.parse_manifest(text)
    assert made.text() == text
    assert made.end >= made.start


@target(lambda: [b"tile/0/000", b"tile/entries/x001/x234/067.p/5", b"tile/63/255.p/1"])
def tile_path(data):
    text = text_of(data)
    made = tiles.parse_path(text)
    assert made.path() == text
    assert 1 <= made.width <= tiles.WIDTH


@target(lambda: [b"\x05" + _export()["tile/entries/000.p/6"], b"\x00", b"\x02\x00\x00\x00\x01a"])
def bundle(data):
    width, rest = (data[0], data[1:]) if data else (0, b"")
    found = tiles.decode_bundle(rest, width + (width == 5))
    assert tiles.encode_bundle(found) == rest
    tiles.split_hashes(rest, width)


@target(lambda: list(_log().lines), shape="json")
def line(data):
    log, accepted = _log(), 0
    for index, each in enumerate(log.leaves):
        try:
            shown = lines.read_line(data, index, each, leaves.parse_leaf(each))
        except Refused as exc:
            assert exc.code in ("line-malformed", "line-differs-from-leaf")
            continue
        accepted += 1
        assert shown.erased or data in (log.lines[index], _renamed(log.lines[index], shown.topic))
    if not accepted:
        raise Refused("line-malformed", "of no leaf")
    assert accepted == 1


def _renamed(written, topic):
    """Return the line with another topic's name, which the manifests bind, not the leaf."""
    import json

    shown = json.loads(written)
    if "topic" in shown:
        shown["topic"] = topic
    return json.dumps(shown, separators=(",", ":")).encode()


@target(lambda: [lines.write_text(note.parse(_notes()[1]).text)], shape="json")
def manifest_line(data):
    assert lines.write_text(lines.read_text(data)) == data


@target(lambda: [message(1), heartbeat([("x", 2)], [("y", 3)])], shape="jws")
def numbers(data):
    counted = Numbering()
    counted.feed(TO_OFFICE, data)
    counted.feed(EVENTS, data)
    for hole in counted.holes():
        assert 0 < hole.first <= hole.last < 2**53
