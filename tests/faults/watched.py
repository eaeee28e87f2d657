"""What watch shows operators is what the stores say: open, undelivered, overdue.

Missing is a message that waits in its sender's store, and that watch does not show, as far as the
broker still has it: watch reads again from there. False is one that it shows, and that the store
says is over, where the broker still has the word that ended it. A person's refusal and a gateway's
look alike here; where a store was put back, what that gateway refused anew is not asked. Nor is
what came back by its sender's own word (`undeliverable`): watch shows it until its last day.
Excused is whoever was revoked: who may write nothing ends nothing at watch.
Pure but for `ask`.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from faults.evidence import Finding, Kind, Watched
from faults.facts import Facts, Message
from faults.undone import Undone

if TYPE_CHECKING:
    from e2e.stage import District

_STATES = ("open", "undelivered", "overdue")
_WAITS = frozenset({"sent", "delivered", "overdue"})
_OVER = frozenset({"acknowledged", "refused", "retracted"})


def ask(district: "District") -> dict[str, Watched]:
    """Ask watch for its lists; fails while it still reads."""
    path = "/v1/messages?state="
    return {state: _of(district.ask("watch", path + state).json()) for state in _STATES}


def _of(page: Mapping[str, Any]) -> Watched:
    assert page["caught_up"], "watch has not read everything yet"
    items = page["items"]
    return Watched(
        digests=frozenset(item["digest"] for item in items),
        whole=len(items) == page["total"],
    )


def otherwise(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Yield what watch shows otherwise than the senders' stores."""
    there = {seen.digest for seen in facts.evidence.topics if seen.kind == "message"}
    for message in facts.messages:
        row = message.row
        if facts.excused(message.name[0], row.recipient):
            continue
        for state, shown in facts.evidence.watch.items():
            owed = _owed(facts, message, state)
            if row.digest in shown.digests:
                if owed is False and _ended(facts, undone, message):
                    why = f"{row.state}, and watch shows it as {state}"
                    yield Finding(Kind.FALSE_ALARM, message.label, why)
            elif owed and shown.whole and row.digest in there:
                yield Finding(Kind.SILENT, message.label, f"watch does not show it as {state}")


def _owed(facts: Facts, message: Message, state: str) -> bool | None:
    """Say whether watch must show it there; None: it may."""
    row = message.row
    if row.state in _OVER:
        return False
    if row.state not in _WAITS or "sent" not in row.steps:
        return None
    if state == "undelivered":
        return "delivered" not in row.steps
    if state == "overdue":
        return True if row.ack_by < facts.evidence.at else None
    return True


def _ended(facts: Facts, undone: Undone, message: Message) -> bool:
    """Say whether the broker has the word that watch must have heard."""
    row = message.row
    words = {"delivered"} if row.state in _WAITS else {row.state}
    if row.state == "refused" and undone.restored(row.recipient):
        return False
    if row.state == "retracted":
        return any(
            (seen.kind, seen.what, seen.sender, seen.digest)
            == ("event", "retracted", message.name[0], row.digest)
            for seen in facts.evidence.topics
        )
    return any(
        (seen.kind, seen.sender, seen.of) == ("receipt", row.recipient, row.digest)
        and seen.what in words
        for seen in facts.evidence.topics
    )
