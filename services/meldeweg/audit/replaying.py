"""Takes up what the audit said on the bus before: its own manifests, read again at each start.

Guarantees: ends only once everything that `audit.checkpoints` holds was compared with the database
(`recovery`); a topic that lost what was published there raises an alarm and gets it back, signed by
today's key, before reading goes on; cut short, it begins anew. Trusts: the ledger's position.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from meldeweg.audit import alarms
from meldeweg.audit.follow import Follower
from meldeweg.audit.ledger import Ledger
from meldeweg.audit.recovery import Recovery
from meldeweg.audit.sealing import Sealer
from meldeweg.kernel import logs, note
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.positions import Position, Reset
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.read import Reader
from meldeweg.kernel.bus.records import Ack, Outgoing, Place
from meldeweg.kernel.bus.subscription import Positions
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.manifest import parse_manifest
from meldeweg.kernel.topics import AUDIT_CHECKPOINTS

_POLL = 0.1  # seconds
_BATCH = 4000  # records per poll
_NOTES = 200  # manifests published again at once
_PLACE = (AUDIT_CHECKPOINTS, 0)

log = logs.get()


class Replay:
    """One pass over `audit.checkpoints`. `alive` is called at each turn."""

    def __init__(
        self,
        connection: Connection,
        ledger: Ledger,
        sealer: Sealer,
        producer: Producer,
        alive: Callable[[], None],
    ) -> None:
        self._connection, self._ledger, self._sealer = connection, ledger, sealer
        self._producer, self._alive = producer, alive

    async def run(self) -> None:
        """Compare and take up everything. Raises Unavailable, and Fatal as `recovery` does."""
        follower = Follower(self._connection)
        try:
            await self._replayed(Recovery(self._ledger, self._sealer, follower.fetch))
        finally:
            await follower.close()

    async def _replayed(self, recovery: Recovery) -> None:
        at = await asyncio.to_thread(self._ledger.bus_position)
        reader = Reader(self._connection, positions=_from(at), topics=(AUDIT_CHECKPOINTS,))
        try:
            await self._drain(reader, recovery)
        finally:
            await reader.stop()

    async def _drain(self, reader: Reader, recovery: Recovery) -> None:
        target: int | None = None
        while True:
            self._alive()
            found = (await reader.poll(timeout=_POLL, max_records=_BATCH)).get(_PLACE, [])
            if isinstance(found, Reset):
                await asyncio.to_thread(self._reset, found)
                await self._publish_again()
                continue
            for record in found:
                await recovery.take(record.offset, record.value)
            if target is None and _PLACE in reader.places():
                target = (await reader.ends()).get(_PLACE)
            at = reader.places().get(_PLACE)
            if target is not None and at is not None and at.offset >= target:
                known = (at.offset, at.topic_id.bytes)
                await asyncio.to_thread(self._ledger.set_bus_position, *known)
                return

    async def _publish_again(self) -> None:
        """Put back what the broker lost: who was not there finds its records by the manifests.

        Cut short, it begins anew: the position is only moved to the new topic behind all of this.
        """
        at = (0, -1)
        while notes := await asyncio.to_thread(self._ledger.manifests, *at, _NOTES):
            self._alive()
            headers = (("kind", b"manifest"),)
            values = await asyncio.to_thread(self._renewed, notes)
            batch = [Outgoing(AUDIT_CHECKPOINTS, None, value, headers) for value in values]
            for sent in await self._producer.send(batch):
                if not isinstance(sent, Ack):
                    raise Unavailable(sent.code)
            at = notes[-1][:2]
        log.warning("audit_notes_published_again")

    def _renewed(self, notes: Sequence[tuple[int, int, bytes]]) -> list[bytes]:
        manifests = [(parse_manifest(note.parse(value).text), value) for *_, value in notes]
        return [self._sealer.renewed(manifest.origin, value) for manifest, value in manifests]

    def _reset(self, reset: Reset) -> None:
        with self._ledger.writing() as cursor:
            detail = f"{reset.kind}: expected {reset.wanted}, it ends at {reset.end}"
            alarms.record(
                cursor, self._ledger.clock, "checkpoints-shorter", AUDIT_CHECKPOINTS, detail
            )


def _from(at: tuple[int, bytes] | None) -> Positions:
    async def positions(places: list[Place]) -> Mapping[Place, Position | int | None]:
        known = Position(at[0], UUID(bytes=at[1])) if at else None
        return dict.fromkeys(places, known)

    return positions
