"""A record that lies on another's topic strayed, unless that topic's owner put it aside."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Aside, Barred, Kind, StoreDump, since
from unit.faults.legal import EAST, END, POLICE, WEST, Run, Said
from unit.faults.planting import changed, only, with_store

STRAYED = {"offset": 90, "leaf": "strayed", "at": END}


@pytest.fixture
def run():
    evidence = Run([Said(), Said(), Said(to=EAST, thread="e")]).evidence()
    assert judge(evidence) == []
    return evidence


def on(evidence, topic, kind, where=("log", "topics"), **more):
    """Return the evidence in which the first record of that kind lies on that topic, too."""
    first = next(s for s in evidence.log if s.kind == kind)
    again = replace(first, topic=topic, topic_id=f"{topic}#1", **STRAYED | more)
    return replace(evidence, **{name: (*getattr(evidence, name), again) for name in where})


@pytest.mark.parametrize("where", [("log", "topics"), ("log",)])
@pytest.mark.parametrize(
    "topic", [f"inbox.{EAST}.{POLICE}", f"inbox.{WEST}.{EAST}", f"inbox.{POLICE}.{WEST}"]
)
def test_misdelivered_a_message_on_another_topic_than_that_of_its_two(run, topic, where):
    (finding,) = only(on(run, topic, "message", where), Kind.MISDELIVERED)
    assert (finding.about, f"on {topic}/90" in finding.why) == ("id-0", True)


def test_misdelivered_a_receipt_on_another_topic_than_that_of_its_two(run):
    (finding,) = only(on(run, f"inbox.{EAST}.{WEST}", "receipt"), Kind.MISDELIVERED)
    assert "receipt for" in finding.why


@pytest.mark.parametrize("topic", [f"events.{EAST}", f"inbox.{POLICE}.{WEST}"])
def test_invented_an_event_on_anothers_topic(run, topic):
    told = on(run, topic, "event", id="told-again")
    why = f"told by {WEST}, on {topic}/90"
    assert [f.kind for f in judge(told) if f.why == why] == [Kind.INVENTED]
    assert judge(on(run, f"inbox.{WEST}.{POLICE}", "message")) == []  # its own: it came twice


@pytest.mark.parametrize("known", [True, False])
def test_what_its_owner_put_aside_is_where_it_strayed_to(run, known):
    topic = f"inbox.{EAST}.{POLICE}"
    strayed = on(run, topic, "message", digest="ab" * 32, id="id-77")
    digest = "ab" * 32 if known else None

    def aside(*, topic=topic, offset=90, digest=digest):
        row = Aside(topic, offset, "recipient-differs", digest)
        return with_store(strayed, EAST, quarantined=lambda rows: [row])

    def misdelivered(evidence):
        return any(f.kind is Kind.MISDELIVERED for f in judge(evidence))

    assert misdelivered(strayed)
    assert not misdelivered(aside())
    assert misdelivered(aside(offset=91))
    assert misdelivered(aside(topic=f"inbox.{EAST}.{WEST}"))
    assert misdelivered(aside(digest="cd" * 32))


def test_who_was_revoked_puts_nothing_aside_any_more(run):
    strayed = on(run, f"inbox.{EAST}.{POLICE}", "message")
    assert judge(replace(strayed, revoked=frozenset({Barred(EAST, END - 50)}))) == []
    assert only(replace(strayed, revoked=frozenset({Barred(WEST, END - 50)})), Kind.MISDELIVERED)


def test_misdelivered_what_was_received_from_another_topic(run):
    for topic in (f"inbox.{WEST}.{EAST}", f"inbox.{EAST}.{POLICE}", "inbox.other"):
        moved = with_store(run, WEST, received=changed(0, topic=topic))
        (finding,) = only(moved, Kind.MISDELIVERED)
        assert topic in finding.why


def test_what_strayed_before_the_run_is_none_of_it(run):
    strayed = on(run, f"inbox.{EAST}.{POLICE}", "message", at=1.0)
    assert judge(since(strayed, {})) == []
    first = run.stores[POLICE].sent[0]
    log_alone = on(run, f"inbox.{EAST}.{POLICE}", "message", ("log",))
    before = {POLICE: StoreDump(sent=(first,))}
    assert not [f for f in judge(since(log_alone, before)) if f.kind is Kind.MISDELIVERED]
