"""Alarms: what an auditor must look at. Recorded in the transaction that noticed it.

Guarantees: the same alarm about the same subject is one row that counts; it stays until a named
person resolved it. `detail` is free of content.
"""

from dataclasses import dataclass

from meldeweg.audit.database import Cursor
from meldeweg.kernel import logs, metrics
from meldeweg.kernel.clock import Clock

log = logs.get()
_alarms = metrics.counter("audit_alarms", "Alarms raised, by code", "code")

CODES = {
    "offset-gap": "Offsets of a topic are missing; it stands still until a person lets it go on.",
    "offset-forked": "An offset was read again with other bytes.",
    "log-start-beyond": "The broker deleted records before they were audited.",
    "topic-shorter": "A topic ends before the offset that was audited last.",
    "topic-recreated": "A topic's name came back with another id.",
    "topic-vanished": "A topic that was audited is gone, or the right to read it.",
    "foreign-note": "A note on audit.checkpoints was not signed by this log.",
    "checkpoints-shorter": "audit.checkpoints ends before what was published there.",
}


def record(cursor: Cursor, clock: Clock, code: str, subject: str, detail: str) -> None:
    """Raise or repeat an alarm; `subject` is a topic's name or the log's origin."""
    assert code in CODES
    now = clock.now()
    cursor.execute(
        """
        INSERT INTO alarm (code, subject, detail, first_at, last_at) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (code, subject) WHERE resolved_at IS NULL
        DO UPDATE SET last_at = excluded.last_at, detail = excluded.detail, count = alarm.count + 1
        """,
        (code, subject, detail, now, now),
    )
    _alarms.labels(code).inc()
    log.error("audit_alarm", code=code, topic=subject)


def resolve(cursor: Cursor, clock: Clock, subject: str, by: str) -> None:
    """Close the open alarms about `subject`; `by`: who decided, and why."""
    cursor.execute(
        "UPDATE alarm SET resolved_at = %s, resolved_by = %s "
        "WHERE subject = %s AND resolved_at IS NULL",
        (clock.now(), by, subject),
    )


def resolve_one(cursor: Cursor, clock: Clock, alarm: int, by: str) -> None:
    """Close one alarm; `by` as above."""
    cursor.execute(
        "UPDATE alarm SET resolved_at = %s, resolved_by = %s WHERE id = %s",
        (clock.now(), by, alarm),
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided. `was`, `now`: the offset that came next, before and after it."""

    kind: str  # resume | resolve
    subject: str
    code: str
    by: str
    reason: str
    was: int | None = None
    now: int | None = None


def decided(cursor: Cursor, clock: Clock, decision: Decision) -> None:
    """Put a decision on record, in the transaction of its effect."""
    cursor.execute(
        "INSERT INTO decision (at, kind, subject, code, was, now, by, reason)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            clock.now(),
            decision.kind,
            decision.subject,
            decision.code,
            decision.was,
            decision.now,
            decision.by,
            decision.reason,
        ),
    )
