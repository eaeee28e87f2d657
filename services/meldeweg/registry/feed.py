"""Read every topic of trust from its start: the register, the chained digests, and the own copy.

Guarantees: what the register holds was on a topic (or waits in the book to be put there again);
when `start` returns it holds all of that, so that nobody plans or publishes from half a register;
records are taken in offset order, and one that comes again changes nothing.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from uuid import UUID

from meldeweg.kernel import logs, metrics, topics
from meldeweg.kernel.bus.positions import Position, Reset
from meldeweg.kernel.bus.records import Place, Record
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.register import Register
from meldeweg.registry.apply import Provisioner
from meldeweg.registry.book import Book

log = logs.get()
_refused = metrics.counter("trust_records_refused", "Records of trust that were refused", "code")

OWNED = (topics.REGISTRY_AGENCIES, topics.REGISTRY_AGREEMENTS)  # published by the registry
PREFIXES = (topics.keys_prefix(),)


class TrustFeed:
    """The one consumer of the registry. `read_all`: everything that is on its topics now."""

    def __init__(
        self,
        register: Register,
        book: Book,
        provisioner: Provisioner,
        read_all: Callable[[], Awaitable[list[Record]]],
    ) -> None:
        self._register, self._book, self._provisioner = register, book, provisioner
        self._read_all = read_all
        self.chains = Chains()
        self._ids: dict[str, UUID] = {}
        self.seen: dict[str, set[Digest]] = defaultdict(set)

    async def start(self) -> None:
        """Take in the book, then what the topics hold; `Unavailable` while either is away."""
        for topic, value in await self._book.all():
            try:
                self._register.apply(topic, value)
            except Refused as exc:  # nonsense on a topic is kept too, and refused again
                log.warning("trust_record_refused", code=exc.code, topic=topic)
        await self.handle(await self._read_all())

    async def stop(self) -> None:
        """Nothing is open; the book has everything."""

    async def positions(self, places: list[Place]) -> dict[Place, Position | None]:
        """Read on where the chains end: at a start, from the beginning."""
        return {place: self._position(place[0]) for place in places}

    def _position(self, topic: str) -> Position | None:
        end, _ = self.chains.end(topic)
        return Position(end, self._ids[topic]) if end else None

    async def handle(self, records: list[Record]) -> None:
        """Take in a batch; first keep it, so that nothing acted upon could be forgotten."""
        fresh = [each for each in records if each.offset >= self.chains.end(each.topic)[0]]
        await self._book.keep((each.topic, each.value) for each in fresh if each.value is not None)
        for record in fresh:
            self._ids[record.topic] = record.topic_id
            self.chains.extend(record.topic, record.value)
            self.seen[record.topic].add(Digest.of(record.value or b""))
            try:
                self._register.apply(record.topic, record.value)
            except Refused as exc:
                # Nonsense, or a forgery: it stays visible on the topic.
                _refused.labels(exc.code).inc()
                log.warning(
                    "trust_record_refused",
                    code=exc.code,
                    topic=record.topic,
                    offset=record.offset,
                )
        self._provisioner.wake()

    async def reset(self, reset: Reset) -> None:
        """Begin again with a topic that was recreated; the register keeps what it knows."""
        self.chains.restart(reset.topic)
        self.seen.pop(reset.topic, None)
        log.warning("topic_reset", topic=reset.topic, code=reset.kind.value)

    async def quarantine(self, record: Record, code: str) -> None:
        """Pass over what no handler could take; it stays on its topic, and in the chain."""
        log.error("trust_record_refused", code=code, topic=record.topic, offset=record.offset)
        self.chains.extend(record.topic, record.value)
