"""Watch shows what waits in the stores, and nothing that is over."""

from dataclasses import replace

import pytest

from faults import watched
from faults.checker import judge
from faults.evidence import Kind, Watched
from unit.faults.legal import END, GONE, POLICE, WEST, Run, Said
from unit.faults.planting import changed, kinds, only, put_back, with_store


@pytest.fixture
def waits():
    """One that nobody took in time, one that was acknowledged, one that was refused."""
    said = [Said(fate="delivered", overdue=True), Said(), Said(fate="refused")]
    evidence = Run(said).evidence()
    assert judge(evidence) == []
    return evidence


def showing(evidence, state, *ids, whole=True):
    digests = {row.digest for row in evidence.stores[POLICE].sent if row.id in ids}
    return replace(
        evidence, watch={**evidence.watch, state: Watched(frozenset(digests), whole=whole)}
    )


def gone(evidence, kind, what=None):
    """Return the evidence of which the broker has no such record any more."""
    topics = tuple(s for s in evidence.topics if (s.kind, s.what) != (kind, what))
    assert topics != evidence.topics
    return replace(evidence, topics=topics)


@pytest.mark.parametrize("state", ["open", "overdue"])
def test_silent_what_waits_and_watch_does_not_show(waits, state):
    hidden = showing(waits, state)
    (finding,) = only(hidden, Kind.SILENT)
    assert finding.why == f"watch does not show it as {state}"
    assert judge(showing(waits, state, whole=False)) == []  # its page ends before
    assert judge(gone(hidden, "message")) == []  # nobody can read it there again


def test_silent_what_is_not_delivered_and_watch_does_not_show(waits):
    never = with_store(
        waits, POLICE, sent=changed(0, state="overdue", steps=("sent", "overdue"), delivered=None)
    )
    never = replace(never, watch=waits.watch)
    assert Kind.SILENT in kinds(never)
    assert Kind.SILENT not in kinds(showing(never, "undelivered", "id-0"))


def test_what_becomes_due_while_it_is_read_may_be_shown(waits):
    later = with_store(waits, POLICE, sent=changed(0, ack_by=END + 1, state="delivered"))
    for shown in ((), ("id-0",)):
        found = watched.otherwise(*asked(showing(later, "overdue", *shown)))
        assert list(found) == []


def asked(evidence):
    from faults.facts import Facts
    from faults.undone import Undone

    facts = Facts(evidence)
    return facts, Undone(facts)


@pytest.mark.parametrize(("taken", "word"), [("id-1", "acknowledged"), ("id-2", "refused")])
@pytest.mark.parametrize("state", ["open", "undelivered", "overdue"])
def test_false_what_is_over_and_watch_shows(waits, state, taken, word):
    ids = ("id-0", taken) if state != "undelivered" else (taken,)
    shown = showing(waits, state, *ids)
    (finding,) = only(shown, Kind.FALSE_ALARM)
    assert finding.why == f"{word}, and watch shows it as {state}"
    assert judge(gone(shown, "receipt", word)) == []  # that it is over, watch can't hear any more
    restored = put_back(shown, WEST, END - 3, END - 2)
    assert bool(judge(restored)) == (word != "refused")


def test_false_what_was_delivered_and_watch_shows_as_undelivered(waits):
    shown = showing(waits, "undelivered", "id-0")
    assert only(shown, Kind.FALSE_ALARM)
    assert judge(gone(shown, "receipt", "delivered")) == []


def test_nothing_is_owed_of_an_agency_that_was_revoked():
    evidence = Run([Said(to=GONE, fate="delivered", overdue=True)]).evidence()
    assert judge(showing(evidence, "open")) == []


def test_watch_is_asked_once_it_has_read_everything():
    class District:
        page: dict

        def ask(self, service, path):
            assert service == "watch"
            assert path.startswith("/v1/messages?state=")
            return self

        def json(self):
            return self.page

    district = District()
    district.page = {"caught_up": True, "total": 2, "items": [{"digest": "d"}]}
    assert watched.ask(district)["open"] == Watched(frozenset("d"), whole=False)
    district.page = {"caught_up": False, "total": None, "items": []}
    with pytest.raises(AssertionError):
        watched.ask(district)
