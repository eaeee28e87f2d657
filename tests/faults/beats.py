"""Gateways go on telling that they live, and tell what their stores say.

A heartbeat is owed at least every `LONG` seconds by each gateway:
- *at the end* by every one but who was revoked: no fault lasts until then;
- *in between* while others went on. Excused, each for its own gateway and pause alone: one that was
  started again meanwhile (its `started` says so), and one in which a fault of that gateway was
  noted that nobody had healed yet (stopped, without disk or key).
One of the last says what the store says at the end. Before, it says of what waits and of what is
parked no less than surely waited then, by the times of its own store and events. Excused is what
was undone by a restore, and what lies half a day and more apart: a clock was bent.
Pure but for `disturbed`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from faults.alarms import HEARTBEAT
from faults.counts import Counts
from faults.evidence import Disturbed, Finding, Kind, Seen, SentRow
from faults.facts import Facts
from faults.undone import Undone
from meldeweg.kernel.ids import AgencyId

HEALED = "healed"  # a fault says so when it is over
LONG = 3 * HEARTBEAT  # seconds
_OTHERS = 2  # heartbeats of one other in the pause: the machine went on
_BENT = 43_200.0  # seconds that nothing of a stack takes: a bent clock is a day off
_GATEWAY = "gateway-"
_Span = tuple[float, float]


def disturbed(journal: Path) -> frozenset[Disturbed]:
    """Read from what faults said which gateways they touched, from when until it was healed."""
    if not journal.exists():
        return frozenset()
    found, begun = set(), dict[AgencyId, float]()
    for line in map(json.loads, journal.read_text("utf-8").splitlines()):
        at = datetime.fromisoformat(line["at"]).timestamp()
        if line["what"] == HEALED:
            found |= {Disturbed(agency, since, at) for agency, since in begun.items()}
            begun.clear()
        elif line["what"].startswith("own-"):
            continue  # a message is no harm
        elif str(line.get("process", "")).startswith(_GATEWAY):
            begun.setdefault(AgencyId(line["process"].removeprefix(_GATEWAY)), at)
        elif "agency" in line:
            begun.setdefault(AgencyId(line["agency"]), at)
    return frozenset(found | {Disturbed(a, since, float("inf")) for a, since in begun.items()})


def ceased(facts: Facts) -> Iterator[Finding]:
    """Yield each gateway that was silent, although nobody had stopped it."""
    evidence = facts.evidence
    beats = {agency: [s.said or 0.0 for s in _beats(facts, agency)] for agency in evidence.stores}
    for agency, at in beats.items():
        if facts.excused(agency):
            continue
        if not any(_is_last(facts, each) for each in at):
            yield Finding(Kind.SILENT, agency, "no heartbeat in the end")
        others = [each for other, each in beats.items() if other != agency]
        for pause in pairwise(at):
            if LONG < pause[1] - pause[0] < _BENT and _unexcused(facts, agency, pause, others):
                yield Finding(Kind.SILENT, agency, f"no heartbeat for {pause[1] - pause[0]:.0f} s")


def _is_last(facts: Facts, at: float) -> bool:
    """Say whether it was made in the end; one of a day later is of a clock that was bent."""
    return -LONG <= at - facts.evidence.at < _BENT


def _unexcused(facts: Facts, agency: AgencyId, pause: _Span, others: list[list[float]]) -> bool:
    since, until = pause
    started = any(
        (seen.sender, seen.what) == (agency, "started") and since < (seen.said or 0.0) <= until
        for seen in facts.evidence.log
    )
    touched = any(
        each.agency == agency and each.since < until and since < each.until
        for each in facts.evidence.disturbed
    )
    went_on = any(sum(since < at < until for at in beats) >= _OTHERS for beats in others)
    return went_on and not started and not touched


def otherwise(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Yield what a heartbeat says that its store does not."""
    parked = _parked(facts)
    for agency, store in facts.evidence.stores.items():
        if facts.excused(agency):
            continue
        beats = _beats(facts, agency)
        last = [s for s in beats if _is_last(facts, _said(s))]
        # A store that nobody counted can't be compared.
        if last and store.counts and store.counts not in {seen.counts for seen in last}:
            yield Finding(Kind.CHANGED, agency, _differs(last[-1].counts, store.counts))
        spans = {"waiting": list(map(_waited, store.sent)), "parked": parked.get(agency, [])}
        for before, seen in pairwise(beats):
            # What stood still between a row's time and its transaction missed a beat.
            near = 0 <= _said(seen) - _said(before) <= 2 * HEARTBEAT
            if not near or undone.between(agency, _said(seen), _said(seen)):
                continue
            for member, found in spans.items():
                least = sum(
                    a < _said(before) and _said(seen) < b and b - a < _BENT for a, b in found
                )
                says = int(dict(seen.counts)[member])
                if says < least:
                    yield Finding(Kind.CHANGED, agency, f"a heartbeat says {says} {member}: less")


def _differs(said: Counts, kept: Counts) -> str:
    names = sorted({name for name, _ in {*said} ^ {*kept}})
    return f"the last heartbeat's {', '.join(names)}: not what its store says"


def _beats(facts: Facts, agency: AgencyId) -> list[Seen]:
    found = (
        seen
        for seen in facts.evidence.log
        if (seen.kind, seen.sender) == ("heartbeat", agency) and seen.said is not None
    )
    return sorted(found, key=_said)


def _said(seen: Seen) -> float:
    assert seen.said is not None
    return seen.said


def _waited(row: SentRow) -> _Span:
    """Return from when to when it surely counted as waiting; overdue it no more does."""
    ends = [at for at in (row.delivered, row.ended) if at is not None]
    if row.state not in ("queued", "sent") and not ends:
        return row.created, row.created  # when that was, nobody knows
    return row.created, min((*ends, row.ack_by))


def _parked(facts: Facts) -> dict[AgencyId, list[_Span]]:
    """Agency → the spans of what it said it parked, and then released or put away."""
    told: dict[tuple[AgencyId, str], dict[str, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for seen in _events(facts.evidence.log):
        assert seen.sender
        assert seen.digest
        told[seen.sender, seen.digest][seen.what or ""].append(_said(seen))
    found: dict[AgencyId, list[_Span]] = defaultdict(list)
    for (agency, _), times in told.items():
        over = times["released"] + times["quarantined"]
        if times["parked"] and over and max(times["parked"]) <= min(over):
            found[agency].append((max(times["parked"]), min(over)))
    return found


def _events(log: Iterable[Seen]) -> Iterator[Seen]:
    for seen in log:
        of_parking = seen.kind == "event" and seen.what in ("parked", "released", "quarantined")
        if of_parking and seen.sender and seen.digest and seen.said is not None:
            yield seen
