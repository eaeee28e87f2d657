"""Judges a run offline, from what it left behind: what must never be, whatever was broken.

Guarantees: pure; a finding names one violation; a call whose answer got lost counts as both done
and not done. Trusts: the evidence to be whole; `revoked`, `restored`, `expired` to be what the
faults did.
What a store that was put back excuses is asked for each message and moment (`undone`).

What is excused, and from which evidence, stands beside each excuse. Nothing else is.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from faults import (
    alarms,
    asked,
    beats,
    carried,
    clocks,
    erased,
    late,
    linked,
    members,
    order,
    promised,
    repeated,
    strayed,
    taken_back,
    told,
    watched,
    whose,
    words,
)
from faults.alarms import SLACK
from faults.evidence import Evidence, Finding, Kind, Phase
from faults.facts import Facts, Message, Name
from faults.turned_away import turned_away
from faults.undone import Undone
from meldeweg.kernel.ids import AgencyId

_ARRIVED = frozenset({"delivered", "acknowledged", "retracted"})
_UNTIL_THEN = frozenset({"queued", "sent", "overdue"})
# What the recipient's state must have made of the sender's. Overdue ends with a person's word.
_AFTER = {
    "received": {"delivered", "overdue", "retracted"},
    "opened": {"delivered", "overdue", "retracted"},
    "acknowledged": {"acknowledged", "retracted"},
    "refused": {"refused", "retracted"},
    "retracted": {"retracted"},
}


def judge(evidence: Evidence) -> list[Finding]:
    """Return every violation, sorted; none: nothing was lost, hidden, read or told twice."""
    facts = Facts(evidence)
    undone = Undone(facts)
    found = {
        *_accepted(facts, undone),
        *_unexplained(facts),
        *linked.copies(facts, undone),
        *linked.unmade(facts),
        *taken_back.without_effect(facts),
        *asked.changed(facts),
        *members.otherwise(facts),
        *promised.otherwise(facts),
        *told.otherwise(facts, undone),
        *_ended(facts, undone),
        *carried.carried(facts, undone),
        *turned_away(facts),
        *_strangers(facts, undone),
        *strayed.strayed(facts),
        *_people(facts, undone),
        *words.said_again(facts, undone),
        *whose.unasked(facts),
        *_inboxes(facts, undone),
        *order.disordered(facts, undone),
        *_readable(facts, undone),
        *erased.lost(facts),
        *_audited(facts),
        *_looks(facts, undone),
        *_recorded(facts),
        *_doubted(facts),
        *_waiting(facts),
        *_let_go(facts),
        *alarms.silent(facts),
        *alarms.false(facts),
        *alarms.early(facts),
        *late.unheeded(facts),
        *clocks.unwarned(facts),
        *repeated.unlike(facts),
        *repeated.told_again(facts, undone),
        *watched.otherwise(facts, undone),
        *beats.ceased(facts),
        *beats.otherwise(facts, undone),
        *(Finding(Kind.PLAINTEXT, path, "holds a word of a content") for path in evidence.marked),
    }
    return sorted(found)


def _doubted(facts: Facts) -> Iterator[Finding]:
    """A gateway that finds its own records otherwise in the log, or two logs, has said so there."""
    for seen in facts.evidence.log:
        if seen.what == "alarm" and seen.code in ("log-differs", "log-forked"):
            yield Finding(Kind.UNAUDITED, f"{seen.sender}", f"its gateway says {seen.code}")


def _accepted(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """What was answered 201 is in the store, once, for whom it was meant."""
    for sending in facts.sendings.values():
        if len(sending.ids) > 1:
            yield Finding(Kind.DUPLICATED, sending.label, "one key, several messages")
        for each in sorted(sending.ids):
            row = facts.rows.get((sending.agency, each))
            if row is None:
                if not undone.sent((sending.agency, each)):  # the older copy lacks it
                    yield Finding(Kind.LOST, each, "answered 201, and not in the sender's store")
            elif sending.to not in (None, row.recipient):
                yield Finding(Kind.MISDELIVERED, each, f"for {sending.to}, kept for another")


def _unexplained(facts: Facts) -> Iterator[Finding]:
    """What is in the store beyond that can be nothing but tries whose answer got lost, once each.

    A store that was put back excuses none: it forgets a message and its key together.
    """
    beyond = Counter(
        m.name[0] for m in facts.messages if m.sending is None and m.row.linked_to is None
    )
    unheard = Counter(s.agency for s in facts.sendings.values() if s.open and not s.ids)
    for agency, count in beyond.items():
        if count > unheard[agency]:
            why = f"{count} messages that no answer names, {unheard[agency]} tries without one"
            yield Finding(Kind.DUPLICATED, agency, why)


def _ended(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Each message arrived, or came back loudly (why: `turned_away`); and both ends agree."""
    for message in facts.messages:
        sender, row, arrived = message.name[0], message.row, message.arrived
        told = "delivered" in row.steps  # its recipient's own word: no revocation unsays it
        if facts.excused(sender) and not (told and arrived is None):
            continue  # what a revoked agency's gateway still took never leaves it
        if arrived is None:
            if told or (row.state in _ARRIVED and not _came_back(row.steps)):
                yield Finding(Kind.LOST, message.label, f"{row.state}, and not at the recipient")
            elif row.state in _UNTIL_THEN:
                yield Finding(Kind.STUCK, message.label, f"still {row.state}")
        elif row.state not in _after(facts, undone, message) and not facts.excused(row.recipient):
            why = f"{arrived.state} at the recipient, {row.state} at the sender"
            yield Finding(Kind.STUCK, message.label, why)


def _after(facts: Facts, undone: Undone, message: Message) -> set[str]:
    """Return the states that the sender may be in; its recipient's older copy may lack a word."""
    assert message.arrived is not None
    if _took_back_unknowing(facts, undone, message):
        return set().union(*_AFTER.values())
    forgotten = undone.words(message.row.recipient, message.name)
    return _AFTER[erased.before(message.arrived)].union(*(_AFTER[word] for word in forgotten))


def _took_back_unknowing(facts: Facts, undone: Undone, message: Message) -> bool:
    """Say whether the retraction may be one of those that arrived and its sender's copy lacks."""
    sender, there = message.name[0], facts.received[message.row.recipient]
    assert message.arrived is not None
    return message.arrived.state == "retracted" and any(
        name[0] == sender and name not in facts.rows and undone.sent(name) for name in there
    )


def _came_back(steps: tuple[str, ...]) -> bool:
    """Say whether it was given back loudly before it was retracted."""
    return not {"refused", "undeliverable"}.isdisjoint(steps)


def _strangers(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Nobody has a message that is not theirs, or that nobody sent."""
    for agency, received in facts.received.items():
        unknown: Counter[AgencyId] = Counter()
        for name, there in received.items():
            row, named = facts.rows.get(name), facts.named(name)
            if named is not None and named != agency:
                yield Finding(Kind.MISDELIVERED, there.id, f"for {named}, received by {agency}")
            elif named is None:
                unknown[name[0]] += name not in facts.by_id
                # The older copy lacks it: each try makes one for an agency, and one try no more.
                if not undone.sent(name) or unknown[name[0]] > undone.unheard(name[0]):
                    why = f"at {agency}, and {name[0]} never took it"
                    yield Finding(Kind.INVENTED, there.id, why)
            if row is not None and row.digest != there.digest:
                yield Finding(Kind.INVENTED, there.id, "not the bytes that were sealed")


def _people(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """A person's word that was answered stands."""
    became = {"acknowledge": "acknowledged", "refuse": "refused"}
    for (call, agency, name), ends in facts.calls.items():
        row = facts.received.get(agency, {}).get(name)
        answered = [e for e in ends if e.phase is Phase.OK]
        if not answered:
            continue
        if row is None:
            yield Finding(Kind.LOST, name[1], f"{call} was answered, the message is gone")
            continue
        forgotten = all(undone.said(agency, e) for e in answered)  # the older copy lacks it
        stands = became.get(call) in (row.state, *row.steps)  # also if it was erased afterwards
        if call in became and not stands and not forgotten:
            yield Finding(Kind.LOST, name[1], f"{call} was answered, the message is {row.state}")


def _inboxes(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Who pulls with a cursor sees each message, and each once."""
    shown: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for entry in facts.evidence.history:
        if entry.call == "pull" and entry.phase is Phase.OK:
            shown[entry.agency].update(entry.items)
    for agency, counts in shown.items():
        for name, count in counts.items():
            if count > 1 + undone.arrival(agency, name):  # what the copy lacks comes again
                yield Finding(Kind.DUPLICATED, name[1], f"shown {count} times by {agency}")
        for name in facts.received.get(agency, {}).keys() - counts.keys():
            yield Finding(Kind.LOST, name[1], f"stored by {agency}, never shown in its inbox")


def _readable(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Who received it can open it, and finds what was sent; no content comes twice."""
    sent = {name: s.content for name, s in facts.by_id.items() if s.content is not None}
    sent |= {copy: sent[main] for copy, main in facts.copies.items() if main in sent}
    explained = {sending.content: sending for sending in facts.sendings.values()}
    ids = defaultdict(set)
    for (call, agency, name), ends in facts.calls.items():
        if call != "open":
            continue
        seen = {e.content for e in ends if e.phase is Phase.OK}
        row = facts.received.get(agency, {}).get(name)
        if not seen and row is not None:
            codes = ", ".join(sorted({str(e.code) for e in ends}))
            yield Finding(Kind.UNREADABLE, name[1], f"by {agency}: {codes}")
        for content in seen:
            known = explained.get(content)
            if known is not None and not (known.ids or known.open):
                why = "opened, and every call that sent it surely failed"
                yield Finding(Kind.INVENTED, name[1], why)
            if content != sent.get(name, content) or (known is None and _owed(facts, name)):
                yield Finding(Kind.UNREADABLE, name[1], "opened, and not what was sent")
            elif (
                known is not None
                and known.to != agency
                and not linked.owed(facts, undone, agency, name)
            ):
                yield Finding(Kind.MISDELIVERED, name[1], f"opened by {agency}")
            ids[content, agency].add(name)
    for (content, _), names in ids.items():
        known = explained.get(content)
        if len(names) > 1 + (undone.tried(known) if known else 0):  # its key was forgotten, too
            both = ", ".join(sorted(each for _, each in names))
            yield Finding(Kind.DUPLICATED, str(content)[:12], f"one content, messages {both}")


def _owed(facts: Facts, name: Name) -> bool:
    """Say whether the history must know this message's content: not of a fault's own message."""
    sending = facts.by_id.get(name)
    return sending.content is not None if sending else name[0] not in facts.strangers


def _audited(facts: Facts) -> Iterator[Finding]:
    """Each transfer and each receipt is in the log, and the log proves itself."""
    for problem in facts.evidence.log_problems:
        yield Finding(Kind.UNAUDITED, "log", problem)
    for agency, received in facts.received.items():
        for name, row in received.items():
            if row.digest not in facts.logged:
                yield Finding(Kind.UNAUDITED, name[1], f"received by {agency}, not in the log")
            if facts.excused(agency, name[0]):
                continue  # nothing more leaves an agency that was revoked, nor reaches one
            # `delivered` is its gateway's own word for each that it took.
            for word in ("delivered", *({erased.before(row)} & {"acknowledged", "refused"})):
                if (agency, row.digest, word) not in facts.receipts:
                    yield Finding(Kind.UNAUDITED, name[1], f"{word}: not in the log")
    for message in facts.messages:
        produced = "sent" in message.row.steps and message.arrived is None
        if produced and message.row.digest not in facts.logged:
            yield Finding(Kind.UNAUDITED, message.label, "the broker had it, not in the log")


def _looks(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Each look of a person is in the log."""
    for (call, agency, name), ends in facts.calls.items():
        row = facts.received.get(agency, {}).get(name)
        if call != "open" or row is None or facts.excused(agency):
            continue
        looks = sum(e.phase is Phase.OK and not undone.said(agency, e) for e in ends)
        told = facts.events.get((agency, "opened", row.digest), 0)
        if looks > told:
            yield Finding(Kind.UNAUDITED, name[1], f"{looks} looks by {agency}, {told} in the log")


def _recorded(facts: Facts) -> Iterator[Finding]:
    """Each record that the broker has lies in the log with the same bytes."""
    places = {(s.topic_id, s.offset): s.leaf for s in facts.evidence.log}
    times = Counter((s.topic_id, s.offset) for s in facts.evidence.log)
    for seen in facts.evidence.log:
        count = times[seen.topic_id, seen.offset]
        if count > 1:
            where = f"{seen.topic}/{seen.offset}"
            yield Finding(Kind.DUPLICATED, where, f"one record, {count} entries of the log")
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
        ends = tuple(f".{each}" for each in facts.barred)
        gone = tuple(f"inbox.{each}." for each in facts.barred)
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
