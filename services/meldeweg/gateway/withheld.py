"""What is kept of a record that was not accepted: its bytes as they came, and why.

Guarantees: nothing of the record is interpreted beyond what its proof covers; whoever may write the
topic is the only sender known of a record whose proof failed. Pure.
"""

import hashlib
from datetime import datetime

from meldeweg.gateway.store.headers import pack
from meldeweg.gateway.store.parked import NewParked
from meldeweg.gateway.store.quarantine import NewQuarantined
from meldeweg.gateway.verification import Proof, Rejected
from meldeweg.kernel import topics
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest

_NOBODY = AgencyId("unknown")


def topic_sender(record: Record) -> AgencyId:
    """Who may write the topic: the only thing known of a record whose proof failed."""
    try:
        return topics.parse_inbox(record.topic)[1]
    except Refused:
        return _NOBODY


def to_park(why: Rejected, until: datetime | None, now: datetime) -> NewParked:
    """Return the row of a record that may only be early; `until`: when it is refused, if ever."""
    record = why.record
    return NewParked(
        at=now,
        until=until,
        topic=record.topic,
        topic_offset=record.offset,
        timestamp=record.timestamp,
        code=why.code,
        sender=topic_sender(record),
        urgency=why.urgency,
        verified=why.proof >= Proof.SIGNED,
        key=record.key,
        headers=record.headers,
        value=record.value,
        digest=why.digest,
    )


def to_quarantine(why: Rejected, now: datetime) -> NewQuarantined:
    """Return the row of a record that can't be processed.

    What nobody may hold any more goes at the next look, whatever later day its sender wrote.
    """
    record = why.record
    past = why.code == "past-delete-after"
    return NewQuarantined(
        at=now,
        topic=record.topic,
        topic_offset=record.offset,
        timestamp=record.timestamp,
        code=why.code,
        sender=topic_sender(record),
        verified=why.proof >= Proof.SIGNED,
        urgency=why.urgency,
        key=record.key,
        headers=record.headers,
        value=record.value,
        digest=record_digest(record),
        delete_after=now.date().isoformat() if past else why.delete_after,
    )


def record_digest(record: Record) -> Digest:
    """SHA-256 over key, headers and value with their lengths: names the very bytes of a record."""
    state = hashlib.sha256()
    for part in (record.key, pack(record.headers), record.value):
        state.update(b"-" if part is None else b"%d:" % len(part))
        state.update(part or b"")
    return Digest(state.hexdigest())
