"""What was sound and was put aside is lost: whatever could be read of it, and receipts, too."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Aside, Kind
from unit.faults.legal import GONE, POLICE, WEST, Run, Said
from unit.faults.planting import only, put_back, with_store


def aside(evidence, agency, topic, offset, digest=None):
    row = Aside(topic, offset, "statement-malformed", digest)
    return with_store(evidence, agency, quarantined=lambda rows: [*rows, row])


def test_lost_what_was_put_aside_unread_where_a_sound_record_lies(legal):
    seen = next(s for s in legal.log if s.kind == "message" and s.to == WEST)
    (finding,) = only(aside(legal, WEST, seen.topic, seen.offset), Kind.LOST)
    assert seen.id in finding.about
    assert judge(aside(legal, WEST, seen.topic, seen.offset + 500)) == []


def test_excused_is_what_lies_where_something_unsound_lay_in_another_life_of_its_topic(legal):
    seen = next(s for s in legal.log if s.kind == "message" and s.to == WEST)
    poison = replace(seen, topic_id="earlier", kind=None, digest=None, id=None, sender=None)
    planted = aside(replace(legal, log=(*legal.log, poison)), WEST, seen.topic, seen.offset)
    assert judge(planted) == []


@pytest.mark.parametrize("what", ["delivered", "acknowledged"])
@pytest.mark.parametrize("read", [False, True])
def test_lost_a_receipt_that_was_put_aside(what, read):
    run = Run([Said()]).evidence()
    word = next(s for s in run.log if s.what == what)
    planted = aside(run, POLICE, word.topic, word.offset, word.digest if read else None)
    assert only(planted, Kind.LOST)
    for restored in (POLICE, WEST):  # what it answers, or the word before, may be forgotten
        assert judge(put_back(planted, restored, 0, 1)) == []
    assert only(put_back(planted, GONE, 0, 1), Kind.LOST)


def test_excused_is_a_receipt_of_a_revoked_agency():
    run = Run([Said(to=GONE)]).evidence()
    word = next(s for s in run.log if s.what == "acknowledged")
    assert judge(aside(run, POLICE, word.topic, word.offset, word.digest)) == []
