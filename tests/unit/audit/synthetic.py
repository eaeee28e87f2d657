"""Synthetic logs made in memory, without a database: for the verifier's tests and its measure.

Written against docs/spec/audit-log.md rather than with the audit's own writer, so that a mistake
there is not repeated here.
"""

import base64
import itertools
import json
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meldeweg.audit.lines import write_line, write_text
from meldeweg.kernel import note
from meldeweg.kernel.leaf import Leaf, canonical_record, genesis, leaf_of
from meldeweg.kernel.manifest import Genesis, Manifest, Ranges
from meldeweg.kernel.merkle import leaf_hash, root_of
from meldeweg.kernel.tiles import ENTRIES, Tile, encode_bundle, fold, tiles_of

ORIGIN = "audit.example/kreis-musterstadt/2026"
SIGNER = note.Signer.of(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"k" * 32))
POLICE, OFFICE = "polizei-musterstadt", "jugendamt-musterstadt"
TO_OFFICE, TO_POLICE = f"inbox.{OFFICE}.{POLICE}", f"inbox.{POLICE}.{OFFICE}"
EVENTS = f"events.{POLICE}"


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(typ, body):
    head = {"alg": "EdDSA", "kid": "k" * 43, "typ": typ}
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (head, body))
    return b".".join([*map(b64u, parts), b64u(b"s" * 64)])


def message(n, sender=POLICE, recipient=OFFICE, outbox="0123456789abcdef"):
    """Statement of a message, of the size that real ones have; unsigned."""
    return token(
        "meldeweg.statement.v1+jws",
        {"v": 1, "id": f"01930000-0000-7000-8000-{n:012x}", "kind": "message", "from": sender,
         "to": recipient, "created": "2026-11-22T18:19:43.000Z", "urgency": "today",
         "ack_by": "2026-11-23T18:19:43.000Z", "exercise": False, "agreement": "a" * 64,
         "seq": {"outbox": outbox, "n": n}, "record_sha256": "b" * 64,
         "delete_after": "2027-05-01"},
    )  # fmt: skip


def heartbeat(sent, received=(), agency=POLICE, outbox="0123456789abcdef"):
    claims = [{to: {"outbox": outbox, "n": n} for to, n in pairs} for pairs in (sent, received)]
    return token(
        "meldeweg.heartbeat.v1+jws",
        {"v": 1, "id": "x", "agency": agency, "at": "x", "sent": claims[0], "received": claims[1]},
    )


def given_up(to, n, agency=POLICE, outbox="0123456789abcdef"):
    body = {"v": 1, "id": "x", "agency": agency, "kind": "undeliverable", "at": "x", "partner": to}
    return token("meldeweg.event.v1+jws", body | {"seq": {"outbox": outbox, "n": n}})


def receipt(n, of, kind, sender=OFFICE, recipient=POLICE):
    """Statement of a receipt, of the size that real ones have; unsigned."""
    return token(
        "meldeweg.statement.v1+jws",
        {"v": 1, "id": f"01930000-0000-7000-8000-{n:012x}", "kind": "receipt", "from": sender,
         "to": recipient, "created": "2026-11-22T18:19:43.000Z", "exercise": False,
         "agreement": "a" * 64, "seq": {"outbox": "0123456789abcdef", "n": n},
         "delete_after": "2027-05-01",
         "receipt": {"of": of, "kind": kind, "topic": f"inbox.{sender}.{recipient}", "offset": n}},
    )  # fmt: skip


def opened(n, agency=OFFICE):
    """Token of the event that a person opened a message."""
    return token(
        "meldeweg.event.v1+jws",
        {"v": 1, "id": f"01930000-0000-7000-8000-{n:012x}", "agency": agency, "kind": "opened",
         "at": "2026-11-22T18:19:43.000Z", "message": "a" * 64, "actor_ref": "ab" * 16},
    )  # fmt: skip


def topic_id(topic):
    return sha256(topic.encode()).digest()[:16]


class Log:
    """Entries in order; `write` makes an export of them."""

    def __init__(self, origin=ORIGIN, year=2026, previous=bytes(32)):
        self.origin, self.year = origin, year
        self.signer = note.Signer(origin, SIGNER.public, SIGNER.sign)
        self.previous = previous  # of the year before, as the first manifest says
        self.leaves = [genesis(origin, year, previous).encode()]
        self.lines = [write_line(0, self.leaves[0], None, None)]
        self.where = [None]
        self.next = {}

    def add(self, topic, statement, value=b"{}", offset=None, headers=(), key=b"k"):
        offset = self.next.get(topic, 0) if offset is None else offset
        self.next[topic] = offset + 1
        raw = ((b"statement", statement), *headers) if statement is not None else tuple(headers)
        canonical = canonical_record(key, raw, sha256(value).digest())
        leaf = leaf_of(topic_id(topic), offset, canonical, raw).encode()
        self.lines.append(write_line(len(self.leaves), leaf, topic, canonical))
        self.leaves.append(leaf)
        self.where.append((topic, topic_id(topic), offset))

    def messages(self, count, topic=TO_OFFICE, sender=POLICE, recipient=OFFICE):
        start = self.next.get(topic, 0)
        for n in range(start + 1, start + count + 1):
            self.say(topic, message(n, sender, recipient), sender, b"message", n)

    def say(self, topic, statement, sender, kind, n):
        """Add a record with the headers that real ones have."""
        self.add(
            topic,
            statement,
            b"value %d" % n,
            headers=(
                (b"ce_specversion", b"1.0"),
                (b"ce_id", b"01930000-0000-7000-8000-%012x" % n),
                (b"ce_source", b"urn:meldeweg:agency:" + sender.encode()),
                (b"ce_type", b"de.meldeweg." + kind + b".v1"),
                (b"content-type", b"application/json"),
            ),
        )

    def district(self, count, offices=5, beats=50):
        """Add what a district writes: the police's messages to each office in turn, the receipts
        and the event of each, and after so many of them a heartbeat of every agency."""
        end = len(self.leaves) + count
        names = [f"jugendamt-{letter}stadt" for letter in "abcdefgh"[:offices]]
        sent, got = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        for turn in itertools.count(1):
            office = names[turn % offices]
            sent[office] += 1
            n, back = sent[office], got[office]
            self.say(f"inbox.{office}.{POLICE}", message(n, POLICE, office), POLICE, b"message", n)
            for step, kind in enumerate(("delivered", "acknowledged"), 1):
                said = receipt(back + step, "a" * 64, kind, office)
                self.say(f"inbox.{POLICE}.{office}", said, office, b"receipt", turn)
            got[office] += 2
            self.say(f"events.{office}", opened(turn, office), office, b"event", turn)
            if turn % beats == 0:
                said = heartbeat(sent.items(), got.items())
                self.say(EVENTS, said, POLICE, b"heartbeat", turn)
                for each in names:
                    said = heartbeat([(POLICE, got[each])], [(POLICE, sent[each])], each)
                    self.say(f"events.{each}", said, each, b"heartbeat", turn)
            if len(self.leaves) >= end:
                break
        for kept in (self.leaves, self.lines, self.where):
            del kept[end:]

    def leaf(self, leaf: Leaf, line):
        self.leaves.append(leaf.encode())
        self.lines.append(line)
        self.where.append(("t", leaf.topic_id, leaf.offset))

    def manifests(self, every=20_000):
        previous, start = bytes(32), 0
        for number, batch in enumerate(_batched(range(len(self.leaves)), every)):
            ranges = Ranges()
            for index in batch:
                if self.where[index]:
                    ranges.add(*self.where[index], leaf_hash(self.leaves[index]))
            first = Genesis(self.year, self.previous) if number == 0 else None
            end = start + len(batch)
            made = Manifest(self.origin, number, start, end, previous, first, ranges.finish())
            yield made
            start, previous = end, made.digest()

    def head(self):
        root = root_of([leaf_hash(leaf) for leaf in self.leaves])
        return note.Checkpoint(self.origin, len(self.leaves), root)

    def next_year(self, previous=None):
        """The log that goes on from this one."""
        year, base = self.year + 1, self.origin.removesuffix(f"/{self.year}")
        if previous is None:
            previous = sha256(self.head().text().encode()).digest()
        made = Log(f"{base}/{year}", year, previous)
        made.next = dict(self.next)
        return made

    def write(self, out: Path, every=20_000):
        size = len(self.leaves)
        hashes = [leaf_hash(leaf) for leaf in self.leaves]
        level, row = 0, hashes
        while row:
            for tile in tiles_of(level, size):
                _put(out, tile, b"".join(row[tile.index * 256 :][: tile.width]))
            row = [fold(row[at : at + 256]) for at in range(0, len(row) - len(row) % 256, 256)]
            level += 1
        for tile in tiles_of(0, size):
            leaves = self.leaves[tile.index * 256 :][: tile.width]
            _put(out, Tile(ENTRIES, tile.index, tile.width), encode_bundle(leaves))
        (out / "checkpoint").write_bytes(note.sign(self.head().text(), self.signer))
        (out / "vkey").write_text(self.signer.verifier().vkey() + "\n")
        (out / "leaves.jsonl").write_bytes(b"".join(line + b"\n" for line in self.lines))
        last = None
        with (out / "manifests.jsonl").open("wb") as file:
            for last in self.manifests(every):
                file.write(write_text(last.text()) + b"\n")
        (out / "manifest").write_bytes(note.sign(last.text(), self.signer))
        return out


def _put(out, tile, data):
    path = out / tile.path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _batched(items, size):
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch
