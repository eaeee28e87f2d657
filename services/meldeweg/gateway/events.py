"""What this gateway did on its own, as a row of the outbox (I2).

Guarantees: an event's row is made before the transaction of its effect and inserted in it, so that
neither exists without the other. An event carries codes, digests and references, never content.
"""

from datetime import datetime
from typing import Any

from meldeweg.gateway.store.outbox import NewRow
from meldeweg.kernel import event, topics
from meldeweg.kernel.event import Event, EventKind, Heartbeat
from meldeweg.kernel.ids import AgencyId, new_message_id
from meldeweg.kernel.jwk import SigningKey


def row(me: AgencyId, key: SigningKey, kind: EventKind, now: datetime, **facts: Any) -> NewRow:
    """Return the signed event of `kind`; `facts` are members of `kernel.event.Event`."""
    return signed(Event(v=1, id=new_message_id(), agency=me, kind=kind, at=now, **facts), key)


def signed(body: Event | Heartbeat, key: SigningKey) -> NewRow:
    """Return the row of an event or a heartbeat."""
    headers = event.headers(body, event.sign(body, key))
    return NewRow(
        topic=topics.events(body.agency),
        recipient=None,
        key=body.id.encode(),
        headers=headers,
        value=event.EVENT_VALUE,
        kind="event",
        accepted_at=body.at,
        size=sum(len(name) + len(value) for name, value in headers) + len(event.EVENT_VALUE),
    )
