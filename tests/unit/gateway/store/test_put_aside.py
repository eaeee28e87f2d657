"""The SQL of what was parked and quarantined: kept as it came, counted, and gone at its term."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from meldeweg.gateway.store import parked, quarantine
from meldeweg.kernel.ids import Digest
from unit.gateway.gateway_rows import NOW, ODD, OFFICE, POLICE


def _parked(**changes):
    row = parked.NewParked(
        at=NOW,
        until=NOW + timedelta(hours=1),
        topic="inbox.jugendamt-kreis-viersen.polizei-viersen",
        topic_offset=1,
        timestamp=1,
        code="signer-unknown",
        sender=POLICE,
        urgency=None,
        verified=False,
        key=None,
        headers=ODD,
        value=b"12345",
        digest=None,
    )
    return replace(row, **changes)


def test_parked_records_wait_for_their_time_or_without_limit(db):
    row = _parked()
    seq = parked.insert(db, row)
    held = parked.insert(db, _parked(topic_offset=2, until=None))
    assert parked.page(db, 0, 10)[0] == parked.Parked(
        seq=seq, **{name: getattr(row, name) for name in row.__slots__}
    )
    assert [p.seq for p in parked.past(db, NOW + timedelta(hours=1))] == [seq]
    parked.hold(db, held, NOW, "agreement-unknown")
    assert [p.seq for p in parked.past(db, NOW)] == [held]
    assert parked.size(db, POLICE) == (2, 10)
    parked.remove(db, seq)
    assert parked.count(db) == 1


def test_the_same_record_is_quarantined_once_and_found_by_code_and_sender(db):
    row = quarantine.NewQuarantined(
        at=NOW,
        topic="inbox.jugendamt-kreis-viersen.polizei-viersen",
        topic_offset=1,
        timestamp=1,
        code="signature-invalid",
        sender=POLICE,
        verified=False,
        urgency=None,
        key=b"k",
        headers=ODD,
        value=None,
        digest=Digest.of(b"record"),
    )
    assert quarantine.insert(db, row)
    assert not quarantine.insert(db, row)
    assert quarantine.insert(db, replace(row, digest=Digest.of(b"another")))  # topic recreated
    assert quarantine.count(db) == 2
    (found,) = quarantine.page(db, None, 1)
    assert quarantine.record(db, found.seq) == replace(row, digest=Digest.of(b"another"))
    assert quarantine.by_seq(db, found.seq) == found
    assert len(quarantine.page(db, None, 9, code="signature-invalid", sender=POLICE)) == 2
    assert quarantine.page(db, None, 9, code="value-mismatch") == []
    assert quarantine.page(db, None, 9, sender=OFFICE) == []
    assert len(quarantine.page(db, found.seq, 9)) == 1


def test_the_same_record_that_comes_again_is_counted_in_its_one_entry(db):
    row = quarantine.NewQuarantined(
        at=NOW,
        topic="inbox.polizei-viersen.jugendamt-kreis-viersen",
        topic_offset=1,
        timestamp=1,
        code="receipt-unmatched",
        sender=OFFICE,
        verified=True,
        urgency=None,
        key=b"k",
        headers=ODD,
        value=None,
        digest=Digest.of(b"record"),
    )
    for n in range(5):
        again = replace(row, topic_offset=1 + n, at=NOW + timedelta(hours=n))
        assert quarantine.insert(db, again)
        assert not quarantine.insert(db, again)  # read twice from one place, it came once
    (entry,) = quarantine.page(db, None, 9)
    assert (entry.topic_offset, entry.at) == (1, NOW)
    assert (entry.times, entry.last_offset, entry.last_at) == (5, 5, NOW + timedelta(hours=4))
    for other in (
        replace(row, topic_offset=9, digest=Digest.of(b"another")),
        replace(row, topic_offset=10, code="receipt-foreign"),
        replace(row, topic_offset=11, topic="inbox.polizei-viersen.jugendamt-nettetal"),
    ):
        assert quarantine.insert(db, other)
    assert [one.times for one in quarantine.page(db, None, 9)] == [1, 1, 1, 5]


def test_what_is_quarantined_goes_at_its_own_term_or_after_ours_and_stays_known(db):
    signed = quarantine.NewQuarantined(
        at=NOW,
        topic="inbox.jugendamt-kreis-viersen.polizei-viersen",
        topic_offset=1,
        timestamp=1,
        code="schema-invalid",
        sender=POLICE,
        verified=True,
        urgency=None,
        key=b"k",
        headers=ODD,
        value=b"sealed",
        digest=Digest.of(b"one"),
        delete_after="2027-03-01",
    )
    unsigned = replace(signed, topic_offset=2, digest=Digest.of(b"two"), delete_after=None)
    quarantine.insert(db, signed)
    quarantine.insert(db, unsigned)
    keep = timedelta(days=30)
    assert quarantine.erase(db, NOW + keep, NOW) == 0
    later = NOW + keep + timedelta(seconds=1)
    assert quarantine.erase(db, later, later - keep) == 1
    erased, kept = quarantine.page(db, None, 9)
    assert (erased.erased_at, kept.erased_at) == (later, None)
    gone = replace(unsigned, key=None, headers=(), value=None)
    assert quarantine.record(db, erased.seq) == gone
    assert quarantine.record(db, kept.seq) == signed
    term = datetime(2027, 3, 1, tzinfo=UTC)
    assert quarantine.erase(db, term - timedelta(seconds=1), NOW) == 0
    assert quarantine.erase(db, term, NOW) == 1
    assert quarantine.erase(db, term, term) == 0  # nothing twice
    assert quarantine.count(db) == 2
    assert not quarantine.insert(db, unsigned)  # read again from the topic, it is known
