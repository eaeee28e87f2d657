"""Judges a run offline, from what it left behind: what must never be, whatever was broken.

Guarantees: pure; a finding names one violation; a call whose answer got lost counts as both done
and not done. Trusts: the evidence to be whole; `revoked`, `restored` to be what the faults did.

What is excused, and from which evidence, stands beside each excuse. Nothing else is.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from faults import order
from faults.evidence import Evidence, Finding, Kind, Phase
from faults.facts import Facts, Message, Name
from faults.turned_away import turned_away

SLACK = 30.0  # seconds in which an overdue message must have been noticed
_ARRIVED = frozenset({"delivered", "acknowledged", "retracted"})
_UNTIL_THEN = frozenset({"queued", "sent", "overdue"})
# What the recipient's state must have made of the sender's. Overdue ends with a person's word.
_AFTER = {
    "received": {"delivered", "overdue", "retracted"},
    "opened": {"delivered", "overdue", "retracted"},
    "acknowledged": {"acknowledged", "retracted"},
    "refused": {"refused", "retracted"},
    "retracted": {"retracted"},
    "erased": {"delivered", "overdue", "acknowledged", "refused", "retracted"},
}


def judge(evidence: Evidence) -> list[Finding]:
    """Return every violation, sorted; none: nothing was lost, hidden, read or told twice."""
    facts = Facts(evidence)
    found = {
        *_accepted(facts),
        *_unexplained(facts),
        *_ended(facts),
        *turned_away(facts),
        *_strangers(facts),
        *_people(facts),
        *_inboxes(facts),
        *order.disordered(facts),
        *_readable(facts),
        *_audited(facts),
        *_looks(facts),
        *_recorded(facts),
        *_doubted(facts),
        *_waiting(facts),
        *_let_go(facts),
        *_loud(facts),
        *(Finding(Kind.PLAINTEXT, path, "holds a word of a content") for path in evidence.marked),
    }
    return sorted(found)


def _doubted(facts: Facts) -> Iterator[Finding]:
    """A gateway that finds its own records otherwise in the log, or two logs, has said so there."""
    for seen in facts.evidence.log:
        if seen.what == "alarm" and seen.code in ("log-differs", "log-forked"):
            yield Finding(Kind.UNAUDITED, f"{seen.sender}", f"its gateway says {seen.code}")


def _accepted(facts: Facts) -> Iterator[Finding]:
    """What was answered 201 is in the store, once, for whom it was meant."""
    rows = {m.name: m.row for m in facts.messages}
    for sending in facts.sendings.values():
        if len(sending.ids) > 1:
            yield Finding(Kind.DUPLICATED, sending.label, "one key, several messages")
        for each in sorted(sending.ids):
            row = rows.get((sending.agency, each))
            if row is None:
                if not facts.restored(sending.agency):  # the older copy lacks it
                    yield Finding(Kind.LOST, each, "answered 201, and not in the sender's store")
            elif sending.to not in (None, row.recipient):
                yield Finding(Kind.MISDELIVERED, each, f"for {sending.to}, kept for another")


def _unexplained(facts: Facts) -> Iterator[Finding]:
    """What is in the store beyond that can be nothing but tries whose answer got lost, once each.

    A store that was put back may lack the key, so a second try makes a second message.
    """
    beyond = Counter(
        m.name[0] for m in facts.messages if m.sending is None and m.row.linked_to is None
    )
    unheard = Counter(s.agency for s in facts.sendings.values() if s.open and not s.ids)
    for agency, count in beyond.items():
        if count > unheard[agency] and not facts.restored(agency):
            why = f"{count} messages that no answer names, {unheard[agency]} tries without one"
            yield Finding(Kind.DUPLICATED, agency, why)


def _ended(facts: Facts) -> Iterator[Finding]:
    """Each message arrived, or came back loudly (why: `turned_away`); and both ends agree."""
    for message in facts.messages:
        sender, row, arrived = message.name[0], message.row, message.arrived
        if facts.excused(sender):
            continue  # what a revoked agency's gateway still took never leaves it
        if arrived is None:
            told = "delivered" in row.steps
            if told or (row.state in _ARRIVED and not _came_back(row.steps)):
                yield Finding(Kind.LOST, message.label, f"{row.state}, and not at the recipient")
            elif row.state in _UNTIL_THEN:
                yield Finding(Kind.STUCK, message.label, f"still {row.state}")
        elif row.state not in _after(facts, message) and not facts.excused(row.recipient):
            why = f"{arrived.state} at the recipient, {row.state} at the sender"
            yield Finding(Kind.STUCK, message.label, why)


def _after(facts: Facts, message: Message) -> set[str]:
    """Return the states that the sender may be in; its recipient's older copy may lack a word."""
    assert message.arrived is not None
    if facts.restored(message.row.recipient) or _took_back_unknowing(facts, message):
        return set().union(*_AFTER.values())
    return _AFTER[message.arrived.state]


def _took_back_unknowing(facts: Facts, message: Message) -> bool:
    """Say whether the retraction may be one of those that arrived and its sender's copy lacks."""
    sender, there = message.name[0], facts.received[message.row.recipient]
    assert message.arrived is not None
    if message.arrived.state != "retracted" or not facts.restored(sender):
        return False
    known = {each.name for each in facts.messages}
    return any(name[0] == sender and name not in known for name in there)


def _came_back(steps: tuple[str, ...]) -> bool:
    """Say whether it was given back loudly before it was retracted."""
    return not {"refused", "undeliverable"}.isdisjoint(steps)


def _strangers(facts: Facts) -> Iterator[Finding]:
    """Nobody has a message that is not theirs, or that nobody sent."""
    rows = {m.name: m.row for m in facts.messages}
    for agency, received in facts.received.items():
        for name, there in received.items():
            row, sending = rows.get(name), facts.by_id.get(name)
            named = sending.to if sending and sending.to else row.recipient if row else None
            if named is not None and named != agency:
                yield Finding(Kind.MISDELIVERED, there.id, f"for {named}, received by {agency}")
            elif named is None and not facts.restored(name[0]):
                yield Finding(Kind.INVENTED, there.id, f"at {agency}, and {name[0]} never took it")
            if row is not None and row.digest != there.digest:
                yield Finding(Kind.INVENTED, there.id, "not the bytes that were sealed")


def _people(facts: Facts) -> Iterator[Finding]:
    """A person's word that was answered stands, and is given once."""
    became = {"acknowledge": "acknowledged", "refuse": "refused"}
    for (call, agency, name), ends in facts.calls.items():
        row = facts.received.get(agency, {}).get(name)
        if facts.restored(agency) or not any(e.phase is Phase.OK for e in ends):
            continue
        if row is None:
            yield Finding(Kind.LOST, name[1], f"{call} was answered, the message is gone")
        elif call in became and not {became[call], "erased"} & {row.state, *row.steps}:
            yield Finding(Kind.LOST, name[1], f"{call} was answered, the message is {row.state}")
    given = defaultdict(set)
    for seen in facts.evidence.log:
        once = seen.kind == "receipt" and seen.what in ("acknowledged", "erased")
        if once and seen.sender and not facts.restored(seen.sender):
            given[seen.sender, seen.of, seen.what].add(seen.digest)
    for (agency, of, what), digests in given.items():
        if len(digests) > 1:
            yield Finding(Kind.DUPLICATED, str(of), f"{agency} said {what} {len(digests)} times")


def _inboxes(facts: Facts) -> Iterator[Finding]:
    """Who pulls with a cursor sees each message, and each once."""
    shown: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for entry in facts.evidence.history:
        if entry.call == "pull" and entry.phase is Phase.OK:
            shown[entry.agency].update(entry.items)
    for agency, counts in shown.items():
        for name, count in counts.items():
            if count > 1 and not facts.restored(agency):  # what the copy lacks may come again
                yield Finding(Kind.DUPLICATED, name[1], f"shown {count} times by {agency}")
        for name in facts.received.get(agency, {}).keys() - counts.keys():
            yield Finding(Kind.LOST, name[1], f"stored by {agency}, never shown in its inbox")


def _readable(facts: Facts) -> Iterator[Finding]:
    """Who received it can open it, and finds what was sent; no content comes twice."""
    sent = {name: s.content for name, s in facts.by_id.items() if s.content is not None}
    explained = {sending.content: sending for sending in facts.sendings.values()}
    ids = defaultdict(set)
    for (call, agency, name), ends in facts.calls.items():
        if call != "open":
            continue
        seen = {e.content for e in ends if e.phase is Phase.OK}
        row = facts.received.get(agency, {}).get(name)
        gone = row is None or row.state == "erased"
        if not seen and not gone:
            codes = ", ".join(sorted({str(e.code) for e in ends}))
            yield Finding(Kind.UNREADABLE, name[1], f"by {agency}: {codes}")
        for content in seen:
            known = explained.get(content)
            if content != sent.get(name, content) or (known is None and _owed(facts, name)):
                yield Finding(Kind.UNREADABLE, name[1], "opened, and not what was sent")
            elif known is not None and known.to != agency:
                yield Finding(Kind.MISDELIVERED, name[1], f"opened by {agency}")
            ids[content].add(name)
    for content, names in ids.items():
        if len(names) > 1 and not any(facts.restored(sender) for sender, _ in names):
            both = ", ".join(sorted(each for _, each in names))
            yield Finding(Kind.DUPLICATED, str(content)[:12], f"one content, messages {both}")


def _owed(facts: Facts, name: Name) -> bool:
    """Say whether the history must know this message's content: not of a fault's own message."""
    sending = facts.by_id.get(name)
    return sending.content is not None if sending else name[0] not in facts.strangers


def _audited(facts: Facts) -> Iterator[Finding]:
    """Each transfer and each person's receipt is in the log, and the log proves itself."""
    for problem in facts.evidence.log_problems:
        yield Finding(Kind.UNAUDITED, "log", problem)
    for agency, received in facts.received.items():
        for name, row in received.items():
            if row.digest not in facts.logged:
                yield Finding(Kind.UNAUDITED, name[1], f"received by {agency}, not in the log")
            spoke = row.state in ("acknowledged", "refused") and not facts.excused(agency, name[0])
            if spoke and (agency, row.digest, row.state) not in facts.receipts:
                yield Finding(Kind.UNAUDITED, name[1], f"{row.state}: not in the log")
    for message in facts.messages:
        produced = "sent" in message.row.steps and message.arrived is None
        if produced and message.row.digest not in facts.logged:
            yield Finding(Kind.UNAUDITED, message.label, "the broker had it, not in the log")


def _looks(facts: Facts) -> Iterator[Finding]:
    """Each look of a person is in the log."""
    for (call, agency, name), ends in facts.calls.items():
        row = facts.received.get(agency, {}).get(name)
        looks = sum(e.phase is Phase.OK for e in ends)
        if call != "open" or row is None or facts.excused(agency) or facts.restored(agency):
            continue
        told = facts.events.get((agency, "opened", row.digest), 0)
        if looks > told:
            yield Finding(Kind.UNAUDITED, name[1], f"{looks} looks by {agency}, {told} in the log")


def _recorded(facts: Facts) -> Iterator[Finding]:
    """Each record that the broker has lies in the log with the same bytes."""
    places = {(s.topic_id, s.offset): s.leaf for s in facts.evidence.log}
    for seen in facts.evidence.topics:
        where = f"{seen.topic}/{seen.offset}"
        leaf = places.get((seen.topic_id, seen.offset))
        if leaf is None:
            yield Finding(Kind.UNAUDITED, where, "on the topic, not in the log")
        elif leaf != seen.leaf:
            yield Finding(Kind.UNAUDITED, where, "the log has other bytes")


def _waiting(facts: Facts) -> Iterator[Finding]:
    """Nothing waits any more, once all is healed and patience was had."""
    for agency, store in facts.evidence.stores.items():
        if facts.excused(agency):
            continue
        ends = tuple(f".{each}" for each in facts.evidence.revoked)
        gone = tuple(f"inbox.{each}." for each in facts.evidence.revoked)
        for row in store.outbox:
            # Receipts to an agency that was revoked can't leave either.
            if not row.produced and not row.topic.startswith(gone):
                yield Finding(Kind.STUCK, row.ref or row.topic, f"unproduced in {agency}'s outbox")
        for aside in store.parked:
            if not aside.topic.endswith(ends):
                where = f"{aside.topic}/{aside.offset}"
                yield Finding(Kind.STUCK, where, f"parked by {agency}: {aside.code}")


def _let_go(facts: Facts) -> Iterator[Finding]:
    """An outbox lets go of what is delivered and in the log: of all that, and of nothing else."""
    logged = {seen.digest for seen in facts.evidence.log if seen.kind in ("message", "receipt")}
    for agency, store in facts.evidence.stores.items():
        if facts.excused(agency):
            continue
        for row in store.outbox:
            about = row.ref or f"{row.topic} row {row.seq}"
            done = row.kind == "event" or (row.kind == "message" and row.settled)
            if row.included and done:
                yield Finding(Kind.STUCK, about, f"delivered, logged, and kept by {agency}")
            if row.included and row.ref and row.ref not in logged:
                yield Finding(Kind.UNAUDITED, about, f"{agency} takes it for logged")
            since = None if row.included or not row.produced else row.appended
            if since is not None and facts.evidence.at > since + SLACK:
                yield Finding(Kind.STUCK, about, f"not found in the log by {agency}")
        kept = {row.ref for row in store.outbox}
        for sent in store.sent:
            if "sent" in sent.steps and sent.digest not in kept | logged:
                yield Finding(Kind.UNAUDITED, sent.id, f"let go by {agency}, not in the log")


def _loud(facts: Facts) -> Iterator[Finding]:
    """An `immediate` message that does not get through is told to people, at the end that knows."""
    for message in facts.messages:
        if message.row.urgency == "immediate" and not facts.excused(message.name[0]):
            why = _silence(facts, message)
            if why:
                yield Finding(Kind.SILENT, message.label, why)


def _silence(facts: Facts, message: Message) -> str | None:
    (sender, _), row, there = message.name, message.row, message.arrived
    alarmed = facts.told(sender, "alarm", row.digest)
    late = facts.evidence.at > row.ack_by + SLACK
    aside = any(facts.told(row.recipient, what, row.digest) for what in ("parked", "quarantined"))
    waits = there is not None and there.state in ("received", "opened")
    silences = {
        "put aside by the recipient without an alarm": aside
        and not facts.told(row.recipient, "alarm", row.digest),
        f"{row.state}, and nobody at the sender was told": not alarmed
        and row.state in ("queued", "sent", "refused"),
        "undeliverable, and nobody at the sender was told": row.state == "undeliverable"
        and not facts.told(sender, "undeliverable", row.digest),
        "past its deadline, and not overdue at the sender": late
        and row.state in ("queued", "sent", "delivered"),
        "past its deadline, and not overdue at the recipient": late
        and waits
        and not (there and there.overdue),
    }
    return next((why for why, silent in silences.items() if silent), None)
