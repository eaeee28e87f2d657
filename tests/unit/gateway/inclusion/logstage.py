"""An audit log in memory that grows, forks and lies as told, and what it puts on the bus.

`Audit` interleaves records as the service does, signs manifests and checkpoints, serves tiles.
"""

from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meldeweg.kernel import note, topics
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.leaf import genesis, leaf_of_record
from meldeweg.kernel.manifest import Genesis, Manifest, Ranges
from meldeweg.kernel.merkle import leaf_hash, root_of
from meldeweg.kernel.tiles import fold

BASE = "audit.example/kreis-musterstadt"
KEY = SigningKey(b"a" * 32)
TOPIC_ID = UUID(int=5)
NOTES = UUID(int=6)


def signer(origin, key=KEY):
    return note.Signer(origin, key.public.public, key.sign)


class Audit:
    """`append` records, then `seal`; `published` are the notes in their order."""

    def __init__(self, year=2026, previous=bytes(32), key=KEY):
        self.origin, self.year, self.previous, self.key = f"{BASE}/{year}", year, previous, key
        self.hashes = [leaf_hash(genesis(self.origin, year, previous).encode())]
        self.places = [None]
        self.published = []
        self.sealed = 0
        self.number = 0
        self.last = bytes(32)
        self.bent = {}  # tile → bytes to serve instead
        self.asked = []
        self.away = False

    def append(self, topic, offset, key, headers, value, topic_id=TOPIC_ID):
        leaf = leaf_of_record(topic_id.bytes, offset, key, headers, value)
        self.hashes.append(leaf_hash(leaf.encode()))
        self.places.append((topic, topic_id.bytes, offset))

    def noise(self, count):
        """Put in records of others."""
        start = len(self.hashes)
        for n in range(start, start + count):
            self.append("inbox.fremd.andere", n, b"k", (), b"%d" % n)

    def manifest(self):
        ranges = Ranges()
        for index in range(self.sealed, len(self.hashes)):
            if self.places[index]:
                ranges.add(*self.places[index], self.hashes[index])
        first = Genesis(self.year, self.previous) if self.number == 0 else None
        end = len(self.hashes)
        return Manifest(
            self.origin, self.number, self.sealed, end, self.last, first, ranges.finish()
        )

    def checkpoint(self, size=None):
        size = len(self.hashes) if size is None else size
        return note.Checkpoint(self.origin, size, root_of(self.hashes[:size]))

    def sign(self, body):
        return note.sign(body.text(), signer(self.origin, self.key))

    def seal(self):
        """Publish manifest and checkpoint; returns both notes."""
        made = self.manifest()
        notes = [self.sign(made), self.sign(self.checkpoint())]
        self.published += notes
        self.number, self.last, self.sealed = self.number + 1, made.digest(), len(self.hashes)
        return notes

    def reader(self, origin):
        assert origin == self.origin
        return self.tile

    def tile(self, tile):
        self.asked.append(tile)
        if self.away:
            raise Unavailable("log-unreachable")
        row = self.hashes
        for _ in range(tile.level):
            row = [fold(row[at : at + 256]) for at in range(0, len(row) - len(row) % 256, 256)]
        good = b"".join(row[tile.index * 256 :][: tile.width])
        return self.bent.get((tile.level, tile.index), lambda data: data)(good)


def forked(audit):
    """Return another log with the same beginning, by the same key."""
    other = Audit(audit.year, audit.previous, audit.key)
    other.hashes, other.places = list(audit.hashes), list(audit.places)
    other.sealed, other.number, other.last = audit.sealed, audit.number, audit.last
    return other


def record(value, offset, at=0):
    """Return a note as it lies on the bus; `at`: the broker's time in ms."""
    return Record(topics.AUDIT_CHECKPOINTS, 0, offset, at, None, value, (), NOTES)


def stranger():
    """Return a key that nobody certified."""
    return SigningKey(Ed25519PrivateKey.generate().private_bytes_raw())


def digest_of(checkpoint):
    return sha256(checkpoint.text().encode()).digest()
