"""From rows to a signed checkpoint.

Guarantees: what is signed was computed from the rows as they are *stored*, extends the last signed
checkpoint, and its order was published in a manifest before. A failure anywhere leaves a state
from which the same manifest leads to the same checkpoint.

    1 read the rows that are not signed yet; rebuild each leaf from what is stored beside it
    2 store their manifest; from here the order is fixed, whatever fails
    3 publish the manifest (the caller does, and comes back when the broker has it)
    4 write the tiles, read them back, prove that the new tree extends the signed one
    5 sign, and store the checkpoint with 4 in one transaction; from here a crash loses nothing
    6 publish the checkpoint (the caller again)

Another key may go on with a log: what a former one signed is as much this log's own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from meldeweg.audit.database import Cursor
from meldeweg.audit.growing import GrowingTree
from meldeweg.audit.ledger import Ledger, Log
from meldeweg.kernel import failpoints, metrics, note
from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.kernel.leaf import genesis, leaf_of, parse_canonical
from meldeweg.kernel.manifest import RANGES_MAX, Genesis, Manifest, Ranges, parse_manifest
from meldeweg.kernel.merkle import leaf_hash, verify_consistency
from meldeweg.kernel.tiles import Tile, TileTree

ENTRIES_MAX = 20_000  # per checkpoint, so that memory stays flat however far audit lags
_CHUNK = 1000  # rows at a time from the database

failpoints.declare("audit.seal.manifest_stored", "audit.seal.unsigned", "audit.seal.signed")
_size = metrics.gauge("audit_signed_entries", "Size of the newest signed checkpoint")


@dataclass(frozen=True, slots=True)
class Pending:
    """A manifest that is stored but not yet signed for; `note` is what must be published."""

    manifest: Manifest
    note: bytes
    hashes: Sequence[bytes]


class Sealer:
    """Knows the last signed checkpoint and the tree under it."""

    def __init__(
        self, ledger: Ledger, signer: Callable[[str], note.Signer], former: Sequence[bytes] = ()
    ) -> None:
        """`former`: public keys that signed for this log before `signer`'s."""
        self._ledger = ledger
        self._signer = signer
        self._former = former
        self.tree = GrowingTree()
        self.number = 0
        self._previous = bytes(32)
        self._checkpoint = ""  # text of the last signed one
        self.newest: bytes | None = None  # the same as a note

    def load(self) -> None:
        """Take up where the database left off; `Fatal` unless its checkpoint and tiles are ours."""
        self.tree, self.number, self._previous, self._checkpoint = GrowingTree(), 0, bytes(32), ""
        self.newest = None
        log = self._ledger.log
        if log is None:
            return
        with self._ledger.writing() as cursor:
            cursor.execute(
                "SELECT c.note, m.note, m.number FROM checkpoint c JOIN manifest m "
                "ON m.year = c.year AND m.number = c.manifest "
                "WHERE c.year = %s ORDER BY c.size DESC LIMIT 1",
                (log.year,),
            )
            row = cursor.fetchone()
            if row is None:
                return
            try:
                signed = note.open_checkpoint(row[0], log.origin, self.verifiers(log.origin))
            except Refused as exc:  # another key, or another hand
                raise Fatal("checkpoint-not-ours", f"{log.origin}: {exc.code}") from exc
            self.tree = GrowingTree.load(signed.size, signed.root, _fetcher(cursor, log.year))
            newest = self.renewed(log.origin, row[0])
            cursor.execute(
                "UPDATE checkpoint SET note = %s WHERE year = %s AND size = %s AND note <> %s",
                (newest, log.year, signed.size, newest),
            )
        self.number = row[2] + 1
        self._previous = sha256(note.parse(row[1]).text.encode()).digest()
        self._checkpoint = signed.text()
        self.newest = newest
        _size.set(signed.size)

    def verifiers(self, origin: str) -> tuple[note.Verifier, ...]:
        """Return whose signatures are this log's own; first the key that signs now."""
        former = (note.Verifier(origin, public) for public in self._former)
        return tuple(dict.fromkeys([self._signer(origin).verifier(), *former]))

    def renewed(self, origin: str, data: bytes) -> bytes:
        """Return a note of this log with a signature of the key that signs now.

        Who reads it may count a former key's no more. `Fatal` unless it is ours.
        """
        signer, parsed = self._signer(origin), note.parse(data)
        try:
            by = note.verify(parsed, self.verifiers(origin))
        except Refused as exc:
            raise Fatal("note-not-ours", f"{origin}: {exc.code}") from exc
        return data if signer.verifier() in by else note.sign(parsed.text, signer)

    def prepare(self) -> Pending | None:
        """Steps 1 and 2; None when everything is signed."""
        log = self._log()
        with self._ledger.writing() as cursor:
            stored = self._stored(cursor, log)
            if stored is None and log.size == self.tree.size:
                return None
            limit = stored.end - stored.start if stored else ENTRIES_MAX
            pending = self._fix(cursor, log, stored, *self._build(cursor, log, limit))
        failpoints.reach_sync("audit.seal.manifest_stored")
        return pending

    def adopt(self, manifest: Manifest) -> Pending:
        """Steps 1 and 2 for a manifest that was published before this database was restored."""
        log = self._log()
        with self._ledger.writing() as cursor:
            built, hashes = self._build(cursor, log, manifest.end - manifest.start)
            if built != manifest:
                raise Fatal("manifest-differs-from-rows", f"{log.origin}, number {self.number}")
            return self._fix(cursor, log, self._stored(cursor, log), built, hashes)

    def seal(self, pending: Pending, bus_next: int) -> bytes:
        """Steps 4 and 5; returns the checkpoint. `bus_next`: offset behind the manifest's."""
        log = self._log()
        signer = self._signer(log.origin)
        tree = self.tree.copy()
        changed = tree.extend(pending.hashes)
        head = note.Checkpoint(log.origin, tree.size, tree.root())
        with self._ledger.writing() as cursor:
            _store_tiles(cursor, log.year, changed)
            fetch = _fetcher(cursor, log.year)
            tree.check(fetch)
            proof = TileTree(tree.size, fetch).consistency_proof(self.tree.size)
            verify_consistency(self.tree.size, tree.size, proof, self.tree.root(), tree.root())
            failpoints.reach_sync("audit.seal.unsigned")
            signed = note.sign(head.text(), signer)
            cursor.execute(
                "INSERT INTO checkpoint VALUES (%s, %s, %s, %s, %s, %s)",
                (log.year, head.size, head.root, signed, self.number, self._ledger.clock.now()),
            )
            cursor.execute("UPDATE state SET bus_next = greatest(bus_next, %s)", (bus_next,))
        failpoints.reach_sync("audit.seal.signed")
        self.tree, self._checkpoint, self.newest = tree, head.text(), signed
        self.number, self._previous = self.number + 1, pending.manifest.digest()
        _size.set(head.size)
        return signed

    def turn_year(self, year: int, origin: str) -> None:
        """Close the year's log and begin the next, whose leaf 0 commits to the last checkpoint."""
        log = self._log()
        if log.size != self.tree.size or year <= log.year:
            raise Fatal("year-not-signed", log.origin)
        self._ledger.open_log(year, origin, self.last_digest())
        self.load()

    def last_digest(self) -> bytes:
        """SHA-256 of the last checkpoint's text; zeros before the first."""
        return sha256(self._checkpoint.encode()).digest() if self._checkpoint else bytes(32)

    def unsigned(self) -> int:
        """How many entries wait for a checkpoint."""
        return self._log().size - self.tree.size

    def _log(self) -> Log:
        log = self._ledger.log
        if log is None:
            raise Fatal("log-not-open")
        return log

    def _fix(
        self,
        cursor: Cursor,
        log: Log,
        stored: Manifest | None,
        built: Manifest,
        hashes: list[bytes],
    ) -> Pending:
        """Step 2: store the manifest, or find that the stored one is the same."""
        if stored is not None and stored != built:
            raise Fatal("manifest-differs-from-rows", f"{log.origin}, number {self.number}")
        signed = note.sign(built.text(), self._signer(log.origin))
        if stored is None:
            cursor.execute(
                "INSERT INTO manifest VALUES (%s, %s, %s, %s, %s)",
                (log.year, built.number, built.start, built.end, signed),
            )
        return Pending(built, signed, hashes)

    def _stored(self, cursor: Cursor, log: Log) -> Manifest | None:
        cursor.execute(
            "SELECT note FROM manifest WHERE year = %s AND number = %s", (log.year, self.number)
        )
        row = cursor.fetchone()
        return parse_manifest(note.parse(row[0]).text) if row else None

    def _build(self, cursor: Cursor, log: Log, limit: int) -> tuple[Manifest, list[bytes]]:
        """Step 1: the manifest of the next rows, from the rows alone."""
        start, ranges = self.tree.size, Ranges()
        hashes: list[bytes] = []
        with cursor.connection.cursor("unsigned", binary=True) as rows:
            rows.itersize = _CHUNK
            rows.execute(
                "SELECT index, topic, topic_id, e.offset, canonical, leaf FROM entry e "
                "LEFT JOIN stream s ON s.id = e.stream "
                "WHERE year = %s AND index >= %s AND index < %s ORDER BY index",
                (log.year, start, min(start + limit, log.size)),
            )
            for row in rows:
                if row[0] != start + len(hashes):
                    raise Fatal("stored-row-missing", f"index {start + len(hashes)}")
                if len(ranges) >= RANGES_MAX:
                    break
                leaf = _rebuilt(log, row)
                hashes.append(leaf_hash(leaf))
                if row[1] is not None:
                    ranges.add(row[1], row[2], row[3], hashes[-1])
        if not hashes:
            raise Fatal("stored-row-missing", f"index {start}")
        first = Genesis(log.year, log.previous) if start == 0 else None
        end = start + len(hashes)
        made = Manifest(log.origin, self.number, start, end, self._previous, first, ranges.finish())
        return made, hashes


def _rebuilt(log: Log, row: tuple[Any, ...]) -> bytes:
    """Return the leaf that the stored record gives; `Fatal` unless it is the stored leaf."""
    index, _, topic_id, offset, canonical, stored = row
    if index == 0:
        expected = genesis(log.origin, log.year, log.previous).encode()
    else:
        try:
            headers = parse_canonical(canonical or b"").headers
        except Refused as exc:  # our own bytes: not wrong when stored
            raise Fatal("stored-row-differs", f"{log.origin}, index {index}") from exc
        expected = leaf_of(topic_id, offset, canonical, headers).encode()
    if expected != stored:
        # A bit flipped between reading and signing ended a Certificate Transparency log once.
        raise Fatal("stored-row-differs", f"{log.origin}, index {index}")
    return expected


def _store_tiles(cursor: Cursor, year: int, changed: dict[tuple[int, int], bytes]) -> None:
    """Write tiles; a tile is only ever made longer."""
    cursor.executemany(
        "INSERT INTO tile VALUES (%s, %s, %s, %s) ON CONFLICT (year, level, index) "
        "DO UPDATE SET data = excluded.data "
        "WHERE substr(excluded.data, 1, length(tile.data)) = tile.data",
        [(year, level, index, data) for (level, index), data in changed.items()],
    )
    if cursor.rowcount != len(changed):
        raise Fatal("stored-tile-differs", "a stored tile is not the beginning of its successor")


def _fetcher(cursor: Cursor, year: int) -> Callable[[Tile], bytes]:
    def fetch(tile: Tile) -> bytes:
        cursor.execute(
            "SELECT substr(data, 1, %s) FROM tile WHERE year = %s AND level = %s AND index = %s",
            (tile.width * 32, year, tile.level, tile.index),
        )
        row = cursor.fetchone()
        if row is None or len(row[0]) != tile.width * 32:
            raise Fatal("stored-tile-missing", tile.path())
        data: bytes = row[0]
        return data

    return fetch
