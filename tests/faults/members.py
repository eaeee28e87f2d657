"""What a message is besides its content stays what it was ordered to be, up to a person's eyes.

Its type, whether it is an exercise, its thread, what it answers, its labels, and what the 201 said
of it (its Kennzeichen, the clause): each is compared wherever both the order, or its answer, and
whoever opened it name it. A linked copy has a Kennzeichen, a clause and a reference of its own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from faults.evidence import Entry, Finding, Kind, Phase
from faults.facts import Facts, Name
from faults.history import digest_of

_OF_ITS_OWN = frozenset({"kennzeichen", "clause", "in_reply_to"})  # a copy's


def of_order(kind: str, order: Mapping[str, Any]) -> dict[str, str]:
    """Return the members of a message as it is ordered; labels by their digest alone."""
    return {
        "type": kind,
        "exercise": str(order.get("exercise", False)),
        "thread": order.get("thread") or "",
        "in_reply_to": order.get("in_reply_to") or "",
        "labels": _named(order.get("labels")),
    }


def of_answer(accepted: Any) -> dict[str, str]:
    """Return those that a 201 names."""
    return {
        "kennzeichen": accepted.kennzeichen,
        "clause": accepted.clause,
        "exercise": str(accepted.exercise),
    }


def of_opened(opened: Any) -> dict[str, str]:
    """Return those that whoever opened it was shown."""
    record = opened.record
    return {
        "type": opened.type,
        "exercise": str(opened.exercise),
        "kennzeichen": opened.kennzeichen,
        "clause": opened.clause,
        "thread": record.get("thread") or "",
        "in_reply_to": record.get("in_reply_to") or "",
        "labels": _named(record.get("labels")),
    }


def _named(labels: Mapping[str, Any] | None) -> str:
    return digest_of(labels) if labels else ""


def otherwise(facts: Facts) -> Iterator[Finding]:
    """Yield each member that an answer, or whoever opened it, names otherwise than its order."""
    answered = {
        (entry.agency, entry.id): entry
        for entry in facts.evidence.history
        if entry.call == "send" and entry.phase is Phase.OK and entry.id
    }
    for name, entry in answered.items():
        yield from _apart(name, _ordered(facts, name), entry, "answered")
    for (call, _, name), ends in facts.calls.items():
        main = facts.copies.get(name)
        own = _OF_ITS_OWN if main else frozenset()
        first = answered.get(main or name)
        told = _ordered(facts, main or name) | dict((first and first.members) or {})
        wanted = {member: value for member, value in told.items() if member not in own}
        for entry in ends:
            if call == "open" and entry.phase is Phase.OK:
                yield from _apart(name, wanted, entry, f"opened by {entry.agency}")


def _ordered(facts: Facts, name: Name) -> dict[str, str]:
    sending = facts.by_id.get(name)
    return dict(sending.members) if sending else {}


def _apart(name: Name, wanted: Mapping[str, str], entry: Entry, where: str) -> Iterator[Finding]:
    for member, value in (entry.members or {}).items():
        if value != wanted.get(member, value):
            yield Finding(Kind.CHANGED, name[1], f"another {member}, {where}")
