"""A gateway whose heartbeats cease, or say other than its store does, is found."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from faults import counts
from faults.beats import HEALED, disturbed
from faults.checker import judge
from faults.evidence import Disturbed, Kind
from faults.gathering import _said
from meldeweg.kernel import event
from meldeweg.kernel.event import Heartbeat
from meldeweg.kernel.ids import new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.statement import Seq
from unit.faults.legal import END, GONE, POLICE, REVOKED, WEST, WORK, Run, Said
from unit.faults.planting import not_logged, only, put_back
from unit.gateway.gateway_rows import NOW


@pytest.fixture
def late():
    """A run in which every gateway was heard all the time from WORK to WORK + 230."""
    evidence = Run([Said(urgency="immediate", late=True), Said()]).evidence()
    assert judge(evidence) == []
    return evidence


def _is(seen, agency, said):
    return (seen.kind, seen.sender, seen.said) == ("heartbeat", agency, said)


def silent(evidence, agency, since, until):
    gone = not_logged(
        evidence,
        lambda s: (s.kind, s.sender) == ("heartbeat", agency) and since < s.said < until,
    )
    return replace(gone, topics=())


def test_silent_a_gateway_whose_heartbeats_cease(late, legal):
    for evidence in (late, legal):
        (finding,) = only(silent(evidence, WEST, 0, END + 1), Kind.SILENT)
        assert (finding.about, finding.why) == (WEST, "no heartbeat in the end")
        assert only(silent(evidence, WEST, END - 60, END + 1), Kind.SILENT)
        nobody = replace(not_logged(evidence, lambda s: s.kind == "heartbeat"), topics=())
        assert {f.about for f in only(nobody, Kind.SILENT)} == evidence.stores.keys() - {GONE}
        assert judge(silent(evidence, GONE, REVOKED, END + 1)) == []
        bent = silent(evidence, WEST, END - 11, END + 1)  # its clock was a day off before
        log = (replace(s, said=END + 86_400) if _is(s, WEST, END - 12) else s for s in bent.log)
        assert only(replace(bent, log=tuple(log)), Kind.SILENT)


def test_silent_a_pause_while_others_went_on_unless_it_was_a_faults(late):
    since, until = WORK + 100, WORK + 115
    assert judge(silent(late, WEST, since, until)) == []  # 15 seconds
    paused = silent(late, WEST, since, until + 1)
    (finding,) = only(paused, Kind.SILENT)
    assert finding.why == "no heartbeat for 20 s"

    def touched(agency, since, until):
        return replace(paused, disturbed=frozenset({Disturbed(agency, since, until)}))

    assert judge(touched(WEST, since + 1, until)) == []
    assert only(touched(POLICE, since + 1, until), Kind.SILENT)
    assert only(touched(WEST, since - 50, since), Kind.SILENT)
    assert only(touched(WEST, until + 5, until + 50), Kind.SILENT)

    beat = next(s for s in late.log if s.kind == "heartbeat" and s.sender == WEST)
    again = replace(beat, kind="event", what="started", said=until + 4, offset=7000, counts=())
    assert judge(replace(paused, log=(*paused.log, again))) == []
    other = replace(again, sender=POLICE, topic=f"events.{POLICE}", topic_id=f"events.{POLICE}#1")
    assert only(replace(paused, log=(*paused.log, other)), Kind.SILENT)

    everybody = paused
    for agency in late.stores:
        everybody = silent(everybody, agency, since, until + 1)
    assert judge(everybody) == []  # the machine stood still


def said_of(evidence, agency, since=0, **told):
    """Return the evidence in which that gateway's heartbeats say so from then on."""
    more = {name: str(value) for name, value in told.items()}

    def of(seen):
        if (seen.kind, seen.sender) != ("heartbeat", agency) or seen.said < since:
            return seen
        return replace(seen, counts=tuple(sorted((dict(seen.counts) | more).items())))

    return replace(evidence, log=tuple(map(of, evidence.log)))


@pytest.mark.parametrize("member", ["waiting", "parked", "quarantined", "sent"])
def test_changed_the_last_heartbeat_says_other_than_the_store(legal, member):
    (finding,) = only(said_of(legal, WEST, **{member: 7}), Kind.CHANGED)
    assert (finding.about, member in finding.why) == (WEST, True)
    assert judge(said_of(legal, GONE, **{member: 7})) == []
    # As long as one of the last says so: what changes while it is read is not counted for this.
    assert judge(said_of(legal, WEST, since=END - 3, **{member: 7})) == []


def test_changed_a_heartbeat_says_that_less_waits_than_did():
    said = [Said(sender=WEST, to=POLICE) for _ in range(20)]
    run = Run([*said, Said(sender=WEST, to=POLICE, late=True)]).evidence()
    assert judge(run) == []
    (finding,) = only(said_of(run, WEST, waiting=0), Kind.CHANGED)
    assert (finding.about, finding.why) == (WEST, "a heartbeat says 0 waiting: less")
    assert judge(put_back(said_of(run, WEST, waiting=0), WEST, 0, END - 20)) == []


def test_changed_a_heartbeat_says_that_less_is_parked_than_was():
    late = Run([Said(late=True)]).evidence()
    digest = late.stores[POLICE].sent[0].digest
    beat = next(s for s in late.log if s.kind == "heartbeat" and s.sender == WEST)
    about = {"kind": "event", "digest": digest, "counts": ()}
    told = [
        replace(beat, what=what, said=WORK + said, offset=7000 + said, **about)
        for what, said in (("parked", 20), ("released", 60))
    ]
    parked = replace(late, log=(*late.log, *told))
    (finding,) = only(parked, Kind.CHANGED)
    assert (finding.about, finding.why) == (WEST, "a heartbeat says 0 parked: less")
    assert judge(replace(late, log=(*late.log, told[0]))) == []  # nobody knows until when


def test_what_was_touched_is_read_from_what_the_faults_said(tmp_path):
    def line(at, what, **more):
        return json.dumps({"at": f"1970-01-01T00:00:{at:02}Z", "what": what, **more}) + "\n"

    journal = tmp_path / "faults.jsonl"
    assert disturbed(journal) == frozenset()
    journal.write_text(
        line(1, "freeze", process=f"gateway-{WEST}")
        + line(2, "kill", process=f"gateway-{WEST}")
        + line(3, "kill", process="broker-1")
        + line(4, "own-message", agency=POLICE, key="k", id="i")
        + line(5, HEALED)
        + line(6, "rotate", agency=POLICE)
    )
    ended, open_ = Disturbed(WEST, 1.0, 5.0), Disturbed(POLICE, 6.0, float("inf"))
    assert disturbed(journal) == {ended, open_}


def test_a_heartbeat_and_its_store_say_it_in_one_form():
    told = Heartbeat(
        v=1,
        id=new_message_id(),
        agency=POLICE,
        at=NOW,
        sent={WEST: Seq(outbox="a" * 16, n=3)},
        received={},
        parked=1,
        quarantined=0,
        waiting=2,
    )
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(
            "CREATE TABLE parked (n); INSERT INTO parked VALUES (1); CREATE TABLE quarantine (n);"
            "CREATE TABLE sent (state); INSERT INTO sent VALUES ('queued'), ('sent'), ('overdue');"
            "CREATE TABLE sent_seq (recipient, outbox, n); CREATE TABLE received_seq (sender,"
            f"outbox, n); INSERT INTO sent_seq VALUES ('{WEST}', '{'a' * 16}', 3);"
        )
        kept = counts.of_store(db)
    assert _said(event.sign(told, SigningKey(bytes(32))))["counts"] == kept
    assert dict(kept)["waiting"] == "2"
