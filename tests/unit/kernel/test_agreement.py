"""The agreement: from a readable file to bytes that are signed, and what is none."""

import json
import re
from datetime import date

import pytest

from districts import BOTH, DOCUMENT, PARTIES, RHEIN_ERFT, VIERSEN, document_bytes, identity, parsed
from meldeweg.kernel import agreement, strictjson
from meldeweg.kernel.agreement import Agreement, Term
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Ags, Digest
from meldeweg.kernel.trust.objects import AgencyKind


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


def test_a_member_has_its_one_name():
    """Else another reader of the same signed bytes finds no beginning of the term."""
    document = json.loads(document_bytes(VIERSEN))
    document["term"]["first"] = document["term"].pop("from")
    assert "term" in refused(json.dumps(document).encode(), "agreement-malformed")
