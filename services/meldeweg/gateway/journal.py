"""Events: what this gateway did on its own, signed, ready for the outbox (I2).

Guarantees: an entry carries ids, codes and times, never content or a name. It counts only once the
caller queued it in the transaction of its effect. Trusts: the caller for what happened.
"""

from collections.abc import Callable

from meldeweg.gateway.store.outbox import NewRow
from meldeweg.kernel import event, topics
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.event import EVENT_VALUE, Event, EventKind, Heartbeat
from meldeweg.kernel.ids import AgencyId, Digest, new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.statement import Urgency


class Journal:
    """Makes entries. `signer` returns the signing key of the moment, or raises Unavailable."""

    def __init__(self, me: AgencyId, clock: Clock, signer: Callable[[], SigningKey]) -> None:
        self._me, self._clock, self._signer = me, clock, signer

    def entry(
        self,
        kind: EventKind,
        *,
        message: Digest | None = None,
        urgency: Urgency | None = None,
        exercise: bool | None = None,
        actor_ref: str | None = None,
        code: str | None = None,
        partner: AgencyId | None = None,
        topic: str | None = None,
        offset: int | None = None,
        record_sha256: Digest | None = None,
    ) -> NewRow:
        """Return the outbox row of an event that happens now; `Unavailable("no-signing-key")`."""
        return self.row(
            Event(
                v=1,
                id=new_message_id(),
                agency=self._me,
                kind=kind,
                at=self._clock.now(),
                message=message,
                urgency=urgency,
                exercise=exercise,
                actor_ref=actor_ref,
                code=code,
                partner=partner,
                topic=topic,
                offset=offset,
                record_sha256=record_sha256,
            )
        )

    def row(self, body: Event | Heartbeat) -> NewRow:
        """Sign an event or a heartbeat."""
        headers = event.headers(body, event.sign(body, self._signer()))
        return NewRow(
            topic=topics.events(self._me),
            recipient=None,
            key=body.id.encode(),
            headers=headers,
            value=EVENT_VALUE,
            kind="event",
            accepted_at=body.at,
            size=sum(len(value) for _, value in headers),
        )
