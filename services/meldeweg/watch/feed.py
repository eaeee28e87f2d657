"""Read statements, receipts, events and heartbeats; verify each; tell the ledger.

Guarantees: what is not as docs/spec/message.md has it, or cannot be verified, is counted with its
reason and never believed, or watch would count as open what its recipient threw away; nothing stops
the reading. Nothing of the exchange is judged before the register was read to its end once: else
what lies there from before would wait by the ten thousand, and the oldest be dropped. A record
whose signer is not known then waits, bounded, for the register. No value is ever opened: that it
is the one that was signed, its digest shows.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from meldeweg.kernel import event, logs, metrics, signing, statement, topics
from meldeweg.kernel.bus.positions import Position, Reset
from meldeweg.kernel.bus.records import Place, Record
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Early, Refused, Unavailable
from meldeweg.kernel.event import Told
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.statement import STATEMENT_HEADER, Statement, single_header
from meldeweg.kernel.trust.register import Register
from meldeweg.watch.ledger import Ledger

log = logs.get()
_unread = metrics.counter("watch_records_not_understood", "Records that watch refused", "code")

_EVENTS = "events."
EXCHANGE = ("inbox.", _EVENTS)
TRUST = ("registry.", topics.keys_prefix())
_REGISTER = 2.0  # seconds that an attempt waits for it: each attempt is a sign of life
_WAITING_MAX = 10_000
_WAITING_FOR = timedelta(minutes=15)  # as long as a gateway parks what may only be early


class Feed:
    """Both subscriptions' handlers; everything lives in memory and is read again at a start."""

    def __init__(self, register: Register, ledger: Ledger, clock: Clock) -> None:
        self._register, self._ledger, self._clock = register, ledger, clock
        self._next: dict[Place, Position] = {}
        self._waiting: deque[tuple[Record, datetime]] = deque()  # with the time of giving up
        self._register_read = asyncio.Event()
        self._unread = {"trust", "exchange"}  # what has not been read to its end of the start yet

    async def positions(self, places: list[Place]) -> dict[Place, Position | None]:
        """Read on from memory; at a start, from the beginning of what the topics still hold."""
        return {place: self._next.get(place) for place in places}

    async def reset(self, reset: Reset) -> None:
        """Begin again with a topic that was recreated, or whose oldest records expired."""
        self._next[reset.topic, reset.partition] = Position(reset.start, reset.topic_id)
        log.warning("topic_reset", topic=reset.topic, code=reset.kind.value)

    async def quarantine(self, record: Record, code: str) -> None:
        """Count what no handler could take."""
        self._refused(code)
        self._next[record.place] = Position(record.offset + 1, record.topic_id)

    def read(self, name: str) -> None:
        """Take in that a subscription has read all that lay there at the start."""
        self._unread.discard(name)
        if name == "trust":
            self._register_read.set()
        if not self._unread and self._ledger.caught_up_at is None:
            self._ledger.caught_up_at = self._clock.now()
            log.info("watch_caught_up")

    def behind(self) -> str | None:
        """Say for `/readyz` whether what watch says is not yet of everything that lies there."""
        return "still-reading" if self._unread else None

    async def trust(self, records: list[Record]) -> None:
        """Take in records of trust, then try again what waited for them."""
        for record in records:
            try:
                self._register.apply(record.topic, record.value)
            except Refused as exc:
                self._refused(exc.code)
            self._next[record.place] = Position(record.offset + 1, record.topic_id)
        self._try_again()

    async def exchange(self, records: list[Record]) -> None:
        """Take in statements, events and heartbeats, in the order of each topic.

        Raises `Unavailable(register-unread)` until the register was read to its end once.
        """
        await self._judgeable()
        self._give_up()
        until = self._clock.now() + _WAITING_FOR
        for record in records:
            self._take(judged, record, until)
            self._next[record.place] = Position(record.offset + 1, record.topic_id)

    async def _judgeable(self) -> None:
        try:
            async with asyncio.timeout(_REGISTER):
                await self._register_read.wait()
        except TimeoutError as exc:
            raise Unavailable("register-unread", "what it knows of signers is not whole") from exc

    def waiting(self) -> int:
        """Return how many records wait for a signer that the register does not know yet."""
        return len(self._waiting)

    def _try_again(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for record, until in waiting:
            self._take(parsed, record, until)
        self._give_up()

    def _give_up(self) -> None:
        """Count what waited too long, or what there is no more room for: the oldest first."""
        now = self._clock.now()
        while self._waiting and (self._waiting[0][1] <= now or len(self._waiting) > _WAITING_MAX):
            self._waiting.popleft()
            self._refused("signer-unknown")

    def _refused(self, code: str) -> None:
        self._ledger.unread[code] += 1
        _unread.labels(code).inc()

    def _take(
        self, read: Callable[[Record], Statement | Told], record: Record, until: datetime
    ) -> None:
        try:
            said = read(record)
            try:
                self._believe(said, record)
            except Early:
                self._wait(record, until)
        except Refused as exc:
            self._refused(exc.code)

    def _wait(self, record: Record, until: datetime) -> None:
        """Keep a record that was judged: whoever may write can make ten thousand wait."""
        token = single_header(record.headers, STATEMENT_HEADER)
        kept = replace(record, key=None, value=None, headers=((STATEMENT_HEADER, token),))
        self._waiting.append((kept, until))

    def _believe(self, said: Statement | Told, record: Record) -> None:
        at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        if isinstance(said, Statement):
            self._verify(said.jws, said.context.sender, at)
            if said.context.kind == "receipt":
                self._ledger.receipt(said.context)
            else:
                self._ledger.message(said, at)
            return
        self._verify(said.jws, said.body.agency, at)
        if isinstance(said.body, event.Heartbeat):
            self._ledger.heartbeat(said.body, at)
        else:
            self._ledger.event(said.body)

    def _verify(self, jws: signing.Jws, agency: AgencyId, at: datetime) -> None:
        """Verify as of the broker's time: read again, what lay there before a revocation counts."""
        now = self._clock.now()
        key = self._register.signature_key(agency, jws.kid, now, there_at=at)
        signing.verify(jws, key)


def judged(record: Record) -> Statement | Told:
    """Read a whole record strictly; `Refused` with the code that its recipient would give."""
    if record.topic.startswith(_EVENTS):
        return event.judge(record.topic, record.key, record.headers, record.value)
    said = statement.parse(single_header(record.headers, STATEMENT_HEADER))
    recipient, sender = topics.parse_inbox(record.topic)
    if (said.context.to, said.context.sender) != (recipient, sender):
        raise Refused("topic-contradicts", "statement names other parties")
    statement.check_key(said, record.key)
    statement.check_headers(said, record.headers)
    statement.check_value(said, record.value)
    return said


def parsed(record: Record) -> Statement | Told:
    """Read again what waited: it was judged when it came, and only its statement was kept."""
    token = single_header(record.headers, STATEMENT_HEADER)
    return event.parse(token) if record.topic.startswith(_EVENTS) else statement.parse(token)
