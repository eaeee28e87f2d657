"""Whether an agreement is in force: its signatures, its term, and what replaces it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from districts import DOCUMENT, PARTIES, RHEIN_ERFT, VIERSEN, document_bytes, parsed
from meldeweg.kernel import agreement
from meldeweg.kernel.agreement import Agreement, AgreementStatus
from meldeweg.kernel.ids import Digest


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=agreement.BERLIN).astimezone(UTC)


EVERYBODY = {party["agency"] for party in PARTIES}


@pytest.mark.parametrize(
    ("when", "signed", "expected"),
    [
        ("2026-11-22T12:00", EVERYBODY, AgreementStatus.IN_FORCE),
        ("2026-11-22T12:00", EVERYBODY - {"jugendamt-willich"}, AgreementStatus.DRAFT),
        ("2026-11-22T12:00", set(), AgreementStatus.DRAFT),
        ("2026-11-22T12:00", EVERYBODY | {"jugendamt-fremd"}, AgreementStatus.IN_FORCE),
        ("2022-04-30T23:59", EVERYBODY, AgreementStatus.FUTURE),
        ("2022-05-01T00:00", EVERYBODY, AgreementStatus.IN_FORCE),
        ("2027-04-30T23:59", EVERYBODY, AgreementStatus.IN_FORCE),
        ("2027-05-01T00:00", EVERYBODY, AgreementStatus.RUN_OFF),
        ("2027-12-26T23:59", EVERYBODY, AgreementStatus.RUN_OFF),
        ("2027-12-27T00:00", EVERYBODY, AgreementStatus.ENDED),
        ("2027-12-27T00:00", set(), AgreementStatus.DRAFT),
    ],
)
def test_in_force_with_the_last_signature_and_within_the_term(when, signed, expected):
    assert agreement.status(parsed(), signed, at(when)) is expected


def test_a_term_without_end_goes_on():
    document = parsed(RHEIN_ERFT)
    signed = {party.agency for party in document.parties}
    assert agreement.status(document, signed, at("2099-01-01T00:00")) is AgreementStatus.IN_FORCE


@dataclass(frozen=True)
class Known:
    digest: Digest
    document: Agreement
    signed_by: frozenset[str]
    signed_at: datetime | None


def known(signed=None, name=VIERSEN, signed_at="2026-05-01T12:00", **changes):
    data = document_bytes(name, **changes)
    document = agreement.parse(data)
    everybody = {party.agency for party in document.parties}
    whole = signed is None
    return Known(
        Digest.of(data),
        document,
        frozenset(everybody if whole else signed),
        at(signed_at) if whole else None,
    )


OLD = known()
NEXT_TERM = DOCUMENT["term"] | {"from": "2027-01-01", "until": "2031-12-31"}


def statuses(*held, when):
    return {one.digest: one.status for one in agreement.standing(held, at(when))}


def test_a_successor_lets_the_old_run_off_from_its_first_day():
    new = known(replaces=OLD.digest, term=NEXT_TERM)
    before = statuses(OLD, new, when="2026-12-31T23:59")
    assert before == {OLD.digest: AgreementStatus.IN_FORCE, new.digest: AgreementStatus.FUTURE}
    after = statuses(OLD, new, when="2027-01-01T00:00")
    assert after == {OLD.digest: AgreementStatus.RUN_OFF, new.digest: AgreementStatus.IN_FORCE}
    later = statuses(OLD, new, when="2027-09-01T00:00")
    assert later[OLD.digest] is AgreementStatus.ENDED


@pytest.mark.parametrize(
    ("signed", "last"),
    [("2026-12-30T23:59", "2026-12-31"), ("2026-12-31T00:00", "2027-01-01"),
     ("2027-02-10T00:00", "2027-02-11"), ("2027-02-10T23:59", "2027-02-11")],
)  # fmt: skip
def test_a_successor_that_is_signed_late_leaves_the_old_in_force_until_all_can_know(signed, last):
    new = known(replaces=OLD.digest, term=NEXT_TERM, signed_at=signed)
    on, after = (f"{last}T23:59", f"{date.fromisoformat(last) + timedelta(days=1)}T00:00")
    assert statuses(OLD, new, when=on)[OLD.digest] is AgreementStatus.IN_FORCE
    assert statuses(OLD, new, when=after) == {
        OLD.digest: AgreementStatus.RUN_OFF,
        new.digest: AgreementStatus.IN_FORCE,
    }
    ends = date.fromisoformat(last) + timedelta(days=DOCUMENT["term"]["run_off_days"])
    (old, _) = agreement.standing((OLD, new), at(after))
    assert (old.last_day, old.replaced) == (ends, True)


def test_a_successor_from_before_the_olds_beginning_ends_it_once_all_can_know():
    old = known(term=NEXT_TERM)
    new = known(
        replaces=old.digest, term=NEXT_TERM | {"from": "2026-12-01"}, signed_at="2027-02-10T12:00"
    )
    for when, status in (("2027-02-11", "in-force"), ("2027-02-12", "run-off")):
        assert statuses(old, new, when=f"{when}T12:00")[old.digest] == status


def test_a_signature_that_is_dated_ahead_counts_from_the_day_before():
    new = known(replaces=OLD.digest, term=NEXT_TERM, signed_at="2099-01-02T00:30")
    for when in ("2027-02-01T12:00", "2027-03-31T23:59"):
        held = statuses(OLD, new, when=when)
        assert held == {OLD.digest: AgreementStatus.IN_FORCE, new.digest: AgreementStatus.DRAFT}
    late = known(replaces=OLD.digest, term=NEXT_TERM, signed_at="2027-02-10T00:30")
    assert statuses(OLD, late, when="2027-02-08T23:59")[late.digest] is AgreementStatus.DRAFT
    assert statuses(OLD, late, when="2027-02-09T00:00")[late.digest] is AgreementStatus.IN_FORCE


def test_an_unsigned_successor_replaces_nothing():
    new = known(signed=(), replaces=OLD.digest, term=NEXT_TERM)
    assert statuses(OLD, new, when="2027-02-01T00:00")[OLD.digest] is AgreementStatus.IN_FORCE


def test_a_successor_gives_an_unsigned_agreement_no_run_off():
    """Else clauses that one party never signed would permit what runs off."""
    draft = known(signed=("polizei-viersen",))
    new = known(replaces=draft.digest, term=NEXT_TERM)
    for when in ("2027-02-01T00:00", "2027-09-01T00:00"):
        assert statuses(draft, new, when=when)[draft.digest] is AgreementStatus.DRAFT


def test_what_was_replaced_before_it_began_never_begins():
    future = known(term=NEXT_TERM)
    new = known(replaces=future.digest, term=NEXT_TERM | {"from": "2026-12-01"})
    for when in ("2026-12-01T00:00", "2027-01-01T00:00"):
        assert statuses(future, new, when=when)[future.digest] is AgreementStatus.ENDED


def test_nobodys_agreement_is_ended_without_them():
    """Kempen's office is left out of a successor: it keeps the agreement that it signed."""
    parties = [
        party
        | (
            {"municipalities": [*party["municipalities"], "05166012"]}
            if party["agency"] == "jugendamt-kreis-viersen"
            else {}
        )
        for party in PARTIES
        if party["agency"] != "jugendamt-kempen"
    ]
    new = known(replaces=OLD.digest, term=NEXT_TERM, parties=parties)
    assert statuses(OLD, new, when="2027-02-01T00:00")[OLD.digest] is AgreementStatus.IN_FORCE


def test_a_successor_of_something_unknown_stands_by_itself():
    new = known(replaces=Digest("0" * 64), term=NEXT_TERM)
    assert statuses(new, when="2027-02-01T00:00") == {new.digest: AgreementStatus.IN_FORCE}
