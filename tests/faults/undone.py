"""What a store that was put back to an older copy may lack, and so do again: what it did between
the copy's moment and its end, and nothing else.

Each question is answered from times of the machine's own clock: a call's two lines, or the broker's
time of a receipt. What was surely committed before the copy was made is in it; what began after it
was put back was never undone. Pure.
"""

from collections import defaultdict
from math import inf

from faults.evidence import Entry, Phase
from faults.facts import Facts, Name, Sending
from meldeweg.kernel.ids import AgencyId

_NOTED = 1.0  # seconds after the end in which an answer that was given before it may be noted
_BECAME = {"acknowledge": "acknowledged", "refuse": "refused"}


class Undone:
    """Asks `facts.evidence.restored`."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._windows: dict[AgencyId, list[tuple[float, float]]] = defaultdict(list)
        for each in facts.evidence.restored:
            self._windows[each.agency].append((each.copied, each.back))
        self._receipts = _receipts(facts)
        self._shown = _shown(facts)

    def between(self, agency: AgencyId, since: float, until: float) -> int:
        """Return how many restores may have undone what was committed between these moments."""
        return sum(
            since <= back and copied <= until for copied, back in self._windows.get(agency, ())
        )

    def restored(self, agency: AgencyId) -> bool:
        """Say whether its store was ever put back."""
        return agency in self._windows

    def sent(self, name: Name) -> bool:
        """Say whether the sender's store may lack this message, although it was taken there."""
        sending = self._facts.by_id.get(self._facts.copies.get(name, name))
        if sending is None:
            return self.unheard(name[0]) > 0
        answered = sending.ids[self._facts.copies.get(name, name)[1]]
        return self.between(name[0], answered - _NOTED, answered) > 0

    def unheard(self, agency: AgencyId) -> int:
        """Return how many of its messages may be forgotten that no answer ever named."""
        own = (s for s in self._facts.sendings.values() if s.agency == agency)
        return sum(self.tried(sending) for sending in own)

    def tried(self, sending: Sending) -> int:
        """Return how many of the tries that nobody answered may have been kept and forgotten."""
        if not sending.open:
            return 0
        until = inf if sending.answered is None else sending.answered
        return self.between(sending.agency, sending.invoked, until)

    def said(self, agency: AgencyId, ended: Entry) -> bool:
        """Say whether what a person's call did may be undone; `ended`: the call's second line."""
        until = ended.at if ended.phase is Phase.OK else inf
        return self.between(agency, self._facts.began[ended.op], until) > 0

    def words(self, agency: AgencyId, name: Name) -> set[str]:
        """Return what a person there may have made of a message, and its store forgot."""
        return {
            became
            for call, became in _BECAME.items()
            for ended in self._facts.calls.get((call, agency, name), ())
            if ended.phase in (Phase.OK, Phase.UNKNOWN) and self.said(agency, ended)
        }

    def receipts(self, agency: AgencyId, of: str | None, what: str | None) -> int:
        """Return how many of its receipts of that kind may have been forgotten."""
        found = self._receipts.get((agency, of, what), {})
        return sum(self.between(agency, at - _NOTED, at) > 0 for at in found.values())

    def arrival(self, agency: AgencyId, name: Name) -> int:
        """Return how many restores may have undone that it arrived: then it arrived again."""
        row = self._facts.received.get(agency, {}).get(name)
        told = self._receipts.get((agency, row.digest, "delivered"), {}) if row else {}
        seen = [*told.values(), self._shown.get((agency, name), inf)]
        first = min(seen)  # inf, where nobody heard of it: no restore reaches that far
        return self.between(agency, first - _NOTED, first)


def _receipts(facts: Facts) -> dict[tuple[AgencyId, str | None, str | None], dict[str, float]]:
    """(who, of what, kind) → the receipts that the broker has: digest → its first time."""
    found: dict[tuple[AgencyId, str | None, str | None], dict[str, float]] = defaultdict(dict)
    for seen in facts.evidence.topics:
        if seen.kind == "receipt" and seen.sender and seen.digest:
            times = found[seen.sender, seen.of, seen.what]
            times[seen.digest] = min(seen.at, times.get(seen.digest, inf))
    return found


def _shown(facts: Facts) -> dict[tuple[AgencyId, Name], float]:
    """(agency, message) → when an inbox first showed it."""
    shown: dict[tuple[AgencyId, Name], float] = {}
    for entry in facts.evidence.history:
        if entry.call == "pull" and entry.phase is Phase.OK:
            for name in entry.items:
                shown.setdefault((entry.agency, name), entry.at)
    return shown
