"""The audit's life: recover, then read, put into the log, sign, publish, for ever.

Guarantees: nothing is put into the log before what was published is known; one topic's trouble
stops no other; while broker or database are away nothing is lost and reading goes on where
PostgreSQL says; new entries are signed within a second, while it lags once a second. Memory: what
is being written, as much again (at least one poll) that waits for it, one checkpoint's hashes.
Trusts: what `ledger`, `sealing` and `recovery` guarantee.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from meldeweg.audit.arriving import Projected, projected, size
from meldeweg.audit.ledger import Ledger
from meldeweg.audit.replaying import Replay
from meldeweg.audit.sealing import Sealer
from meldeweg.kernel import logs, metrics
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.endings import demand_wanted
from meldeweg.kernel.bus.positions import Position, Reset, ResetKind
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.read import Reader
from meldeweg.kernel.bus.records import Ack, Outgoing, Place
from meldeweg.kernel.errors import Fatal, Refused, Unavailable
from meldeweg.kernel.topics import AUDIT_CHECKPOINTS

_POLL = 0.1  # seconds; also the longest that a seal waits for
_BATCH = 4000  # records per poll
_HELD = 16 * 1024 * 1024  # bytes that may wait for the database; then reading waits too
_SEAL = 0.3  # seconds between checkpoints at least
# Each checkpoint is looked at by every gateway, in its own process and here: while the log lags,
# more of them would only make it lag longer.
_SEAL_LAGGING = 1.0
_LAGGING = 2.0  # seconds of age from which it lags
_LULL = 0.5  # seconds without a record after which it does not; longer than a patient reader's wait
_PAUSE = 0.5  # seconds before trying again
_VANISHED = 30.0  # seconds after which a topic that is not listed any more is an alarm
_PATIENCE = 20.0  # seconds that a person's decision waits for its turn
_RESETS = {
    ResetKind.SHORTER: "topic-shorter",
    ResetKind.EXPIRED: "log-start-beyond",
}

log = logs.get()
_unsigned = metrics.gauge("audit_unsigned_entries", "Entries that no signed checkpoint covers yet")
_age = metrics.gauge("audit_lag_seconds", "Age of the newest record when it was put in")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A job on the ledger that waits for its turn."""

    job: Callable[[], Any]
    done: asyncio.Future[Any]


class Ingest:
    """Wires the bus to the ledger; `run` is the service's one task."""

    def __init__(
        self,
        connection: Connection,
        ledger: Ledger,
        sealer: Sealer,
        origin: str,
    ) -> None:
        self._connection, self._ledger, self._sealer = connection, ledger, sealer
        self._origin = origin
        self._producer = Producer(connection)
        self._reader = Reader(
            connection, positions=self._positions, prefixes=("inbox.", "events."), patient=True
        )
        self._unpublished: bytes | None = None
        self._writing: asyncio.Task[Any] | None = None  # who has the ledger now
        self._held: Projected = {}  # read, and waiting for the ledger
        self._lags = False
        self._came = 0.0  # when records came last
        self._vanished: dict[str, float] = {}  # topic → since when; once told, from never
        self._asked: list[_Asked] = []
        self._sealed = 0.0
        self._alive = time.monotonic()
        self._ready = False
        self.trouble: str | None = "recovering"

    def age(self) -> float:
        """Seconds since the last turn."""
        return time.monotonic() - self._alive

    def _lives(self) -> None:
        self._alive = time.monotonic()

    def missing(self) -> str | None:
        """What hinders auditing now, as a stable code."""
        if code := self.trouble or self._reader.missing():
            return code
        return "topic-vanished" if self._gone() else None

    def _gone(self) -> set[str]:
        """Topics of the log that the broker does not list: deleted, or our right to see them."""
        if not self._reader.is_whole():
            return set()
        read = {topic for topic, _ in self._reader.places()}
        streams = list(self._ledger.streams.values())  # a thread may be adding one
        return {each.topic for each in streams if not each.halted} - read

    async def _tell_vanished(self) -> None:
        """A topic that is gone for a while is an alarm: what is in it goes by unaudited."""
        now, gone = time.monotonic(), self._gone()
        self._vanished = {topic: self._vanished.get(topic, now) for topic in gone}
        for topic, since in self._vanished.items():
            if now - since > _VANISHED:
                await self._written()
                await asyncio.to_thread(self._ledger.alarm, "topic-vanished", topic)
                self._vanished[topic] = math.inf

    async def start(self) -> None:
        """Nothing: the first turn connects, and waits for what is away."""

    async def restart(self) -> None:
        """Throw the reader away; the next turn builds another."""
        await self._reader.restart()

    async def _settled(self) -> None:
        """Cut short what is under way; what a thread does meanwhile comes to its end."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.cancel()  # a checkpoint may be waiting for a broker that is away
            await asyncio.wait([writing])
            if not writing.cancelled():
                writing.exception()  # seen already, or of no interest any more

    async def stop(self) -> None:
        await self._settled()
        await self._reader.stop()
        await self._producer.stop()
        self._ledger.close()

    async def run(self) -> None:
        """Go on for ever; ends only by `Fatal`."""
        while True:
            self._lives()
            try:
                if not self._ready:
                    await self._recover()
                await self._carry_out()
                await self._turn()
                self.trouble = None
            except (Unavailable, TimeoutError) as exc:
                demand_wanted()  # the cancellation was lost inside a client that was ending
                self.trouble = exc.code if isinstance(exc, Unavailable) else "broker-timeout"
                log.warning("audit_waiting", code=self.trouble)
                # What was given may not be kept, and what was kept may not be known: ask again.
                self._ready = False
                await self._settled()
                await asyncio.sleep(_PAUSE)

    async def between(self, job: Callable[[], T], /) -> T:
        """Run `job` on the ledger between two turns, and then read on from what it left.

        Raises what `job` raises; `Unavailable("audit-waiting")` if there was no turn in time, and
        then it was not begun.
        """
        asked = _Asked(job, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        try:
            async with asyncio.timeout(_PATIENCE):
                done: T = await asyncio.shield(asked.done)
        except TimeoutError as exc:
            if asked in self._asked:
                self._asked.remove(asked)
                raise Unavailable("audit-waiting", self.trouble or "") from exc
            done = await asked.done  # it is under way: its outcome counts
        return done

    async def end_of(self, topic: str) -> int:
        """Return the offset to come of a topic; `Unavailable` while nobody can say it."""
        ends = await self._reader.ends()
        if (topic, 0) not in ends:
            raise Unavailable("audit-waiting", f"the broker does not say how far {topic} reaches")
        return ends[topic, 0]

    async def _carry_out(self) -> None:
        """Do what was asked for meanwhile; the reader then asks the ledger where to go on."""
        if not self._asked:
            return
        await self._written()
        while self._asked:
            asked = self._asked.pop(0)
            try:
                asked.done.set_result(await asyncio.to_thread(asked.job))
            except Refused as exc:
                asked.done.set_exception(exc)
            except (Unavailable, Fatal) as exc:
                asked.done.set_exception(exc)
                raise
        await self._rewind()

    async def _rewind(self) -> None:
        """Read on where the ledger says; what it was not given yet comes again."""
        self._held.clear()
        await self._reader.rewind()

    async def _turn(self) -> None:
        found = await self._reader.poll(timeout=_POLL, max_records=_BATCH)
        resets = [each for each in found.values() if isinstance(each, Reset)]
        if found:
            self._came = time.monotonic()
            for place, entries in (await asyncio.to_thread(projected, found)).items():
                self._held.setdefault(place, []).extend(entries)
        elif not self._held and time.monotonic() - self._came > _LULL:
            self._lags = False
        if found and not resets and self._busy() and size(self._held) < _HELD:
            return  # read on while the database works
        await self._written()
        await self._take()
        await self._tell_vanished()
        if resets:
            await self._written()
            await self._reset_all(resets)
        if self._writing is None and self._sealer.unsigned() == 0:
            if self._unpublished:
                await self._publish(self._unpublished, b"checkpoint")
                self._unpublished = None
            await self._turn_year()
        elif time.monotonic() - self._sealed >= (_SEAL_LAGGING if self._lags else _SEAL):
            await self._written()
            self._writing = asyncio.create_task(self._seal())

    async def _take(self) -> None:
        """Begin to put into the log what was read; while the database works, more is read."""
        held, self._held = self._held, {}
        arrivals = []
        for (topic, topic_id), entries in held.items():
            if (stream := self._ledger.streams.get(topic_id)) is None:
                stream = await asyncio.to_thread(self._ledger.stream, topic, topic_id)
            arrivals.append((stream, entries))
        if arrivals:
            newest = max(entries[-1].appended for entries in held.values()) / 1000
            age = max(0.0, self._ledger.clock.now().timestamp() - newest)
            _age.set(age)
            self._lags = age > _LAGGING
            self._writing = asyncio.create_task(_whole(self._ledger.append, arrivals))

    def _busy(self) -> bool:
        return self._writing is not None and not self._writing.done()

    async def _written(self) -> None:
        """Wait for the batch or the checkpoint before: one at a time may touch the ledger."""
        if self._writing is not None:
            await asyncio.shield(self._writing)  # a cancelled turn must not forget the thread
            self._writing = None
            _unsigned.set(self._sealer.unsigned())

    async def _reset_all(self, resets: Sequence[Reset]) -> None:
        for reset in resets:
            await asyncio.to_thread(self._reset, reset)
        if any(each.kind is ResetKind.RECREATED for each in resets):
            # Perhaps the whole broker: see what is left of our own notes first.
            raise Unavailable("topic-recreated")

    def _reset(self, reset: Reset) -> None:
        """A topic that can't be read on: an alarm, and the others go on."""
        if reset.kind is ResetKind.RECREATED:
            self._ledger.stream(reset.topic, reset.topic_id.bytes)
            return
        stream = self._ledger.stream(reset.topic, reset.topic_id.bytes)
        if reset.kind is ResetKind.EXPIRED and reset.start == stream.next:
            return  # only the one record that is read again to compare it is gone
        detail = f"expected {stream.next}, the broker has {reset.start} to {reset.end}"
        self._ledger.halt(stream, _RESETS[reset.kind], detail)

    async def _seal(self) -> None:
        """Sign what is in the log; meanwhile the next poll is read, and waits."""
        pending = await _whole(self._sealer.prepare)
        if pending is not None:
            ack = await self._publish(pending.note, b"manifest")
            self._unpublished = await _whole(self._sealer.seal, pending, ack.offset + 1)
            await self._publish(self._unpublished, b"checkpoint")
            self._unpublished = None
        self._sealed = time.monotonic()

    async def _publish(self, value: bytes, kind: bytes) -> Ack:
        record = Outgoing(AUDIT_CHECKPOINTS, None, value, (("kind", kind),))
        (sent,) = await self._producer.send([record])
        if isinstance(sent, Unavailable):
            raise sent
        if not isinstance(sent, Ack):
            raise Fatal("manifest-refused", sent.code)
        return sent

    async def _turn_year(self) -> None:
        """Begin the next year's log once this one's is fully signed and published."""
        current = self._ledger.log
        year = self._ledger.clock.now().year
        if current is None or year <= current.year or self._sealer.unsigned() or self._unpublished:
            return
        if year > current.year + 1:
            # More than a year without one entry, or a clock that is wrong: a person decides.
            raise Fatal("year-skipped", f"{current.year} to {year}")
        await asyncio.to_thread(self._sealer.turn_year, year, f"{self._origin}/{year}")

    async def _recover(self) -> None:
        """Take up the log: from the database, then from the bus, and only then anew."""
        await self._rewind()
        await asyncio.to_thread(self._ledger.open)
        await asyncio.to_thread(self._sealer.load)
        await Replay(
            self._connection, self._ledger, self._sealer, self._producer, self._lives
        ).run()
        if self._ledger.log is None:
            year = self._ledger.clock.now().year
            await asyncio.to_thread(self._ledger.open_log, year, f"{self._origin}/{year}")
            await asyncio.to_thread(self._sealer.load)
        self._unpublished = self._sealer.newest
        self._ready = True

    async def _positions(self, places: list[Place]) -> Mapping[Place, Position | int | None]:
        """Where PostgreSQL says, less one: the last record is read again and compared."""
        newest = {stream.topic: stream for stream in self._ledger.streams.values()}
        return {
            (topic, partition): (
                Position(max(newest[topic].next - 1, 0), UUID(bytes=newest[topic].topic_id))
                if topic in newest
                else None
            )
            for topic, partition in places
        }


async def _whole(job: Callable[..., T], *args: Any) -> T:
    """Run `job` in a thread; cancelled meanwhile, wait for its end all the same."""
    running = asyncio.ensure_future(asyncio.to_thread(job, *args))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
