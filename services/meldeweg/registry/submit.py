"""Take in records of trust from outside and publish them; publish them again to an empty broker.

Guarantees: 201 means verified by the chain and durable in the book; from there it reaches the topic
however often this process dies. Nothing is published that a reader would refuse, and nothing is
acted upon that a crash could forget. A change of status returns once the broker acts on it.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from meldeweg.kernel import failpoints, logs, signing, topics
from meldeweg.kernel.bus.produce import Producer
from meldeweg.kernel.bus.records import Ack, Outgoing
from meldeweg.kernel.errors import Early, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust.issue import change_status, check_lines
from meldeweg.kernel.trust.objects import AgencyStatus, Enrolment, Status
from meldeweg.kernel.trust.register import Register
from meldeweg.kernel.trust.view import View
from meldeweg.registry.apply import Provisioner
from meldeweg.registry.book import Book
from meldeweg.registry.feed import OWNED, TrustFeed

log = logs.get()
failpoints.declare("registry.kept", "registry.published")
_TOPIC = {
    Typ.ENROLMENT: topics.REGISTRY_AGENCIES,
    Typ.SERVICE_KEY: topics.REGISTRY_AGENCIES,
    Typ.STATUS: topics.REGISTRY_AGENCIES,
    Typ.AGREEMENT_SIGNATURE: topics.REGISTRY_AGREEMENTS,
}
_JUMP = 1_000  # numbers that a change of status may leave out
_PERIOD = 10.0  # seconds between looks whether a topic lacks what the book has


class Desk:
    """Where enrolments, agreements and changes of status are handed in."""

    def __init__(
        self,
        register: Register,
        book: Book,
        feed: TrustFeed,
        producer: Producer,
        provisioner: Provisioner,
        key: SigningKey,
    ) -> None:
        self._register, self._book, self._feed = register, book, feed
        self._producer, self._provisioner, self._key = producer, provisioner, key
        self._lacking = asyncio.Event()
        self._turn = asyncio.Lock()

    async def submit(self, value: bytes) -> Digest:
        """Verify one record, keep it, and have it published; returns its digest.

        Raises `Refused` (also `Early`: something it builds on has not been handed in yet) or
        `Unavailable`; then nothing was kept, unless it is a change of status: that counts, and the
        broker is told as soon as it can be.
        """
        async with self._turn:
            topic = await self._keep(value)
        if topic == topics.REGISTRY_AGENCIES and signing.typ_of(value) is Typ.STATUS:
            await self._provisioner.settle()
        return Digest.of(value)

    async def _keep(self, value: bytes) -> str:
        topic = topic_of(value)
        trial = self._register.trial()
        trial.admit(topic, value)
        _check_counts(self._register, value)
        await self._check_new(trial, topic, value)
        await self._book.keep([(topic, value)])
        # From here a crash loses nothing.
        self._register.apply(topic, value)
        self._provisioner.wake()
        self._lacking.set()
        await failpoints.reach("registry.kept")
        return topic

    async def _check_new(self, trial: View, topic: str, value: bytes) -> None:
        """Refuse what no desk should put on a topic for good; the same bytes again are fine."""
        if topic != topics.REGISTRY_AGENCIES:
            return
        try:
            _check_lines(value)
            _check_changes(self._register, trial, value)
        except Refused:
            if not await self._knows(topic, value):
                raise

    async def _knows(self, topic: str, value: bytes) -> bool:
        return Digest.of(value) in self._feed.seen[topic] or value in await self._book.of(topic)

    async def set_status(
        self, agency: AgencyId, status: AgencyStatus, reason: str, now: datetime
    ) -> Digest:
        """Pull or release the brake; returns once the broker refuses, or lets through, again."""
        if status is AgencyStatus.REVOKED:
            raise Refused("revocation-needs-key", "signed by the anchor or the identity key alone")
        if agency not in self._register.agencies():
            raise Refused("agency-unknown", "not enrolled")
        async with self._turn:
            if self._register.status(agency) is AgencyStatus.REVOKED:
                raise Refused("agency-revoked", "for good")
            n = self._register.status_number(agency) + 1
            value = change_status(self._key, agency, status, n, reason, now)
            try:
                await self._keep(value)
            except Early as exc:  # the anchor's certificate of our own key has not been handed in
                raise Unavailable("registry-key-uncertified", exc.code) from exc
        await self._provisioner.settle()
        return Digest.of(value)

    async def records(self) -> Sequence[tuple[str, bytes]]:
        """Return every (topic, value) that the book has, in the order in which it was seen."""
        return await self._book.all()

    async def run(self) -> None:
        """Publish for ever what the book has and a topic lacks."""
        while True:
            self._lacking.clear()
            for topic in OWNED:
                try:
                    await self._publish(topic)
                except Unavailable as exc:
                    log.warning("trust_publish_waiting", code=exc.code, topic=topic)
            try:
                await asyncio.wait_for(self._lacking.wait(), _PERIOD)
            except TimeoutError:
                continue

    async def _publish(self, topic: str) -> None:
        lacking = [
            value
            for value in await self._book.of(topic)
            if Digest.of(value) not in self._feed.seen[topic]
        ]
        if not lacking:
            return
        sent = await self._producer.send(_records(topic, lacking))
        await failpoints.reach("registry.published")
        for value, outcome in zip(lacking, sent, strict=True):
            if not isinstance(outcome, Ack):
                raise Unavailable(outcome.code, "not published yet")
            # It may not be read back before the next look, which would publish it once more.
            self._feed.seen[topic].add(Digest.of(value))


def _check_counts(view: View, value: bytes) -> None:
    """Refuse a change of status that would change nothing; the same one again is fine."""
    if value[:1] == b"{" or signing.typ_of(value) is not Typ.STATUS:
        return
    payload = signing.parse(value, Typ.STATUS).payload
    body = Status.read_signed(payload, "trust-record-malformed")
    known = view.last_status(body.agency)
    if body.n > (known.n if known else 0) + _JUMP:
        raise Refused("status-number-jumps", f"number {body.n}: none could ever follow it")
    if known is None or known == body:
        return
    if known.status is AgencyStatus.REVOKED:
        raise Refused("agency-revoked", "for good")
    if body.n <= known.n and body.status is not AgencyStatus.REVOKED:
        raise Refused("status-superseded", f"number {body.n}; {known.n} counts")


def _check_changes(view: View, trial: View, value: bytes) -> None:
    """Refuse what the anchor signed and what is older than what counts: nobody takes a 201 for a
    name, a principal or a key that changed.
    """
    if signing.typ_of(value) is not Typ.STATUS and trial.of_the_anchor() == view.of_the_anchor():
        raise Refused("record-superseded", "what counts is as new or newer")


def _check_lines(value: bytes) -> None:
    """Refuse a name or a reason that is not one line: nobody can take it off a topic again."""
    models: dict[Typ, type[Frozen]] = {Typ.ENROLMENT: Enrolment, Typ.STATUS: Status}
    typ = signing.typ_of(value)
    if typ in models:
        payload = signing.parse(value, typ).payload
        check_lines(models[typ].read_signed(payload, "trust-record-malformed"))


def topic_of(value: bytes) -> str:
    """Return where a record of trust belongs; gateways publish what is on `keys.*` themselves."""
    if value[:1] == b"{":
        return topics.REGISTRY_AGREEMENTS
    topic = _TOPIC.get(signing.typ_of(value))
    if topic is None:
        raise Refused("trust-record-misplaced", "not a record that the registry publishes")
    return topic


def _records(topic: str, values: Sequence[bytes]) -> list[Outgoing]:
    return [Outgoing(topic, None, value) for value in values]
