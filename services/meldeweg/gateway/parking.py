"""How long a record that may only be early is kept, and trying parked ones again (I6).

Guarantees: what waits is bounded in time (unless its sender is suspended: then until that ends) and
per sender in number and bytes; a parked record goes the normal way, every step anew, whenever the
view changed and on a timer. Trusts: nothing of a parked record; the store kept its bytes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from meldeweg.gateway.settings import ParkingSettings
from meldeweg.gateway.store import Store, parked
from meldeweg.gateway.store.parked import Parked
from meldeweg.gateway.verification import Rejected
from meldeweg.kernel import logs
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.statement import Urgency

SUSPENDED = "sender-suspended"
_PAGE = 200  # records tried in one transaction

log = logs.get()


def keep_until(
    why: Rejected, held: Parked | None, now: datetime, settings: ParkingSettings
) -> datetime | None:
    """Return until when a record may wait; None: as long as its sender is suspended.

    The time runs from its first arrival. It begins anew when a suspension ends, which took as long
    as it took.
    """
    if why.code == SUSPENDED:
        return None
    if held is not None and held.until is not None:
        return held.until
    urgency = why.statement.context.urgency if why.statement else None  # claimed is enough here
    seconds = settings.immediate if urgency is Urgency.IMMEDIATE else settings.others
    return now + timedelta(seconds=seconds)


def as_record(row: Parked) -> Record:
    """Return the record exactly as it came."""
    return Record(row.topic, 0, row.topic_offset, row.timestamp, row.key, row.value, row.headers)


class Parking:
    """Tries parked records again: `changed()` when the view did, and every `look_every` seconds."""

    def __init__(
        self,
        store: Store,
        retry: Callable[[Sequence[Parked]], Awaitable[None]],
        clock: Clock,
        settings: ParkingSettings,
    ) -> None:
        self._store, self._retry = store, retry
        self._clock, self._settings = clock, settings
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Say that the register knows something new."""
        self._changed.set()

    async def run(self) -> None:
        """Run for ever."""
        while True:
            try:
                async with asyncio.timeout(self._settings.look_every):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                await self.once()
            except Unavailable as exc:  # the store or a key; they are still parked
                log.warning("parking_waits", code=exc.code)
                await asyncio.sleep(self._settings.look_every)

    async def once(self) -> None:
        """Try every parked record once, in order of arrival."""
        after = 0
        while rows := await self._store.read(partial(parked.page, after=after, limit=_PAGE)):
            after = rows[-1].seq
            await self._retry(rows)
