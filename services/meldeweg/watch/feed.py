"""Read statements, receipts, events and heartbeats; verify each; tell the ledger.

Guarantees: what cannot be verified is counted with its reason and never believed; nothing stops the
reading. A record whose signer is not known yet waits, bounded, for the register. Values are never
looked at: watch needs statements alone.
"""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from meldeweg.kernel import event, logs, metrics, signing, statement, topics
from meldeweg.kernel.bus.positions import Position, Reset
from meldeweg.kernel.bus.records import Place, Record
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Early, Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.statement import STATEMENT_HEADER
from meldeweg.kernel.trust.register import Register
from meldeweg.watch.ledger import Ledger

log = logs.get()
_unread = metrics.counter("watch_records_not_understood", "Records that watch refused", "code")

EXCHANGE = ("inbox.", "events.")
TRUST = ("registry.", topics.keys_prefix())
_WAITING_MAX = 10_000
_WAITING_FOR = timedelta(minutes=15)  # as long as a gateway parks what may only be early


class Feed:
    """Both subscriptions' handlers; everything lives in memory and is read again at a start."""

    def __init__(self, register: Register, ledger: Ledger, clock: Clock) -> None:
        self._register, self._ledger, self._clock = register, ledger, clock
        self._next: dict[Place, Position] = {}
        self._waiting: deque[tuple[Record, datetime]] = deque()  # with the time of giving up

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
        """Take in statements, events and heartbeats, in the order of each topic."""
        self._give_up()
        until = self._clock.now() + _WAITING_FOR
        for record in records:
            self._take(record, until)
            self._next[record.place] = Position(record.offset + 1, record.topic_id)

    def waiting(self) -> int:
        """Return how many records wait for a signer that the register does not know yet."""
        return len(self._waiting)

    def _try_again(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for record, until in waiting:
            self._take(record, until)
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

    def _take(self, record: Record, until: datetime) -> None:
        try:
            token = statement.single_header(record.headers, STATEMENT_HEADER)
            self._judge(record, token, until)
        except Refused as exc:
            self._refused(exc.code)

    def _judge(self, record: Record, token: bytes, until: datetime) -> None:
        try:
            if record.topic.startswith("inbox."):
                self._message(record, token)
            else:
                self._told(record, token)
        except Early:
            # Whoever may write can make ten thousand wait: what is not needed of them is not kept.
            headers = ((STATEMENT_HEADER, token),)
            self._waiting.append((replace(record, key=None, value=None, headers=headers), until))

    def _message(self, record: Record, token: bytes) -> None:
        parsed = statement.parse(token)
        recipient, sender = topics.parse_inbox(record.topic)
        if (parsed.context.to, parsed.context.sender) != (recipient, sender):
            raise Refused("topic-contradicts", "statement names other parties")
        self._verify(parsed.jws, sender)
        if parsed.context.kind == "receipt":
            self._ledger.receipt(parsed.context)
        else:
            self._ledger.message(parsed, _at(record))

    def _told(self, record: Record, token: bytes) -> None:
        told = event.parse(token)
        if record.topic != topics.events(told.body.agency):
            raise Refused("topic-contradicts", "event of another agency")
        self._verify(told.jws, told.body.agency)
        if isinstance(told.body, event.Heartbeat):
            self._ledger.heartbeat(told.body, _at(record))
        else:
            self._ledger.event(told.body)

    def _verify(self, jws: signing.Jws, agency: AgencyId) -> None:
        signing.verify(jws, self._register.signature_key(agency, jws.kid, self._clock.now()))


def _at(record: Record) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)
