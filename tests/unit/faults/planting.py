"""Plants what must never be: changes of a legal run's evidence, each of one thing."""

from dataclasses import replace

from faults.checker import judge
from faults.evidence import Entry, Phase, PutBack, Seen
from unit.faults.legal import END, POLICE, Run, Said


def kinds(evidence):
    return {finding.kind for finding in judge(evidence)}


def only(evidence, kind):
    """Judge it; all findings must be of that kind. Returns them."""
    found = judge(evidence)
    assert {finding.kind for finding in found} == {kind}, found
    return found


def with_store(evidence, agency, **changes):
    """Return the evidence with another store: each change maps a tuple of rows to another.

    Of what was sent there, watch was not asked then: what it must show is for test_watched.
    """
    store = evidence.stores[agency]
    changed = {name: tuple(change(getattr(store, name))) for name, change in changes.items()}
    watch = {} if "sent" in changes else evidence.watch
    stores = {**evidence.stores, agency: replace(store, **changed)}
    return replace(evidence, stores=stores, watch=watch)


def without(n):
    return lambda rows: [row for i, row in enumerate(rows) if i != n]


def changed(n, **more):
    return lambda rows: [replace(row, **more) if i == n else row for i, row in enumerate(rows)]


def put_back(evidence, agency, copied, back):
    return replace(evidence, restored=frozenset({PutBack(agency, copied, back)}))


def not_logged(evidence, gone):
    return replace(evidence, log=tuple(seen for seen in evidence.log if not gone(seen)))


def heard_at(evidence, at):
    """Return the evidence in which every `delivered` reached the broker at that moment."""
    topics = tuple(replace(s, at=at) if s.what == "delivered" else s for s in evidence.topics)
    return replace(evidence, topics=topics)


def shown_reversed():
    """Return a run in which the first of three waited in parking, and was shown the last."""
    parked = Run([Said(parked=1), Said(), Said()]).evidence()
    history = tuple(
        replace(e, items=((POLICE, "id-1"), (POLICE, "id-2"), (POLICE, "id-0")))
        if (POLICE, "id-0") in e.items
        else replace(e, items=())
        for e in parked.history
    )
    return replace(parked, history=history)


def untold(evidence, agency, what, n=0):
    """Return the evidence in which that end never told so of the police's n-th message."""
    digest = evidence.stores[POLICE].sent[n].digest
    gone = not_logged(evidence, lambda s: (s.sender, s.what, s.digest) == (agency, what, digest))
    assert gone != evidence
    return replace(gone, topics=())


def alarm(evidence, n, at=END, **more):
    """Return the evidence with `not-delivered` told of the police's n-th message."""
    row = evidence.stores[POLICE].sent[n]
    told = Seen(
        topic=f"events.{POLICE}",
        topic_id=f"events.{POLICE}#1",
        offset=800,
        leaf="a" * 64,
        at=at,
        kind="event",
        sender=POLICE,
        id="told",  # one event, however often it is produced
        what="alarm",
        code="not-delivered",
        digest=row.digest,
        urgency=row.urgency,
        exercise=False,
    )
    told = replace(told, **more)
    return replace(evidence, log=(*evidence.log, told), topics=(*evidence.topics, told))


def asked(evidence, call, agency, name, op=9900):
    """Return the evidence in which a person there asked for it, and nobody knows how it ended."""
    sender, message = name
    entry = Entry(
        at=END - 300,
        op=op,
        phase=Phase.INVOKED,
        call=call,
        agency=agency,
        sender=sender,
        id=message,
    )
    return replace(evidence, history=(*evidence.history, entry))


def taken_back(evidence, message, by):
    """Return the evidence in which the message with the key `by` is a retraction of the other.

    Its sender tells so, and who has the other is shown by what; no state is changed.
    """
    history = tuple(replace(e, retracts=message) if e.key == by else e for e in evidence.history)
    assert history != evidence.history
    sender = next(e.agency for e in history if e.key == by)
    rows = {row.id: row for row in evidence.stores[sender].sent}
    named = [row for row in rows.values() if message in (row.id, row.linked_to)]
    told = tuple(
        Seen(
            topic=f"events.{sender}",
            topic_id=f"events.{sender}#1",
            offset=700 + n,
            leaf=f"{n:x}" * 64,
            kind="event",
            sender=sender,
            what="retracted",
            digest=row.digest,
        )
        for n, row in enumerate(named)
    )
    ids = {row.id for row in named}
    stores = {
        agency: replace(
            store,
            received=tuple(
                replace(row, retracted_by=by)
                if (row.sender, row.id) in {(sender, i) for i in ids}
                else row
                for row in store.received
            ),
        )
        for agency, store in evidence.stores.items()
    }
    return replace(evidence, history=history, stores=stores, log=(*evidence.log, *told))


def forgotten(evidence, agency, *ids):
    """Return the evidence in which that store has none of these, and its people were told none."""
    gone = {
        e.op
        for e in evidence.history
        if e.call in ("open", "acknowledge", "refuse") and e.id in ids
    }
    history = tuple(
        replace(e, items=tuple(item for item in e.items if item[1] not in ids))
        for e in evidence.history
        if e.op not in gone or e.phase is Phase.INVOKED
    )
    left = with_store(evidence, agency, received=lambda rows: [r for r in rows if r.id not in ids])
    return replace(left, history=history)
