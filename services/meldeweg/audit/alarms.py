"""Alarms: what an auditor must look at. Recorded in the transaction that noticed it.

Guarantees: the same alarm about the same subject is one row that counts; it stays until a named
person resolved it. `detail` is free of content.
"""

from meldeweg.audit.database import Cursor
from meldeweg.kernel import logs, metrics
from meldeweg.kernel.clock import Clock

log = logs.get()
_alarms = metrics.counter("audit_alarms", "Alarms raised, by code", "code")

CODES = {
    "offset-gap": "Offsets of a topic are missing; this topic is no longer audited.",
    "offset-forked": "An offset was read again with other bytes.",
    "log-start-beyond": "The broker deleted records before they were audited.",
    "topic-shorter": "A topic ends before the offset that was audited last.",
    "topic-recreated": "A topic's name came back with another id.",
    "topic-vanished": "A topic that was audited is gone.",
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
