"""Receipts are effects, too: each kind goes out once for a message, and of a person's words one.

Receipts that are repeated are the same bytes; a second one with others is another effect. More are
excused, each from evidence:
- *forgotten*: the recipient's store was put back to before the first one (`undone`);
- *came again*: a gateway says `delivered`, or refuses by itself, of each record of a message that
  arrives when the receipt before it has left for good: one for each place that the message has in
  log and topics, and for each id that its topic had before, where it may have had one unlogged.
"""

from collections import defaultdict
from collections.abc import Iterator

from faults.evidence import Finding, Kind
from faults.facts import Facts
from faults.undone import Undone
from meldeweg.kernel.ids import AgencyId

_ONE_OF = ("acknowledged", "refused")  # a person says one of them


def said_again(facts: Facts, undone: Undone) -> Iterator[Finding]:
    """Yield each message of which an agency said one thing twice, or two that exclude another."""
    given: dict[tuple[AgencyId, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for seen in facts.evidence.log:
        if (seen.topic_id, seen.offset) in facts.evidence.lying:
            continue
        if seen.kind == "receipt" and seen.sender and seen.of and seen.what and seen.digest:
            given[seen.sender, seen.of][seen.what].add(seen.digest)
    records = _records(facts)
    persons = {
        (agency, row.digest)
        for agency, rows in facts.received.items()
        for row in rows.values()
        if "refused" in (row.state, *row.steps)
    }
    for (agency, of), kinds in given.items():
        for what, digests in kinds.items():
            again = what == "delivered" or (what == "refused" and (agency, of) not in persons)
            may = records.get(of, 1) if again else 1
            if len(digests) > may + undone.receipts(agency, of, what):
                why = f"{agency} said {what} {len(digests)} times"
                yield Finding(Kind.DUPLICATED, of, why)
        if all(what in kinds for what in _ONE_OF):
            forgotten = sum(undone.receipts(agency, of, what) for what in _ONE_OF)
            # A gateway may refuse a record, and its people take a later one; why: `turned_away`.
            if not forgotten and ((agency, of) in persons or not facts.barred):
                why = f"{agency} said both that it took it and that it refused it"
                yield Finding(Kind.DUPLICATED, of, why)


def _records(facts: Facts) -> dict[str, int]:
    """Return digest of a message → how many records of it may have arrived."""
    places: dict[str, set[tuple[str, int]]] = defaultdict(set)
    topic: dict[str, str] = {}
    ids: dict[str, set[str]] = defaultdict(set)
    for seen in (*facts.evidence.log, *facts.evidence.topics):
        ids[seen.topic].add(seen.topic_id)
        if seen.kind == "message" and seen.digest:
            places[seen.digest].add((seen.topic_id, seen.offset))
            topic[seen.digest] = seen.topic
    return {digest: len(each) + len(ids[topic[digest]]) - 1 for digest, each in places.items()}
