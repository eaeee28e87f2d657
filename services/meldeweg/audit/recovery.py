"""Reads back from the bus what this database does not know any more, and reaches the same roots.

Guarantees: before anything new is put into the log, each manifest and checkpoint that was published
is in the database as it was published; what contradicts them stops the process (`Fatal`), because
going on would fork the log. Trusts: on the bus, only what this log's own keys signed.
"""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256

from meldeweg.audit import alarms
from meldeweg.audit.ledger import Ledger
from meldeweg.audit.project import Entry
from meldeweg.audit.sealing import Sealer
from meldeweg.kernel import logs, note
from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.kernel.manifest import Manifest, is_manifest, parse_manifest

Fetch = Callable[[str, bytes, int, int], Awaitable[Sequence[Entry]]]
"""(topic, topic id, from, to) -> exactly these entries; `Fatal` if the broker has them no more."""

log = logs.get()


class Recovery:
    """Takes the records of `audit.checkpoints` in their order."""

    def __init__(self, ledger: Ledger, sealer: Sealer, fetch: Fetch) -> None:
        self._ledger, self._sealer, self._fetch = ledger, sealer, fetch

    async def take(self, offset: int, value: bytes | None) -> None:
        """Take one record; a note that this log did not sign is an alarm, and nothing more."""
        try:
            text = note.parse(value or b"").text
            manifest = parse_manifest(text) if is_manifest(text) else None
            head = None if manifest else note.parse_checkpoint(text)
            origin = manifest.origin if manifest else head.origin if head else ""
            note.verify(note.parse(value or b""), self._sealer.verifiers(origin))
        except Refused as exc:
            with self._ledger.writing() as cursor:
                detail = f"offset {offset}: {exc.code}"
                alarms.record(
                    cursor, self._ledger.clock, "foreign-note", "audit.checkpoints", detail
                )
            return
        if manifest is not None:
            await self._manifest(offset, manifest)
        elif head is not None:
            self._checkpoint(head)

    async def _manifest(self, offset: int, manifest: Manifest) -> None:
        if manifest.number == 0:
            self._begin(manifest)
        known = self._ledger.log
        current = known is not None and manifest.origin == known.origin
        if not current or manifest.number < self._sealer.number:
            self._compare(manifest)
            return
        if manifest.number > self._sealer.number:
            raise Fatal("manifest-missing", f"{manifest.origin}, number {self._sealer.number}")
        await self._replay(manifest)
        self._sealer.seal(self._sealer.adopt(manifest), offset + 1)
        log.info("audit_manifest_replayed", count=manifest.end - manifest.start)

    def _begin(self, manifest: Manifest) -> None:
        """Open the log that a first manifest begins, if this database lacks it."""
        first = manifest.genesis
        known = self._ledger.log
        if first is None or (known is not None and known.year >= first.year):
            return
        if known is not None:
            if self._sealer.unsigned() or self._sealer.last_digest() != first.previous:
                raise Fatal("year-differs", manifest.origin)
            self._sealer.turn_year(first.year, manifest.origin)
        else:
            self._ledger.open_log(first.year, manifest.origin, first.previous)
            self._sealer.load()

    async def _replay(self, manifest: Manifest) -> None:
        """Put into the log what the manifest names and this database lacks."""
        assert self._ledger.log is not None
        index = manifest.start + (manifest.genesis is not None)
        for each in manifest.ranges:
            index += each.end - each.start
            missing = min(index - self._ledger.log.size, each.end - each.start)
            if missing <= 0:
                continue
            stream = self._ledger.stream(each.topic, each.topic_id)
            if missing == each.end - each.start and stream.next < each.start:
                self._ledger.went_on(stream, each.start, manifest.number)
            if stream.next != each.end - missing:
                raise Fatal("manifest-differs-from-rows", f"{each.topic} at {stream.next}")
            entries = await self._fetch(each.topic, each.topic_id, stream.next, each.end)
            if self._ledger.append([(stream, entries)]) != missing:
                raise Fatal("replay-impossible", f"{each.topic} from {stream.next}")

    def _compare(self, manifest: Manifest) -> None:
        """A manifest may be published twice; two of one number would be a fork."""
        origin, number = manifest.origin, manifest.number
        with self._ledger.writing() as cursor:
            cursor.execute(
                "SELECT note FROM manifest m JOIN log l ON l.year = m.year "
                "WHERE origin = %s AND number = %s",
                (origin, number),
            )
            row = cursor.fetchone()
        if row is None or sha256(note.parse(row[0]).text.encode()).digest() != manifest.digest():
            raise Fatal("manifest-forked", f"{origin}, number {number}")

    def _checkpoint(self, head: note.Checkpoint) -> None:
        """A published checkpoint must be ours: the same size has the same root."""
        with self._ledger.writing() as cursor:
            cursor.execute(
                "SELECT root FROM checkpoint c JOIN log l ON l.year = c.year "
                "WHERE origin = %s AND c.size = %s",
                (head.origin, head.size),
            )
            row = cursor.fetchone()
        if row is None or row[0] != head.root:
            raise Fatal("checkpoint-forked", f"{head.origin}, size {head.size}")
