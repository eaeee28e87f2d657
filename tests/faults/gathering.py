"""Gathers the evidence of a run: history, stores, topics, the exported log, verified offline.

Guarantees: stores are read from their files, topics by the broker's super user, the log as anybody
could who has an export; no service is asked what it believes. Trusts that nobody writes any more;
where somebody does, a later gathering tells it right.
"""

import asyncio
import base64
import json
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from e2e.stage import District
from faults import counts, watched
from faults.due import Due
from faults.evidence import (
    Aside,
    Entry,
    Evidence,
    OutRow,
    ReceivedRow,
    Seen,
    SentRow,
    StoreDump,
)
from meldeweg.audit import verify
from meldeweg.audit.sources import open_source
from meldeweg.gateway.store.database import FILE
from meldeweg.gateway.store.headers import unpack
from meldeweg.kernel import event, signing, statement
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import MeldewegError
from meldeweg.kernel.event import Event
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.leaf import GENESIS, leaf_of_record, parse_leaf
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.statement import STATEMENT_HEADER

_EXCHANGE = ("inbox.", "events.")  # what the audit reads
_LAG = 20.0  # seconds that the log may be behind a topic
_AGAIN = 0.5  # seconds between two exports
_READ = 90.0  # seconds to read all topics in

Timelines = dict[int, list[tuple[str, float]]]  # number of a message → its steps, each with when


def gather(district: District, history: tuple[Entry, ...], into: Path, **told: Any) -> Evidence:
    """Read everything; the export of the log is left in `into`. `told`: what the faults did.

    Gateways go on telling events and heartbeats meanwhile. So it is read in the order in which
    things come to be, the log last and as soon as it has what the topics had; and what waits in a
    store is what still waits there afterwards. Raises Unavailable when broker or audit can't be
    asked.
    """
    at = SystemClock().now().timestamp()  # deadlines are judged as of what the stores say
    before = stores(district)
    topics = tuple(_of_topic(record) for record in _records(district))
    log, problems = _log_with(district, into, {(s.topic_id, s.offset) for s in topics})
    after = stores(district)
    return Evidence(
        history=history,
        stores={agency: _still_waiting(before[agency], after[agency]) for agency in before},
        topics=topics,
        log=log,
        log_problems=problems,
        at=at,
        watch=watched.ask(district),
        **told,
    )


def stores(district: District) -> dict[AgencyId, StoreDump]:
    """Read every gateway's store."""
    due = Due(district.plan)
    return {a: store(e.store / FILE, due) for a, e in district.described.agencies.items()}


def at_rest(district: District) -> bool:
    """Say whether no store has a message or receipt under way: a cheap look, and no judgement."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE produced_at IS NULL AND kind != 'event')"
        " OR EXISTS (SELECT 1 FROM sent WHERE state IN ('queued', 'sent'))"
        " OR EXISTS (SELECT 1 FROM parked)"
    )
    for entry in district.described.agencies.values():
        path = (entry.store / FILE).as_uri()
        with closing(sqlite3.connect(f"{path}?mode=ro", uri=True, timeout=10)) as db:
            if db.execute(query).fetchone()[0]:
                return False
    return True


def _still_waiting(before: StoreDump, after: StoreDump) -> StoreDump:
    """Return the first, where only those rows wait that wait in the second, too."""
    later = {row.seq: row for row in after.outbox}
    outbox = tuple(
        replace(later[row.seq], produced=row.produced or later[row.seq].produced)
        for row in before.outbox
        if row.seq in later
    )
    parked = tuple(row for row in before.parked if row in after.parked)
    return replace(before, outbox=outbox, parked=parked)


def _log_with(
    district: District, into: Path, places: set[tuple[str, int]]
) -> tuple[tuple[Seen, ...], tuple[str, ...]]:
    """Export the log until it has these places; after `_LAG` whatever it has."""
    until = time.monotonic() + _LAG
    while True:
        shutil.rmtree(into, ignore_errors=True)
        log, problems = _log(district, into)
        if places <= {(s.topic_id, s.offset) for s in log} or time.monotonic() > until:
            return log, problems
        time.sleep(_AGAIN)


# -- stores ---------------------------------------------------------------------------------------


def store(path: Path, due: Due | None = None) -> StoreDump:
    """Read a gateway's store as of its last commit; `due`: what the district agreed."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as db:
        db.row_factory = sqlite3.Row
        db.execute("BEGIN")  # one moment for all tables
        out, back = _timelines(db, "sent"), _timelines(db, "received")
        return StoreDump(
            sent=tuple(_sent(r, out, due) for r in db.execute("SELECT * FROM sent ORDER BY n")),
            received=tuple(
                _received(r, back) for r in db.execute("SELECT * FROM received ORDER BY seq")
            ),
            outbox=tuple(map(_out, db.execute("SELECT * FROM outbox ORDER BY seq"))),
            parked=tuple(map(_aside, db.execute("SELECT * FROM parked ORDER BY seq"))),
            quarantined=tuple(map(_aside, db.execute("SELECT * FROM quarantine ORDER BY seq"))),
            counts=counts.of_store(db),
        )


def _timelines(db: sqlite3.Connection, table: str) -> Timelines:
    """Return the timeline of each message in order; `table`: sent or received."""
    found: Timelines = {}
    query = f"SELECT {table}, kind, at FROM {table}_timeline ORDER BY {table}, n"
    for name, kind, at in db.execute(query):
        found.setdefault(name, []).append((kind, _seconds(at)))
    return found


def _first(steps: list[tuple[str, float]], *kinds: str) -> float | None:
    return min((at for kind, at in steps if kind in kinds), default=None)


def _sent(row: sqlite3.Row, timelines: Timelines, due: Due | None) -> SentRow:
    steps, created = timelines.get(row["n"], []), _seconds(row["created"])
    return SentRow(
        id=row["id"],
        recipient=AgencyId(row["recipient"]),
        digest=row["digest"],
        urgency=row["urgency"],
        ack_by=_seconds(row["ack_by"]),
        state=row["state"],
        linked_to=row["linked_to"],
        created=created,
        exercise=bool(row["exercise"]),
        due=due.of(created, row["urgency"]) if due else frozenset(),
        delivered=_first(steps, "delivered"),
        ended=_first(steps, "acknowledged", "refused", "retracted", "undeliverable"),
        delete_after=_day(row["delete_after"]),
        steps=tuple(kind for kind, _ in steps),
    )


def _received(row: sqlite3.Row, timelines: Timelines) -> ReceivedRow:
    steps = timelines.get(row["seq"], [])
    return ReceivedRow(
        seq=row["seq"],
        id=row["id"],
        sender=AgencyId(row["sender"]),
        digest=row["digest"],
        urgency=row["urgency"],
        ack_by=_seconds(row["ack_by"]),
        state=row["state"],
        topic=row["topic"],
        offset=row["topic_offset"],
        delete_after=_day(row["delete_after"]),
        overdue=row["overdue_at"] is not None,
        came=_seconds(row["received_at"]),
        ended=_first(steps, "acknowledged", "refused", "retracted", "expired"),
        erased=_first(steps, "erased", "expired"),
        retracted_by=row["retracted_by"],
        steps=tuple(kind for kind, _ in steps),
    )


def _out(row: sqlite3.Row) -> OutRow:
    return OutRow(
        row["seq"],
        row["topic"],
        row["kind"],
        row["ref"],
        produced=row["produced_at"] is not None,
        settled=row["settled_at"] is not None,
        included=row["included_at"] is not None,
        appended=row["appended"] / 1000 if row["appended"] else None,
    )


def _aside(row: sqlite3.Row) -> Aside:
    """Its offset alone would not name it: a topic that was made again has the same ones."""
    token = dict(unpack(row["headers"])).get(STATEMENT_HEADER) if row["headers"] else None
    return Aside(row["topic"], row["topic_offset"], row["code"], _said(token).get("digest"))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _day(text: str) -> float:
    """Return when a day begins, as a gateway counts them."""
    return _seconds(f"{text}T00:00:00Z")


# -- topics and log -------------------------------------------------------------------------------


def _records(district: District) -> list[Record]:
    return asyncio.run(read_all(district.super_user(), prefixes=_EXCHANGE, timeout=_READ))


def _of_topic(record: Record) -> Seen:
    leaf = leaf_of_record(
        record.topic_id.bytes, record.offset, record.key, record.headers, record.value
    )
    return Seen(
        topic=record.topic,
        topic_id=str(record.topic_id),
        offset=record.offset,
        leaf=leaf.encode().hex(),
        at=record.timestamp / 1000,
        **_said(record.header(STATEMENT_HEADER)),
    )


def _log(district: District, into: Path) -> tuple[tuple[Seen, ...], tuple[str, ...]]:
    """Export, then read and verify nothing but the export."""
    district.log(into)
    with open_source(str(into)) as source:
        report = verify.verify(source)
    problems = [*report.broken, *report.missing]
    lines = (into / "leaves.jsonl").read_bytes().splitlines()
    found = tuple(filter(None, map(_of_line, map(json.loads, lines))))
    return found, tuple(f"{p.code} {p.where} {p.detail}".strip() for p in problems)


def _of_line(line: dict[str, Any]) -> Seen | None:
    raw = base64.b64decode(line["leaf"])
    leaf = parse_leaf(raw)
    if leaf.kind == GENESIS:
        return None
    token = line.get("statement")
    return Seen(
        topic=line["topic"],
        topic_id=_uuid(raw[8:24]),
        offset=leaf.offset,
        leaf=raw.hex(),
        **_said(token.encode() if isinstance(token, str) else None),
    )


def _uuid(raw: bytes) -> str:
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _said(token: bytes | None) -> dict[str, Any]:
    """Return what a statement says of itself; nothing where it can't be read."""
    if token is None:
        return {}
    try:
        if signing.typ_of(token) is Typ.STATEMENT:
            return _of_statement(statement.parse(token))
        told = event.parse(token).body
    except MeldewegError:  # poison is logged as well
        return {}
    if not isinstance(told, Event):
        said = {"sender": told.agency, "said": told.at.timestamp()}
        return {"kind": "heartbeat", "counts": counts.of_heartbeat(told), **said}
    return {
        "kind": "event",
        "sender": told.agency,
        "id": told.id,
        "digest": told.message,
        "what": told.kind.value,
        "code": told.code,
        "partner": told.partner,
        "exercise": told.exercise,
        "urgency": told.urgency and told.urgency.value,
        "by": told.actor_ref,
        "said": told.at.timestamp(),
    }


def _of_statement(found: statement.Statement) -> dict[str, Any]:
    context = found.context
    said = {
        "kind": context.kind,
        "sender": context.sender,
        "to": context.to,
        "id": context.id,
        "digest": found.digest,
    }
    if context.receipt is not None:
        receipt = context.receipt
        said |= {"of": receipt.of, "what": receipt.kind.value, "code": receipt.code}
    return said
