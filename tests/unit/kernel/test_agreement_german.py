"""The German text of an agreement: all that is signed is in it, and what is assumed says so."""

import copy
import json

import pytest

from districts import BOTH, VIERSEN, document_bytes, parsed
from meldeweg.kernel import agreement
from meldeweg.kernel.agreement import Deadline
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.statement import Urgency


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
    """Copy what leads to the leaf; a copy of the whole would take longer than all that is asked."""
    changed = part = copy.copy(document)
    for each in path[:-1]:
        part[each] = copy.copy(part[each])
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
