"""Whose clock is a day off is warned of: by itself of its partner, and by its partner of it.

A gateway warns of the same partner once an hour, and has forgotten that when it starts again. One
whose clock was bent was started for it: it warns each time. Its partner may have warned before.
Excused is who was revoked: what it tells may not have left it any more.
"""

from collections import Counter
from collections.abc import Iterator

from faults.evidence import Finding, Kind
from faults.facts import Facts

_CODE = "clock-differs"


def unwarned(facts: Facts) -> Iterator[Finding]:
    """Yield each clock of which an end said nothing."""
    told = Counter(
        (seen.sender, seen.partner)
        for seen in facts.evidence.log
        if (seen.kind, seen.what) == ("event", _CODE)
    )
    times = Counter((each.agency, each.partner) for each in facts.evidence.bent)
    for (agency, partner), count in times.items():
        for who, whom, owed in ((agency, partner, count), (partner, agency, 1)):
            if told[who, whom] < owed and not facts.excused(who):
                why = f"{told[who, whom]} of {owed} warnings of the clock of {whom}"
                yield Finding(Kind.SILENT, who, why)
