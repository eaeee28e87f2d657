"""Across New Year's Eve on the real ledger: what the audit serves of both years, verified."""

from contextlib import closing
from hashlib import sha256

import psycopg
import pytest

from integration.audit.harness import ORIGIN, OTHER, TOPIC, Audit, record, serving
from integration.audit.test_api import TOKEN, at_once, ends_at_nine
from meldeweg.audit.access import Auditors
from meldeweg.audit.api import build
from meldeweg.audit.deciding import Deciding
from meldeweg.audit.export import export
from meldeweg.audit.served import Served
from meldeweg.audit.sources import open_source
from meldeweg.audit.verify import verify
from meldeweg.kernel.errors import Refused
from unit.audit.synthetic import message


def fill(audit, *offsets, topic=TOPIC):
    """Append records whose senders number them as they come."""
    audit.append(*(record(n, topic, headers=(("statement", message(n + 1)),)) for n in offsets))


@pytest.fixture
def turned(audit):
    """The last of 2026 is signed, and the first records of 2027 are there."""
    fill(audit, *range(300))
    audit.append(record(0, OTHER))
    audit.seal()
    audit.sealer.turn_year(2027, f"{ORIGIN}/2027")
    fill(audit, *range(300, 320))
    audit.append(record(1, OTHER))
    audit.seal()
    return audit


def of(audit, year, size=None):
    signed = audit.reading.signed(year, size)
    return Served(audit.reading, audit.sealer.verifiers(signed.origin), signed)


def judged(audit, old=None):
    report = verify(of(audit, 2027), before=old or of(audit, 2026))
    return [(found.code, found.detail) for found in report.broken + report.missing]


def keys(audit):
    return [
        each.vkey() for year in (2026, 2027) for each in audit.sealer.verifiers(f"{ORIGIN}/{year}")
    ]


def test_the_new_years_log_goes_on_from_the_old_one(turned):
    report = verify(of(turned, 2027), before=of(turned, 2026), vkeys=keys(turned))
    assert report.ok, report
    assert (report.size, report.before.size) == (22, 302)
    assert report.notices == report.before.notices == []
    last = turned.reading.signed(2026).note
    assert verify(of(turned, 2027), earlier=[last], vkeys=keys(turned)).ok


def test_an_old_log_that_ends_earlier_than_leaf_0_commits_to_is_found(audit):
    fill(audit, *range(10))
    early = audit.seal()
    fill(audit, *range(10, 12))
    audit.seal()
    audit.sealer.turn_year(2027, f"{ORIGIN}/2027")
    audit.seal()
    assert judged(audit) == []
    ((code, detail),) = judged(audit, of(audit, 2026, early.size))
    assert code == "genesis-commits-to-another"
    assert "ends at 11 entries" in detail


def test_a_hostile_audit_that_begins_the_year_with_another_previous_is_found(audit):
    fill(audit, *range(10))
    last = audit.seal()
    audit.ledger.open_log(2027, f"{ORIGIN}/2027", b"p" * 32)
    audit.sealer.load()
    fill(audit, *range(10, 12))
    audit.seal()
    assert verify(of(audit, 2027)).ok
    assert [code for code, _ in judged(audit)] == ["genesis-commits-to-another"]
    alone = verify(of(audit, 2027), earlier=[last.note])
    assert [found.code for found in alone.broken] == ["checkpoint-of-another-log"]


def test_a_hostile_audit_that_leaves_a_record_out_at_the_turn_is_found(audit, uri):
    fill(audit, *range(10))
    audit.seal()
    audit.sealer.turn_year(2027, f"{ORIGIN}/2027")
    audit.close()
    with psycopg.connect(uri, options="-c search_path=audit") as connection:
        connection.execute("UPDATE stream SET next = 11")
    with closing(Audit(uri)) as later:
        fill(later, 11, 12)
        later.seal()
        assert verify(of(later, 2027)).ok
        assert judged(later) == [
            ("record-omitted", "offset 11 where 10 must come"),
            ("number-missing", "11 to 11"),
        ]


def app_of(audit, folder):
    tokens = folder / "auditors"
    tokens.write_text(f"erika.beispiel {sha256(TOKEN.encode()).hexdigest()}\n")
    decide = Deciding(audit.ledger, at_once, ends_at_nine)
    return build(audit.reading, Auditors(tokens), audit.sealer.verifiers, decide)


def test_a_year_that_ended_is_exported_and_verified_from_the_service(turned, tmp_path):
    with serving(app_of(turned, tmp_path)) as url:
        for year, size in ((2026, 302), (2027, 22), (None, 22)):
            with open_source(url, TOKEN, year=year) as source:
                report = verify(source, vkeys=keys(turned), year=year)
                assert report.ok, report
                assert report.size == size
                assert export(source, tmp_path / str(year), year=year).size == size
        with open_source(str(tmp_path / "2026")) as old, open_source(url, TOKEN) as new:
            assert verify(new, before=old, vkeys=keys(turned)).ok
            with pytest.raises(Refused, match="log-not-asked-for"):
                export(new, tmp_path / "wrong", year=2026)
            assert not (tmp_path / "wrong").exists()
        with open_source(url, TOKEN, year=2025) as source:
            report = verify(source)
            assert [found.code for found in report.broken] == ["file-missing"]
