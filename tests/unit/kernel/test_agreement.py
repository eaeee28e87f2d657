"""The agreement: from a readable file to bytes that are signed, and whether they are in force."""

import copy
import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from districts import RHEIN_ERFT, VIERSEN, document_bytes, identity
from meldeweg.kernel import agreement, strictjson
from meldeweg.kernel.agreement import Agreement, AgreementStatus, Deadline, Term
from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.kernel.ids import AgencyId, Ags, Digest
from meldeweg.kernel.statement import Urgency
from meldeweg.kernel.trust.objects import AgencyKind

BOTH = (VIERSEN, RHEIN_ERFT)
ROOT = Path(__file__).parents[3]


def parsed(name=VIERSEN, **changes):
    return agreement.parse(document_bytes(name, **changes))


def refused(data, code):
    with pytest.raises(Refused) as info:
        agreement.parse(data)
    assert info.value.code == code
    return info.value.detail


def test_both_districts_ship():
    assert agreement.districts() == BOTH


@pytest.mark.parametrize("name", BOTH)
def test_a_district_makes_the_same_bytes_each_time(name):
    data = document_bytes(name)
    assert data == document_bytes(name)
    assert isinstance(agreement.parse(data), Agreement)


def test_another_identity_key_is_another_document():
    district = agreement.load_district(VIERSEN)
    keys = {party.agency: identity(party.agency) for party in district.parties}
    other = keys | {AgencyId("jugendamt-kempen"): identity("somebody else")}
    assert agreement.build(district, keys) != agreement.build(district, other)
    parties = agreement.parse(agreement.build(district, other)).parties
    assert {p.agency: p.identity for p in parties} == other


def test_a_party_without_identity_key_stops_the_document():
    district = agreement.load_district(VIERSEN)
    keys = {party.agency: identity(party.agency) for party in district.parties[1:]}
    with pytest.raises(Refused, match=r"identity-key-missing: polizei-viersen"):
        agreement.build(district, keys)


def test_a_demonstration_may_have_another_term():
    district = agreement.load_district(VIERSEN)
    keys = {party.agency: identity(party.agency) for party in district.parties}
    term = Term(
        first=date(2030, 1, 1), until=None, run_off_days=240, assumed=True, source="Vorführung"
    )
    assert agreement.parse(agreement.build(district, keys, term=term)).term == term


def test_the_digest_is_over_the_exact_bytes():
    data = document_bytes()
    assert agreement.digest(data) == Digest.of(data)
    pretty = json.dumps(json.loads(data), indent=1).encode()
    assert agreement.parse(pretty) == agreement.parse(data)
    assert agreement.digest(pretty) != agreement.digest(data)


# --- what DOMAIN says of the two districts ----------------------------------------------------


def test_the_offices_of_kreis_viersen_serve_whom_they_serve():
    document = parsed()
    names = {ags: document.municipalities[ags] for ags in document.municipalities}
    served = {
        party.agency: sorted(names[ags] for ags in party.municipalities)
        for party in document.parties
        if party.kind is AgencyKind.YOUTH_OFFICE
    }
    assert served == {
        "jugendamt-kreis-viersen": [
            *("Brüggen", "Grefrath", "Niederkrüchten", "Schwalmtal", "Tönisvorst")
        ],
        "jugendamt-kempen": ["Kempen"],
        "jugendamt-nettetal": ["Nettetal"],
        "jugendamt-viersen": ["Viersen"],
        "jugendamt-willich": ["Willich"],
    }
    assert document.office(AgencyKind.POLICE, Ags("05166008")).agency == "polizei-viersen"
    assert names[Ags("05166008")] == "Grefrath"


def test_each_city_of_rhein_erft_has_its_own_office():
    document = parsed(RHEIN_ERFT)
    cities = "Bedburg Bergheim Brühl Elsdorf Erftstadt Frechen Hürth Kerpen Pulheim Wesseling"
    assert list(document.municipalities.values()) == cities.split()
    assert list(document.municipalities) == [f"05362{number:03d}" for number in range(4, 41, 4)]
    assert [str(party.agency) for party in document.parties] == [
        "polizei-rhein-erft-kreis",
        *("jugendamt-bedburg", "jugendamt-bergheim", "jugendamt-bruehl", "jugendamt-elsdorf"),
        *("jugendamt-erftstadt", "jugendamt-frechen", "jugendamt-huerth", "jugendamt-kerpen"),
        *("jugendamt-pulheim", "jugendamt-wesseling"),
    ]


def test_terms_and_signings_are_as_published():
    viersen, rhein_erft = parsed(), parsed(RHEIN_ERFT)
    assert (viersen.term.first, viersen.term.until) == (date(2022, 5, 1), date(2027, 4, 30))
    assert "11. Mai 2022" in viersen.signing.text
    assert viersen.signing.on is None
    assert rhein_erft.signing.on == date(2024, 11, 20)
    assert rhein_erft.term.until is None


def test_only_published_clauses_are_not_assumed():
    def published(name):
        return [clause.id for clause in parsed(name).clauses if not clause.assumed]

    assert published(VIERSEN) == ["haeusliche-gewalt", "alkohol-und-drogen", "sofort-polizei"]
    assert published(RHEIN_ERFT) == [
        "sexualisierte-gewalt-polizei",
        "sexualisierte-gewalt-jugendamt",
    ]
    for name in BOTH:
        for clause in parsed(name).clauses:
            # No published text states a deadline.
            assert clause.assumed or "deadlines" in clause.assumed_parts


def test_every_number_is_invented_and_says_so():
    for name in BOTH:
        for party in parsed(name).parties:
            for contact in party.call:
                assert contact.invented
                assert re.fullmatch(r"030 23125 \d{3}", contact.phone)


# --- parsing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        document_bytes()[:-1],
        document_bytes() + b"x",
        document_bytes().replace(b'"v":1', b'"v":1,"v":1'),
        document_bytes().replace(b'"v":1', b'"v":true'),
        document_bytes().replace(b'"v":1', b'"v":2'),
        document_bytes(unheard="of"),
        document_bytes(title=""),
        document_bytes(calendar={"land": "ZZ"}),  # nobody knows its holidays
        document_bytes(keep_months="6"),
        document_bytes(parties=[]),
        b" " * (agreement.document.AGREEMENT_MAX + 1),
    ],
)
def test_a_malformed_document_is_refused(data):
    refused(data, "agreement-malformed")


def with_clause(name="haeusliche-gewalt", **changes):
    document = strictjson.loads(document_bytes())
    clauses = [
        clause | changes if clause["id"] == name else clause for clause in document["clauses"]
    ]
    return document_bytes(clauses=clauses)


def without(document, *clauses):
    return [clause for clause in document["clauses"] if clause["id"] not in clauses]


def moved(agency_, municipalities):
    document = strictjson.loads(document_bytes())
    parties = [
        party | ({"municipalities": municipalities} if party["agency"] == agency_ else {})
        for party in document["parties"]
    ]
    return document_bytes(parties=parties)


DOCUMENT = strictjson.loads(document_bytes())
PARTIES = DOCUMENT["parties"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (moved("jugendamt-kempen", ["05166012", "05166036"]), "youth-office: not exactly one"),
        (moved("jugendamt-kreis-viersen", ["05166004"]), "youth-office: not exactly one"),
        (moved("polizei-viersen", ["05166012"]), "police: not exactly one"),
        (moved("jugendamt-kempen", ["05162000"]), "youth-office: not exactly one"),
        (document_bytes(parties=[*PARTIES, PARTIES[0]]), "two parties with one id"),
        (
            document_bytes(
                parties=[*PARTIES[:-1], PARTIES[-1] | {"identity": PARTIES[0]["identity"]}]
            ),
            "two parties with one identity key",
        ),
        (
            document_bytes(municipalities=DOCUMENT["municipalities"] | {"05162004": "Nirgendwo"}),
            "another district",
        ),
        (document_bytes(clauses=[*DOCUMENT["clauses"], DOCUMENT["clauses"][0]]), "one id"),
        (
            document_bytes(term=DOCUMENT["term"] | {"until": "2022-04-30"}),
            "term ends before it begins",
        ),
        (document_bytes(term=DOCUMENT["term"] | {"run_off_days": 200}), "run-off ends before"),
        (
            document_bytes(clauses=without(DOCUMENT, "berichtigung-polizei")),
            "police to youth-office: no way to correct",
        ),
        (
            document_bytes(clauses=without(DOCUMENT, "berichtigung-jugendamt")),
            "no way to correct",
        ),
        (with_clause(urgency={"default": "routine", "least": "today"}), "default is below"),
        (with_clause(deadlines={"immediate": {"minutes": 15}}), "an urgency without deadline"),
        (with_clause("sofort-polizei", linked_copy=True), "a linked copy needs"),
        (with_clause("sofort-polizei", labels_required=True), "labels are the police's"),
        (with_clause("antwort-polizei", replies_to=[]), "to what it replies"),
        (with_clause(replies_to=["inquiry"]), "to what it replies"),
        (with_clause("antwort-jugendamt", data_categories="any"), "never the case's course"),
        (
            with_clause("antwort-jugendamt", data_categories=["case-course"]),
            "never the case's course",
        ),
        (
            with_clause(
                "sofort-polizei",
                section_65={"must_declare": True, "grounds": ["change-of-responsibility"]},
            ),
            "entrusted data to the police",
        ),
        (
            with_clause(section_65={"must_declare": False, "grounds": ["none"]}),
            "none is not a ground",
        ),
        (
            with_clause(handover_deadline={"minutes": 5, "by": "16:00"}),
            "either minutes, or days and time",
        ),
        (with_clause(handover_deadline={}), "either minutes, or days and time"),
        (with_clause(handover_deadline={"working_days": 1}), "either minutes, or days and time"),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(data, why):
    assert why in refused(data, "agreement-contradicts")


# --- standing ---------------------------------------------------------------------------------


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


def test_a_member_has_its_one_name():
    """Else another reader of the same signed bytes finds no beginning of the term."""
    document = json.loads(document_bytes(VIERSEN))
    document["term"]["first"] = document["term"].pop("from")
    assert "term" in refused(json.dumps(document).encode(), "agreement-malformed")


# --- files ------------------------------------------------------------------------------------


def test_a_district_is_found_by_name_or_path(tmp_path):
    source = ROOT / "deploy" / "districts" / "kreis-viersen.toml"
    copy = tmp_path / "mein-kreis.toml"
    copy.write_bytes(source.read_bytes())
    assert agreement.load_district(copy) == agreement.load_district(VIERSEN)
    assert agreement.load_district(str(copy)) == agreement.load_district(VIERSEN)


@pytest.mark.parametrize("name", ["kreis-nirgendwo", "../districts/kreis-viersen", "", "."])
def test_an_unknown_district_names_those_that_are_there(name):
    with pytest.raises(Fatal, match=r"district-unknown: .*kreis-viersen, rhein-erft-kreis"):
        agreement.load_district(name)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('id = "kreis-viersen"', "id = ", "Invalid value"),
        ("keep_months = 6", "keep_months = 6.5", "keep_months: int_type"),
        ("keep_months = 6", "keep_months = 12:00:00", "keep_months: int_type"),
        ("run_off_days = 240", "run_off_days = 10", "run-off ends before"),
        ("keep_months = 6", "keep_months = 6\nkeep_year = 1", "extra_forbidden"),
    ],
)
def test_a_malformed_district_file_says_where(tmp_path, old, new, why):
    text = (ROOT / "deploy" / "districts" / "kreis-viersen.toml").read_text()
    assert old in text
    path = tmp_path / "kreis.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(Fatal, match="district-malformed") as info:
        agreement.load_district(path)
    assert why in str(info.value)


def test_a_missing_file_is_said_so(tmp_path):
    with pytest.raises(Fatal, match="district-malformed"):
        agreement.load_district(tmp_path / "fehlt.toml")


def test_a_wheel_carries_the_districts_where_they_are_looked_for():
    import tomllib

    from meldeweg.kernel.agreement import district

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    package = ROOT / "services" / "meldeweg"
    inside = district._ROOTS[0].relative_to(package)
    assert included["deploy"] == f"meldeweg/{inside.parent}"


# --- German text ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOTH)
def test_the_german_text_has_every_party_clause_and_provision(name):
    document = parsed(name)
    text = agreement.render_german(document)
    for party in document.parties:
        assert party.name in text
        assert party.identity in text
        assert all(contact.phone in text for contact in party.call)
    for clause in document.clauses:
        assert clause.title in text
        assert all(basis in text for basis in clause.legal_basis)
        assert clause.purpose in text
    for provision in document.provisions:
        assert provision.text in text
    assert document.notice in text


def leaves(part, *path):
    """Yield (path, value) of whatever is no object and no list."""
    match part:
        case dict():
            for name, inner in part.items():
                yield from leaves(inner, *path, name)
        case list():
            for n, inner in enumerate(part):
                yield from leaves(inner, *path, n)
        case _:
            yield path, part


def otherwise(path, value):
    """Return what could stand there instead; most of it a document that is refused is tried too."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if "closed" in path:
        return ["12-23"]
    known = {
        "land": ["BY"], "by": ["11:11"], "default": list(Urgency), "least": list(Urgency),
        **{each: ["police", "youth-office", "any"] for each in ("from", "to", "kind")},
    }  # fmt: skip
    return known.get(path[-1], [f"{value} ANDERS"])


def with_leaf(document, path, value):
    changed = part = copy.deepcopy(document)
    for each in path[:-1]:
        part = part[each]
    part[path[-1]] = value
    return json.dumps(changed, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("name", BOTH)
def test_whatever_of_the_document_changes_its_german_text_changes(name):
    """The parties sign a digest: all that it commits to is in the text that they read."""
    data = document_bytes(name)
    document, text = json.loads(data), agreement.render_german(agreement.parse(data))
    silent = set()
    for path, value in leaves(document):
        for other in otherwise(path, value):
            try:
                changed = agreement.parse(with_leaf(document, path, other))
            except Refused:
                continue
            if other != value and agreement.render_german(changed) == text:
                silent.add(tuple(each for each in path if isinstance(each, str)))
    # Where something comes from is for who reads the file; without `by` and days the rest is idle.
    idle = {path for path in silent if path[-1] == "lead_minutes"}
    assert silent - idle <= {("provisions", "source"), ("signing", "source")}


@pytest.mark.parametrize("name", BOTH)
def test_the_german_text_marks_what_is_assumed(name):
    document = parsed(name)
    lines = agreement.render_german(document).splitlines()
    for number, clause in enumerate(document.clauses, 1):
        mark = " (Annahme)" if clause.assumed else ""
        assert f"### {number}. {clause.title}{mark}" in lines


def test_the_german_text_of_the_file_has_no_keys():
    text = agreement.render_german(agreement.load_district(VIERSEN))
    assert "Schlüssel" not in text
    assert "Kreispolizeibehörde Viersen" in text


def test_the_german_text_marks_assumed_parts_of_a_published_clause():
    text = agreement.render_german(parsed())
    first = text.split("### ")[1]
    assert "- Pflicht\n" in first
    assert "innerhalb von 15 Minuten (Annahme)" in first


@pytest.mark.parametrize(
    ("deadline", "german"),
    [
        (Deadline(minutes=1), "innerhalb von 1 Minute"),
        (Deadline(minutes=15), "innerhalb von 15 Minuten"),
        (Deadline(working_days=1, by="12:00"), "bis 12:00 Uhr am nächsten Arbeitstag danach"),
        (Deadline(working_days=3, by="16:00"), "bis 16:00 Uhr am 3. Arbeitstag danach"),
        (
            Deadline(working_days=0, by="16:00"),
            "bis 16:00 Uhr desselben Arbeitstags; was später eingeht, am nächsten",
        ),
    ],
)
def test_deadlines_in_german(deadline, german):
    assert agreement.deadline_in_german(deadline) == german
