"""Two readers agree on every example and on every way to spoil one: ours, and JSON Schema's."""

import copy
import json
from datetime import date, datetime

import jsonschema
import pytest

from meldeweg.kernel import schemas
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.schemas.published import schema_of
from meldeweg.kernel.schemas.record import RecordBody
from unit.kernel.schema_examples import EXAMPLES, IDS, RECORD, accepts

FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value):
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


@FORMATS.checks("date", raises=ValueError)
def _is_day(value):
    return not isinstance(value, str) or bool(date.fromisoformat(value))


def second_reader(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=FORMATS)


def paths(document, path=()):
    yield path
    if isinstance(document, dict):
        for name, inner in document.items():
            yield from paths(inner, (*path, name))
    elif isinstance(document, list):
        for index, inner in enumerate(document):
            yield from paths(inner, (*path, index))


def changed(document, path, change):
    document = here = copy.copy(document)
    for step in path[:-1]:
        here[step] = copy.copy(here[step])
        here = here[step]
    change(here, path[-1])
    return document


def spoilt(document):
    """Yield (what was done, document): every value replaced, every member removed or added.

    Entries of one array follow one schema: a member that several of them have is spoilt once.
    """
    values = [
        *(None, True, False, 0, -1, 21, 0.5, "", " ", "  \u00a0", "x", "x" * 201, "x" * 4001),
        *("a\x00b", "a\x07b", "a\u202eb", "a\u2066b", "a\nb", "a\tb", " lead", "trail "),
        *("2026-02-30", "2026-02-30T10:00:00Z", "2026-01-01T10:00:00", "2026-01-01T24:00:00Z"),
        *("2026-01-01T10:00:00+01:00", "2026-01-01T10:00:00.5Z", "2026-01-01t10:00:00z"),
        *("20260101", "1899-01-01", "2026-01-01", "yes", "none", "other", "neglect", "identity"),
        *("05166008", "0516600", "47929", "030 23125 001", "abc", "/a/0/b", "/a b", "٠٥١٦٦٠٠٨"),
        *([], {}, [[]], [{}], ["neglect", "neglect"], ["alcohol"] * 8, [{}] * 60),
    ]
    places = {
        tuple("*" if isinstance(step, int) else step for step in p): p for p in paths(document)
    }
    for path in places.values():
        if not path:
            continue
        yield f"{path} removed", changed(document, path, lambda here, last: here.pop(last))
        for value in values:
            yield (
                f"{path} = {value!r:.20}",
                changed(
                    document,
                    path,
                    lambda here, last, value=value: (
                        here.update({last: value})
                        if isinstance(here, dict)
                        else here.__setitem__(last, value)
                    ),
                ),
            )
    for path in places.values():
        target = document
        for step in path:
            target = target[step]
        if isinstance(target, dict):
            spoilt_one = copy.deepcopy(document)
            here = spoilt_one
            for step in path:
                here = here[step]
            here["unbekannt"] = 1
            yield f"{path} with one more", spoilt_one


@pytest.mark.parametrize(("kind", "version", "example"), EXAMPLES, ids=IDS)
def test_every_example_is_valid_for_both_readers(kind, version, example):
    second_reader(schemas.json_schema(kind, version)).validate(example)
    assert accepts(kind, version, example)
    assert schemas.validate(kind, version, example) == schemas.validate(
        kind, version, json.dumps(example).encode()
    )


@pytest.mark.parametrize(("kind", "version", "example"), EXAMPLES, ids=IDS)
def test_both_readers_agree_on_every_spoilt_example(kind, version, example):
    validator = second_reader(schemas.json_schema(kind, version))
    verdicts = set()
    for what, document in spoilt(example):
        verdict = accepts(kind, version, document)
        assert validator.is_valid(document) == verdict, what
        verdicts.add(verdict)
    assert verdicts == {True, False}  # the table has good and bad ones


def test_both_readers_agree_on_every_spoilt_record():
    validator = second_reader(schema_of(RecordBody, "record", 1))
    validator.validate(RECORD)
    for what, document in spoilt(RECORD):
        try:
            RecordBody.read(json.dumps(document).encode(), "record-malformed")
            verdict = True
        except Refused:
            verdict = False
        assert validator.is_valid(document) == verdict, what
