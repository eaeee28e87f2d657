"""What a note means, given those before it."""

from datetime import UTC, datetime

import pytest

from meldeweg.gateway.inclusion.chaining import Chaining, concerns, opened
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId
from unit.gateway.inclusion.logstage import (
    KEY,
    TOPIC_ID,
    Audit,
    digest_of,
    forked,
    signer,
    stranger,
)

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
ME = AgencyId("polizei")
OURS = "inbox.jugendamt.polizei"


def grown(*counts):
    """Return an audit that sealed a manifest for each count of records of ours."""
    audit, offset = Audit(), 0
    for count in counts:
        audit.noise(1)
        for _ in range(count):
            audit.append(OURS, offset, b"k", (), b"v%d" % offset)
            offset += 1
        audit.seal()
    return audit


def chained(notes, before=None, keys=(KEY.public,), at=0, silence=60_000):
    chains = before.chains if before else {}
    largest = before._largest if before else {}
    chaining = Chaining(ME, chains, {}, silence, NOW)
    chaining._largest = dict(largest)
    for n, data in enumerate(notes):
        chaining.take(opened(data, keys), at + n)
    return chaining


def codes(chaining):
    return [found.code for found in chaining.contradictions]


def test_ranges_of_ours_are_kept_with_their_index_and_no_others():
    audit = grown(3, 2)
    found = chained(audit.published)
    assert [(s.topic, s.topic_id, s.start, s.stop, s.first) for s in found.spans] == [
        (OURS, TOPIC_ID.bytes, 0, 3, 2),
        (OURS, TOPIC_ID.bytes, 3, 5, 6),
    ]
    assert [head.size for head in found.heads] == [5, 8]
    for span in found.spans:
        for n in range(span.stop - span.start):
            assert audit.places[span.first + n] == (OURS, TOPIC_ID.bytes, span.start + n)
    assert (codes(found), found.gaps) == ([], [])


@pytest.mark.parametrize(
    ("topic", "ours"),
    [
        ("events.polizei", True),
        ("inbox.polizei.jugendamt", True),
        ("inbox.jugendamt.polizei", True),
        ("inbox.jugendamt.polizei-anderswo", False),
        ("events.polizei-anderswo", False),
        ("events.jugendamt", False),
        ("inbox.polizei", False),
        ("audit.checkpoints", False),
    ],
)
def test_topics_that_concern_an_agency_are_those_it_reads_or_writes(topic, ours):
    assert concerns(ME, topic) is ours


@pytest.mark.parametrize("which", [0, 1])
def test_a_note_of_another_key_is_refused_whatever_name_it_gives_itself(which):
    data = grown(1).published[which]
    with pytest.raises(Refused, match="note-unsigned"):
        opened(data, [stranger().public])
    with pytest.raises(Refused, match="note-unsigned"):
        opened(data, [])
    other = Audit(key=stranger())
    with pytest.raises(Refused, match="note-unsigned"):
        opened(other.seal()[which], [KEY.public])


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b"a\n\nb\n"])
def test_what_is_no_note_is_refused(value):
    with pytest.raises(Refused):
        opened(value, [KEY.public])


def test_a_changed_note_is_refused():
    data = grown(1).published[0]
    with pytest.raises(Refused, match="note-signature-invalid"):
        opened(data.replace(b" 0 1 ", b" 1 2 "), [KEY.public])


def test_the_same_notes_again_contradict_nothing():
    audit = grown(2, 2, 2)
    once = chained(audit.published)
    again = chained(audit.published, before=once)
    assert (codes(again), again.gaps) == ([], [])
    assert again.chains[audit.origin].number == 2
    assert again.spans == once.spans


def test_two_manifests_of_one_number_are_a_contradiction_and_the_second_counts_for_nothing():
    audit = grown(2)
    other = forked(grown())
    other.noise(3)
    found = chained([*audit.published, other.seal()[0]])
    assert codes(found) == ["manifest-forked"]
    assert found.contradictions[0].known == audit.published[0]
    assert len(found.spans) == 1
    assert found.chains[audit.origin].digest == audit.last


def test_a_manifest_that_names_another_before_it_is_a_contradiction():
    audit = grown(2)
    other = forked(audit)
    other.last = bytes(32)
    other.noise(1)
    assert codes(chained([*audit.published, *other.seal()])) == ["manifest-forked"]


def test_a_missing_manifest_is_noticed_and_the_later_ones_are_of_use():
    audit = grown(1, 1, 1)
    found = chained([*audit.published[:2], *audit.published[4:]])
    assert found.gaps == [audit.origin]
    assert [span.start for span in found.spans] == [0, 2]
    assert codes(found) == []


def test_a_log_of_another_name_is_a_contradiction():
    audit = grown(1)
    other = Audit()
    other.origin = "audit.example/anderswo/2026"
    found = chained([*audit.published, *other.seal()])
    assert codes(found) == ["log-origin-differs"] * 2
    assert set(found.chains) == {audit.origin}


def test_the_next_years_log_begins_with_the_last_checkpoint_of_this_one():
    audit = grown(1, 1)
    good = Audit(2027, digest_of(audit.checkpoint()))
    found = chained([*audit.published, *good.seal()])
    assert codes(found) == []
    assert set(found.chains) == {audit.origin, good.origin}
    bad = Audit(2027, digest_of(audit.checkpoint(2)))
    told = chained([*audit.published, bad.seal()[0]])
    assert codes(told) == ["year-differs"]
    assert set(told.chains) == {audit.origin}
    # Nor does it help to publish the checkpoint before the manifest.
    other = Audit(2027, bytes(32))
    assert "year-differs" in codes(chained([*audit.published, *other.seal()[::-1]]))


def test_a_log_that_was_silent_counts_as_awakened_by_its_next_new_checkpoint():
    audit = grown(1, 1)
    first = chained(audit.published[:2], at=1_000)
    assert first.heads[-1].alive_since == 1_000
    soon = chained(audit.published[2:], before=first, at=50_000)
    assert soon.heads[-1].alive_since == 1_000
    late = chained(audit.published[2:], before=first, at=500_000)
    assert late.heads[-1].alive_since == 500_001
    again = chained(audit.published[:2], before=first, at=500_000)
    assert again.heads[-1].alive_since == 1_000


def test_a_checkpoint_can_come_first():
    audit = grown(1, 1)
    found = chained(audit.published[3:])
    assert [head.size for head in found.heads] == [len(audit.hashes)]
    audit.noise(1)
    more = chained(audit.seal(), before=found)
    assert more.gaps == [audit.origin]


def test_signers_are_named_like_the_log():
    assert signer(Audit().origin).verifier().name == Audit().origin
